"""Make activations.npz: what PyTorch's activation functions give, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_activations.py`. The inputs are drawn once, and stretched so
that some lie where a naive formula overflows. "x" is a plain matrix, "ends" the places where floats end.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

FUNCTIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "leaky_relu_0.3": lambda x: F.leaky_relu(x, 0.3),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softmax_0": lambda x: F.softmax(x, 0),
    "softmax_1": lambda x: F.softmax(x, 1),
    "log_softmax_0": lambda x: F.log_softmax(x, 0),
    "log_softmax_1": lambda x: F.log_softmax(x, 1),
}
ENDS = [[0.0, -0.0, 1e-7, -1e-7, 30.0], [-30.0, 95.0, -95.0, 1e4, -1e4]]


def main() -> None:
    """Write activations.npz beside this file: NAME_x and NAME_ends in float64, and the inputs."""
    x = np.random.default_rng(3).normal(0.0, 3.0, (7, 9))
    x[3] *= 100.0
    arrays = {"x": x, "ends": np.asarray(ENDS)}
    for name, function in FUNCTIONS.items():
        for where in ("x", "ends"):
            arrays[f"{name}/{where}"] = function(torch.tensor(arrays[where])).numpy()
    np.savez_compressed(Path(__file__).with_suffix("").with_name("activations.npz"), **arrays)


if __name__ == "__main__":
    main()
