"""Calling a module, and the hooks around the call: before, after, and in the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from tinytorch.core.engine import DTypeError, service


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out again; so does the end of a `with` block."""

    _ids = count()

    def __init__(self, hooks: dict, hook: Any, prepend: bool = False):
        self.hooks, self.id = hooks, next(self._ids)
        later = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[self.id] = hook
        hooks.update(later)

    def remove(self) -> None:
        """Take the hook out; doing so twice is no error."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def expect_hook(hook: Any, what: str) -> Callable:
    """Return `hook` if it can be called, else say what was found."""
    if not callable(hook):
        raise DTypeError(f"{what}: expected a function, found {type(hook).__name__}.")
    return hook


class ModuleHooks:
    """The call, and hooks. Each table maps a handle's id to (hook, settings …), in the order of calling."""

    _forward_pre_hooks: dict[int, tuple]       # (hook, with_kwargs)
    _forward_hooks: dict[int, tuple]           # (hook, with_kwargs, always_call)
    _backward_pre_hooks: dict[int, tuple]      # (hook,)
    _backward_hooks: dict[int, tuple]          # (hook,)
    forward: Callable

    def _prepare_hooks(self) -> None:
        """Make the empty tables."""
        for table in ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"):
            self.__dict__[table] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, and the hooks around it."""
        own = self.__dict__
        if not (own["_forward_pre_hooks"] or own["_forward_hooks"]):
            if not (own["_backward_hooks"] or own["_backward_pre_hooks"]):
                return self.forward(*args, **kwargs)
            return self._watched(args, kwargs)
        args, kwargs = self._before(args, kwargs)
        try:
            output = self._watched(args, kwargs)
        except Exception:
            for hook, with_kwargs, always in tuple(self._forward_hooks.values()):
                if always:
                    hook(self, args, kwargs, None) if with_kwargs else hook(self, args, None)
            raise
        for hook, with_kwargs, _ in tuple(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            output = output if changed is None else changed
        return output

    def _before(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Return what the hooks before the call make of its arguments."""
        for hook, with_kwargs in tuple(self._forward_pre_hooks.values()):
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is None:
                continue
            if not with_kwargs:
                args = changed if isinstance(changed, tuple) else (changed,)
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict)):
                raise DTypeError(
                    f"{type(self).__name__}: expected a hook with kwargs to return None or (args, kwargs), found "
                    f"{type(changed).__name__}."
                )
            args, kwargs = changed
        return args, kwargs

    def _watched(self, args: tuple, kwargs: dict) -> Any:
        """Run `forward` so that the hooks of the backward pass see the gradients that go by."""
        if not (self._backward_hooks or self._backward_pre_hooks):
            return self.forward(*args, **kwargs)
        args, finish = service("watch_module_backward", "module 09_autograd")(self, args)
        return finish(self.forward(*args, **kwargs))

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; what it returns, if not None, replaces the arguments.

        with_kwargs: call `hook(module, args, kwargs)`, which returns None or (args, kwargs). prepend: before the
        hooks that are there.
        """
        expect_hook(hook, "register_forward_pre_hook")
        return RemovableHandle(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; what it returns, if not None, replaces the output.

        with_kwargs: call `hook(module, args, kwargs, output)`. always_call: also when forward raised, with output None.
        """
        expect_hook(hook, "register_forward_hook")
        return RemovableHandle(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the backward pass of the module.

        grad_output: a tuple, a gradient for each output. What the hook returns, if not None, replaces it.
        """
        service("watch_module_backward", "module 09_autograd")
        expect_hook(hook, "register_full_backward_pre_hook")
        return RemovableHandle(self._backward_pre_hooks, (hook,), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the module's inputs are known.

        Both are tuples: of positional arguments (None for one without gradient) and of outputs. What the hook
        returns, if not None, replaces grad_input for all that comes after.
        """
        service("watch_module_backward", "module 09_autograd")
        expect_hook(hook, "register_full_backward_hook")
        return RemovableHandle(self._backward_hooks, (hook,), prepend)
