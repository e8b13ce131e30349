"""What Sequential and ModuleList share: they are lists whose elements are submodules, named "0", "1", …"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tinytorch.core.engine import DTypeError, IndexingError
from tinytorch.core.layers import Module


class ModuleSequence(Module):
    """A module that is used as a list of modules; the order is that of `_modules`."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def position(self, index: Any) -> int:
        """Return an index counted from the front, or say that there is no such element."""
        if isinstance(index, bool) or not hasattr(index, "__index__"):
            raise DTypeError(f"{type(self).__name__}: expected an int or a slice as index, found {index!r}.")
        index, count = index.__index__(), len(self)
        if not -count <= index < count:
            raise IndexingError(f"{type(self).__name__}: expected an index in {-count}…{count - 1}, found {index}.")
        return index % count

    def key(self, index: Any) -> str:
        """Return the name of the element at `index`."""
        return list(self._modules)[self.position(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        """Replace one element; its name stays."""
        name = self.key(index)
        self._modules[name] = expect_module(module, type(self).__name__)

    def __delitem__(self, index: int | slice) -> None:
        """Remove one element or a slice of them; those named by numbers are counted anew."""
        for name in list(self._modules)[index] if isinstance(index, slice) else [self.key(index)]:
            del self._modules[name]
        if all(key.isdigit() for key in self._modules):
            self._renumber(list(self))

    def pop(self, key: int = -1) -> Any:
        """Remove the element at `key`, the last one by default; return it."""
        module = self._modules[self.key(key)]
        del self[key]
        return module

    def __add__(self, other: Iterable[Module]) -> Any:
        """Return a new container with the elements of both, the very same modules, numbered anew."""
        return type(self)._of([*self, *self._others(other, "+")])

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(self._others(other, "+="))

    def _others(self, other: Any, operator: str) -> list[Module]:
        if not isinstance(other, ModuleSequence | list | tuple):
            name = type(self).__name__
            raise DTypeError(f"{name} {operator} …: expected a {name} or a list, found {type(other).__name__}.")
        return list(other)

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        """Return a container of this kind; one with a constructor of its own becomes what it is built on."""
        kind = next(base for base in cls.__mro__ if ModuleSequence in base.__bases__)
        return kind().extend(modules)

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before the element at `index`, as list.insert does; return self."""
        elements = list(self)
        elements.insert(index, expect_module(module, type(self).__name__))
        self._renumber(elements)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Append each of several modules; return self."""
        for module in list(modules):
            self.append(module)
        return self

    def append(self, module: Module) -> Any:
        """Add a module at the end; module 05 writes it for both lists."""
        raise NotImplementedError(f"{type(self).__name__}.append: not implemented yet")

    def _renumber(self, elements: list[Module]) -> None:
        self._modules.clear()
        self._modules.update({str(i): module for i, module in enumerate(elements)})


def expect_module(value: Any, what: str) -> Any:
    """Return `value` if it is a Module, else say what was found."""
    if not isinstance(value, Module):
        hint = ""
        if isinstance(value, type):
            hint = f" Call the class to make a layer: {value.__name__}(…)."
        elif isinstance(value, list | tuple):
            hint = f" Unpack the {type(value).__name__} with a star: {what}(*layers)."
        raise DTypeError(f"{what}: expected a Module, found {value if hint else type(value).__name__!r}.{hint}")
    return value


def repr_of_list(modules: ModuleSequence) -> str:
    """Return the text of a ModuleList: neighbours that read alike stand on one line, with their number."""
    runs: list[list] = []
    for i, text in enumerate(repr(module) for module in modules):
        if runs and runs[-1][2] == text:
            runs[-1][1] = i
        else:
            runs.append([i, i, text])
    rows = [f"({a}): {text}" if a == b else f"({a}-{b}): {b - a + 1} x {text}" for a, b, text in runs]
    lines = "\n".join(rows).replace("\n", "\n  ")
    name = type(modules).__name__
    return f"{name}(\n  {lines}\n)" if rows else f"{name}()"
