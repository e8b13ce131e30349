"""ModuleDict, ParameterList and ParameterDict: dicts and lists whose modules or parameters are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tinytorch.core.engine import DTypeError, IndexingError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.containers import expect_module
from tinytorch.given.parameter import Parameter

#| face nn: ModuleDict, ParameterList, ParameterDict


def _pairs(values: Any, what: str) -> list[tuple[str, Any]]:
    """Return the (key, value) pairs of a dict, of a container, or of a list of pairs."""
    if hasattr(values, "items"):
        return list(values.items())
    found = list(values) if isinstance(values, Iterable) else None
    if found is None or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in found):
        raise DTypeError(f"{what}: expected a dict or a list of (key, value) pairs, found {type(values).__name__}.")
    return found


class Keyed(Module):
    """What ModuleDict and ParameterDict share: a mapping from texts to values that a module registers."""

    def _table(self) -> dict[str, Any]:
        """Return the dict that holds the values."""
        raise NotImplementedError(f"{type(self).__name__}._table: written by ModuleDict and ParameterDict.")

    def __getitem__(self, key: str) -> Any:
        if key not in self._table():
            known = ", ".join(map(repr, self._table())) or "none"
            raise IndexingError(f"{type(self).__name__}: expected one of its keys ({known}), found {key!r}.")
        return self._table()[key]

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __len__(self) -> int:
        return len(self._table())

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __contains__(self, key: object) -> bool:
        return key in self._table()

    def keys(self) -> Iterable[str]:
        """Return the keys, in their order."""
        return self._table().keys()

    def values(self) -> Iterable[Any]:
        """Return the values."""
        return self._table().values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the (key, value) pairs."""
        return self._table().items()

    def clear(self) -> None:
        """Remove everything."""
        self._table().clear()

    def pop(self, key: str) -> Any:
        """Remove a key; return its value."""
        value = self[key]
        del self._table()[key]
        return value

    def update(self, values: Any) -> None:
        """Add or replace the entries of a dict, or of a list of pairs."""
        for key, value in _pairs(values, f"{type(self).__name__}.update"):
            self[key] = value


class ModuleDict(Keyed):
    """A dict of modules whose parameters are found. It has no forward; its owner calls the elements by their key.

    modules: a dict name -> module, or a list of pairs.
    """

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def _table(self) -> dict[str, Any]:
        return self._modules

    def __setitem__(self, key: str, module: Module) -> None:
        expect_module(module, "ModuleDict")
        if key in self._modules:
            self._modules[key] = module
        else:
            self.add_module(key, module)


def _parameter(value: Any, what: str) -> Parameter:
    """Return a tensor as a Parameter."""
    if not isinstance(value, Tensor):
        raise DTypeError(f"{what}: expected Parameters or Tensors, found {type(value).__name__}.")
    return value if isinstance(value, Parameter) else Parameter(value, requires_grad=value.dtype.kind == "f")


class ParameterDict(Keyed):
    """A dict of parameters that are found. Tensors become parameters.

    parameters: a dict name -> tensor, a list of pairs, or names alone, whose parameters are set later.
    """

    def __init__(self, parameters: Any = None):
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def _table(self) -> dict[str, Any]:
        return self._parameters

    def __setitem__(self, key: str, value: Any) -> None:
        parameter = _parameter(value, "ParameterDict")
        if key in self._parameters:
            self._parameters[key] = parameter
        else:
            self.register_parameter(key, parameter)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the parameter of `key`, or `default`."""
        return self._parameters.get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the parameter of `key`; if there is none, enter `default` first."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove the last entry; return it."""
        return self._parameters.popitem()

    def copy(self) -> ParameterDict:
        """Return another dict of the same parameters."""
        return ParameterDict(self._parameters)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Return a new dict that holds `default` under each key."""
        return ParameterDict(dict.fromkeys(keys, default))

    def __or__(self, other: Mapping | ParameterDict) -> ParameterDict:
        return ParameterDict({**self._parameters, **dict(other.items())})

    def extra_repr(self) -> str:
        """Return the parameters, each by its shape and dtype."""
        return "\n".join(_row(key, value) for key, value in self.items())


class ParameterList(Module):
    """A list of parameters that are found. Tensors become parameters. Names are "0", "1", …"""

    def __init__(self, values: Any = None):
        super().__init__()
        self.extend([] if values is None else values)

    def _position(self, index: Any) -> int:
        if isinstance(index, bool) or not hasattr(index, "__index__"):
            raise DTypeError(f"ParameterList: expected an int or a slice as index, found {index!r}.")
        count, index = len(self), index.__index__()
        if not -count <= index < count:
            raise IndexingError(f"ParameterList: expected an index in {-count}…{count - 1}, found {index}.")
        return index % count

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self)[index] if isinstance(index, slice) else None
        return self._parameters[str(self._position(index))] if found is None else ParameterList(found)

    def __setitem__(self, index: int, value: Any) -> None:
        self._parameters[str(self._position(index))] = _parameter(value, "ParameterList")

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add a parameter at the end; return self."""
        self.register_parameter(str(len(self)), _parameter(value, "ParameterList"))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Append each of several parameters; return self."""
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise DTypeError(f"ParameterList: expected a list of tensors, found {type(values).__name__}.")
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """Return the parameters, each by its shape and dtype."""
        return "\n".join(_row(i, value) for i, value in enumerate(self))


def _row(key: Any, value: Parameter) -> str:
    return f"({key}): Parameter of shape {value.shape}, {value.dtype}"
