"""Make transforms.npz: resampled images as PyTorch computes them. Run with a Python that has PyTorch."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

random = np.random.default_rng(0)
images = random.random((2, 3, 9, 7), dtype=np.float32)
arrays = {"images": images}
for name, size in {"down": (4, 3), "up": (13, 16), "mixed": (5, 11)}.items():
    for mode in ("bilinear", "nearest"):
        for antialias in (True, False) if mode == "bilinear" else (False,):
            out = interpolate(torch.tensor(images), size, mode=mode, antialias=antialias)
            arrays[f"{name}_{mode}_{antialias}"] = out.numpy()
np.savez_compressed(Path(__file__).with_name("transforms.npz"), **arrays)
