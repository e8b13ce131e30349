"""What differs between the two libraries: everything else in the workloads is written once and runs on both.

TinyTorch has PyTorch's names, so a workload takes the library as an argument. PyTorch gets what is fastest for it on a
processor: channels-last images and the fused optimizers.
"""

from __future__ import annotations

import ctypes
import importlib
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

OURS, THEIRS = "tinytorch", "torch"
TITLES = {OURS: "TinyTorch", THEIRS: "PyTorch"}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3); TinyTorch's kernels set both
AS_IT_COMES, KEPT = "as it comes", "freed memory is kept (mallopt)"


@dataclass(frozen=True)
class Library:
    """A library at work. `torch` is its top-level module, under the name by which the workloads know it."""

    name: str
    torch: Any
    allocator: str

    @property
    def is_pytorch(self) -> bool:
        """Whether this is the yardstick."""
        return self.name == THEIRS

    def network(self, model: Any) -> Any:
        """The network in training mode, in the layout that is best for it, with the weights that `initialise` gives."""
        initialise(self.torch, model.train())
        return model.to(memory_format=self.torch.channels_last) if self.is_pytorch else model

    def images(self, array: np.ndarray) -> Any:
        """Images (N, C, H, W) as a tensor, in the layout that is best for the library."""
        tensor = self.torch.from_numpy(array)
        return tensor.contiguous(memory_format=self.torch.channels_last) if self.is_pytorch else tensor

    def optimizer(self, kind: str, model: Any, **settings: Any) -> Any:
        """The optimizer `kind` ("SGD", "Adam") of all parameters, in its fastest form."""
        fastest = {"fused": True} if self.is_pytorch else {}
        return getattr(self.torch.optim, kind)(model.parameters(), **settings, **fastest)

    def facts(self) -> dict[str, Any]:
        """What a reader of the results has to know."""
        facts = {"version": str(self.torch.__version__), "python": platform.python_version(), "numpy": np.__version__}
        facts |= {"threads": self.torch.get_num_threads(), "allocator": self.allocator}
        if self.is_pytorch:
            return facts | {"images": "channels_last", "optimizer": "fused"}
        return facts | {"images": "contiguous", "optimizer": "the only one", "backend": self.torch.backends.current()}


def load(name: str, threads: int, keep_memory: bool = False) -> Library:
    """Import a library and give it `threads` threads. `keep_memory`: PyTorch gets TinyTorch's allocator settings."""
    torch = importlib.import_module(name)
    torch.set_num_threads(threads)
    kept = name == OURS or (keep_memory and keep_freed_memory())
    return Library(name, torch, KEPT if kept and platform.libc_ver()[0] == "glibc" else AS_IT_COMES)


def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed, as TinyTorch's kernels do; whether there is anything to tell."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None
    if mallopt is None:
        return False
    kept = any(mallopt(M_MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25))
    return bool(kept and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def initialise(torch: Any, model: Any, seed: int = 0) -> None:
    """The same weights in both: normal with variance 2 / fan-in; scales (weights with one axis) 1, biases 0."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            if len(shape) > 1:
                values = rng.normal(scale=np.sqrt(2 / np.prod(shape[1:])), size=shape)
            else:
                values = np.full(shape, float(name.endswith("weight")))
            parameter.copy_(torch.from_numpy(values.astype("float32")))
