"""What every Module can do, beside what module 04 teaches: registering by name, walking, and showing itself.

`Module` inherits these methods. Its tables are plain dicts: `_parameters`, `_buffers` and `_modules`, each name ->
value or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tinytorch.core.engine import DTypeError, TinyTorchError
from tinytorch.core.tensor import Tensor
from tinytorch.given.module_conversion import ModuleConversion
from tinytorch.given.module_hooks import ModuleHooks
from tinytorch.given.parameter import Parameter

TABLES = ("_parameters", "_buffers", "_modules")


class ModuleRegistry(ModuleHooks):
    """The tables of a module: what is where, and the ways to enter something by name."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _transient: set[str]                     # names of buffers that are not saved

    def _prepare(self) -> None:
        """Make the empty tables."""
        for table in TABLES:
            self.__dict__[table] = {}
        self.__dict__["_transient"] = set()
        self._prepare_hooks()

    def tables(self) -> tuple[dict, ...]:
        """Return the tables of parameters, buffers and submodules, and at last the plain attributes."""
        return *(self.__dict__.get(table, {}) for table in TABLES), self.__dict__

    def table_of(self, name: str) -> dict:
        """Return the table that knows `name` already, else that of the plain attributes."""
        return next((table for table in self.tables() if name in table), self.__dict__)

    def place(self, name: str, value: Any, table: dict) -> None:
        """Enter `value` into one table, and take the name out of the others."""
        for other in self.tables():
            if other is not table:
                other.pop(name, None)
        if table is self.__dict__:
            object.__setattr__(self, name, value)          # so that a property of the class is obeyed
        else:
            table[name] = value

    def check_assignment(self, name: str, value: Any) -> None:
        """Refuse an assignment that would lose a weight without a word."""
        who, kind = f"{type(self).__name__}.{name}", type(value).__name__
        registers = isinstance(value, Parameter | ModuleRegistry)
        if registers and "_parameters" not in self.__dict__:
            raise TinyTorchError(f"{who}: expected super().__init__() to come first, found a {kind} before it.")
        if value is None or registers:
            return
        table = self.table_of(name)
        if table is not self.__dict__ and not (table is self._buffers and isinstance(value, Tensor)):
            wanted = {id(self._parameters): "a Parameter", id(self._buffers): "a Tensor"}.get(id(table), "a Module")
            raise DTypeError(f"{who}: expected {wanted} or None, found {kind}. To change numbers, write them in place.")

    def __getattr__(self, name: str) -> Any:
        """Reached only for what is no plain attribute: look into the tables."""
        for table in TABLES:
            known = self.__dict__.get(table, {})
            if name in known:
                return known[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        table = self.table_of(name)
        if table is self.__dict__:
            object.__delattr__(self, name)
        else:
            del table[name]
            self._transient.discard(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for table in self.tables() for name in table)})

    def _check_name(self, name: str, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise TinyTorchError(f"{type(self).__name__}: call super().__init__() before {what} {name!r} is set.")
        if not isinstance(name, str) or not name or "." in name:
            raise TinyTorchError(f"Expected a name without dots for {what}, found {name!r}: dots separate modules.")
        if name in self.__dict__ or hasattr(type(self), name):
            raise TinyTorchError(f"{type(self).__name__} has an attribute {name!r} already; rename {what}.")
        for kind, table in (("parameter", self._parameters), ("buffer", self._buffers), ("module", self._modules)):
            if name in table and not what.endswith(kind):
                raise TinyTorchError(f"{type(self).__name__} has a {kind} {name!r} already; rename {what}.")

    def register_parameter(self, name: str, param: Any) -> None:
        """Enter a Parameter by name; None reserves the name."""
        self._check_name(name, "the parameter")
        if param is None:
            self._parameters[name] = None
        else:
            setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Enter a tensor that belongs to the module but is not trained, such as running statistics.

        persistent: whether state_dict contains it.
        """
        self._check_name(name, "the buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise DTypeError(f"register_buffer({name!r}): expected a Tensor or None, found {type(tensor).__name__}.")
        self.place(name, tensor, self._buffers)
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Any) -> None:
        """Enter a submodule by name; None reserves the name."""
        self._check_name(name, "the module")
        if module is not None and not isinstance(module, ModuleRegistry):
            raise DTypeError(f"add_module({name!r}): expected a Module or None, found {type(module).__name__}.")
        self.place(name, module, self._modules)

    register_module = add_module


def _path(target: Any, what: str) -> list[str]:
    """Return the names on a path like "encoder.layers.0"."""
    if not isinstance(target, str) or not all(target.split(".")):
        raise AttributeError(f"{what}: expected a path like 'encoder.0', found {target!r}.")
    return target.split(".")


class ModuleMethods(ModuleConversion, ModuleRegistry):
    """Walking, changing and showing a module."""

    named_modules: Callable
    named_members: Callable
    train: Callable

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass overrides it."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method forward, found none. Write it.")

    # ---- walking

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield (name, Parameter), each parameter once; or under each of its names, if not remove_duplicate."""
        walk = self.named_members if remove_duplicate else self._members_by_every_name
        return walk("_parameters", prefix, recurse)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield (name, Tensor) of the buffers, each once; or under each of its names, if not remove_duplicate."""
        walk = self.named_members if remove_duplicate else self._members_by_every_name
        return walk("_buffers", prefix, recurse)

    def _members_by_every_name(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        path = f"{prefix}." if prefix else ""
        yield from ((path + name, tensor) for name, tensor in getattr(self, table).items() if tensor is not None)
        for name, module in self._modules.items() if recurse else ():
            if module is not None:
                yield from module._members_by_every_name(table, path + name, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Yield the parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """Yield the buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def modules(self) -> Iterator[Any]:
        """Yield the module itself and everything below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, module) of the direct submodules, each once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Any]:
        """Yield the direct submodules, each once."""
        return (module for _, module in self.named_children())

    def get_submodule(self, target: str) -> Any:
        """Return the module at the path `target`, as "encoder.layers.0"; "" is the module itself."""
        module = self
        for name in _path(target, "get_submodule") if target else ():
            if module._modules.get(name) is None:
                known = ", ".join(module._modules) or "none"
                raise AttributeError(
                    f"{type(self).__name__}: expected a module at {target!r}, found none called {name!r} in "
                    f"{type(module).__name__}, whose modules are: {known}."
                )
            module = module._modules[name]
        return module

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Replace the module at the path `target`. strict: there must be one; else its owner is enough."""
        *owner, name = _path(target, "set_submodule")
        if not isinstance(module, ModuleRegistry):
            raise DTypeError(f"set_submodule({target!r}): expected a Module, found {type(module).__name__}.")
        if strict:
            self.get_submodule(target)
        setattr(self.get_submodule(".".join(owner)), name, module)

    def get_parameter(self, target: str) -> Any:
        """Return the parameter at the path `target`, as "encoder.weight"."""
        return self._member(target, "_parameters", "a parameter")

    def get_buffer(self, target: str) -> Any:
        """Return the buffer at the path `target`."""
        return self._member(target, "_buffers", "a buffer")

    def _member(self, target: str, table: str, kind: str) -> Any:
        *owner, name = _path(target, kind)
        known = getattr(self.get_submodule(".".join(owner)), table)
        if name not in known:
            shown = ", ".join(known) or "none"
            raise AttributeError(f"{type(self).__name__}: expected {kind} at {target!r}, its owner's are: {shown}.")
        return known[name]

    # ---- changing all of it

    def eval(self) -> Any:
        """Set the module and all below it to inference; return it."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad` of every parameter; return the module. False freezes it."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; set_to_none=False overwrites them with 0 and keeps their memory."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.detach().zero_()

    def apply(self, fn: Callable) -> Any:
        """Call `fn(module)` on everything below and at last on the module itself; return it."""
        if not callable(fn):
            raise DTypeError(f"apply: expected a function that takes a module, found {type(fn).__name__}.")
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ---- showing

    def extra_repr(self) -> str:
        """Return the settings to show in the parentheses of `repr`; a subclass overrides it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = [self.extra_repr()] if self.extra_repr() else []
        children = [f"({name}): {module!r}" for name, module in self._modules.items()]
        if not children and "\n" not in "".join(extra):
            return f"{type(self).__name__}({''.join(extra)})"
        lines = "\n".join(extra + children).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)"
