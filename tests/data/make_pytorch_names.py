"""Make tito/export/pytorch_names.json: the public, documented names of PyTorch, face by face, and its version.

Run with a Python that has PyTorch: `python tests/data/make_pytorch_names.py`. A name is public if its module lists it
in `__all__` (without such a list: if it has no underscore in front and is PyTorch's own), and it counts if it has a
docstring or is one of the functions that PyTorch lets subclasses of Tensor override. Left out: exceptions, storages,
other modules, and operators that are there for compilers and backends (INTERNAL).
"""

import importlib
import json
import re
import types
from pathlib import Path

import torch
from torch.overrides import get_overridable_functions

TARGET = Path(__file__).parents[2] / "tito" / "export" / "pytorch_names.json"
FACES = ("", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "autograd", "utils",
         "utils.data", "utils.checkpoint", "nn.utils.rnn", "autograd.functional", "linalg",
         "optim.swa_utils", "autograd.function")  # fmt: skip
MODULES = ("cuda", "compile", "jit", "fft", "linalg", "special", "distributions", "distributed", "sparse", "onnx",
           "hub", "amp", "backends", "export", "fx", "func", "profiler", "random", "futures", "masked", "mps", "nested",
           "overrides", "package", "quantization", "signal", "testing", "xpu", "multiprocessing")  # fmt: skip
OTHERS = ("Tensor", "Generator", "Size", "device", "dtype", "finfo", "iinfo", "layout", "memory_format",
           "set_grad_enabled", "unique")  # fmt: skip
INTERNAL = re.compile(
    r"(?!index_).*_copy|sym_.*|bits.*|u?int[1-7]|q?u?int\d+x\d+|float[48]_.*|(fbgemm|miopen|cudnn|native|quantized?|q)_.*"
    r"|fake_quant.*"
    r"|batch_norm_\w+|affine_grid_generator|fused_.*|unsafe_.*|choose_.*|slice_inverse|rsub|constant_pad_nd|Sym.*|Script.*"
    r"|(AVG|SUM|Tag|AggregationType|DispatchKey|fork|wait|parse_\w+|import_ir\w*|unify_\w+|merge_\w+|init_num_threads)"
    r"|\w+_notes|\w+_with_indices|\w*(torch_function|grouped_mm|scaled_mm|_dispatch)|[A-Z]+_[A-Z_]+|(Scaling|Swizzle)Type"
    r"|NestedIOFunction|ThroughputBenchmark|convolution|grid_sampler\w*|(dsmm|hsmm|saddmm|spmm|smm|sspaddmm|hspmm)|norm_except_dim|has_\w+"
    r"|factory_kwargs|Graph.*|SAC_\w+|DefaultDeviceType|\w+DataPipe|\w*privateuse1\w*|get_cpp_backtrace|set_module"
    r"|int_repr|\w+_prefix_path|Uninitialized\w+|\w+Options|q(int|uint).*|swap_in_\w+|(col|row|crow|ccol)_indices"
)
OVERRIDABLE = {function for functions in get_overridable_functions().values() for function in functions}


def documented(value: object) -> bool:
    """Whether it has a docstring of its own or may be overridden; dtypes and constants need neither."""
    if isinstance(value, torch.dtype | float) or (callable(value) and value in OVERRIDABLE):
        return True
    own = value.__doc__ if not isinstance(value, type) else vars(value).get("__doc__")
    return bool(own) and not isinstance(value, types.ModuleType)


def is_a_foreigner(value: object) -> bool:
    """Something that PyTorch has imported, or that is no part of what a user calls."""
    home = getattr(value, "__module__", None) or "torch"
    exception = isinstance(value, type) and issubclass(value, BaseException)
    return not home.startswith("torch") or exception or getattr(value, "__name__", "").endswith("Storage")


def names_of(face: str) -> list[str]:
    """The names of `torch.<face>`."""
    module = importlib.import_module(f"torch.{face}" if face else "torch")
    listed = getattr(module, "__all__", None) or dir(module)
    found = {name for name in listed if not name.startswith("_")}
    found = {n for n in found if documented(getattr(module, n)) and not is_a_foreigner(getattr(module, n))}
    if face == "":
        found |= set(MODULES) | set(OTHERS)
    if face == "nn":
        found |= {name for name in dir(torch.nn) if isinstance(getattr(torch.nn, name), type) and name[0].isupper()}
    if face == "optim":
        found |= {name for name in dir(torch.optim) if isinstance(getattr(torch.optim, name), type)}
    return sorted(name for name in found if not INTERNAL.fullmatch(name))


def tensor_names() -> list[str]:
    """Methods and properties of torch.Tensor."""
    return sorted(name for name in dir(torch.Tensor) if not name.startswith("_") and not INTERNAL.fullmatch(name))


def main() -> None:
    """Write the file, one face a line."""
    faces = {face: names_of(face) for face in FACES} | {"Tensor": tensor_names()}
    lines = [
        f"  {json.dumps('tinytorch' if face == '' else face)}: {json.dumps(names)}" for face, names in faces.items()
    ]
    version = torch.__version__.partition("+")[0]
    TARGET.write_text(f'{{\n  "version": "{version}",\n' + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print({face: len(names) for face, names in faces.items()})


if __name__ == "__main__":
    main()
