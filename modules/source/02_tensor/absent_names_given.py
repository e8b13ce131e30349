"""Names that PyTorch's Tensor has and ours has not: reading one raises an AttributeError that says so.

`Tensor` has no `__getattr__` (it would make every attribute four times slower to read). So each such name is an object
in the last base class, behind everything that is built. `hasattr` is False for it and `dir` does not list it.
"""

import json
from pathlib import Path
from typing import Any, NoReturn

PYTORCH = Path(__file__).parents[1] / "_pytorch_names.json"


class AbsentName:
    """Stands for one name; reading it from a tensor or from the class raises AttributeError."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, tensor: Any, owner: type) -> NoReturn:
        from tinytorch._missing_names import missing

        raise missing("tinytorch.Tensor", self.name, dir(owner))


class TensorClass(type):
    """What Tensor and its subclasses are instances of: an ordinary class whose `dir` leaves absent names out."""

    def __dir__(cls) -> list[str]:
        return sorted({name for base in cls.__mro__ if base is not AbsentNames for name in vars(base)})


def absent_names() -> type:
    """Return the class that holds an AbsentName for every name of PyTorch's Tensor."""
    names = json.loads(PYTORCH.read_bytes())["Tensor"]
    return TensorClass("AbsentNames", (), {name: AbsentName(name) for name in names})


AbsentNames = absent_names()
