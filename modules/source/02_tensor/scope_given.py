"""Who watches the door: a process-wide default and, above it, an overlay for the running context.

    WATCHERS["autograd"] = watcher            the default, set when core.autograd is imported; seen by every thread
    with overlay(profiler=MyWatcher()): …     for this context only, undone at the end whatever happens
    with overlay(autograd=None): …            switches a default off here (that is `no_grad`)

A new thread starts with the default alone.
"""

from contextvars import ContextVar
from typing import Any

from tinytorch.given.tables import Table


class Watcher:
    """Looks on while operations run. A subclass writes `after`; the others only if it needs them.

    tracked_only: True asks for operations only that have a *tracked* input: one that requires a gradient, shares
        memory, or is an element of a list; and for every operation for which somebody looked before.
    single_operations: True asks that nothing be deferred or fused while it watches.
    before(primitive, inputs, params): called before every operation; what it returns is handed to `after` as `note`.
    before_mutation(primitive, inputs, params): the same, before operations that overwrite an input only.
    """

    tracked_only = False
    single_operations = False
    before: Any = None
    before_mutation: Any = None

    def after(
        self, primitive: Any, inputs: tuple, params: dict, outputs: tuple, backend: str, phase: str, note: Any = None
    ) -> None:
        """Called after every operation, with its outputs and residuals as Tensors.

        phase: "forward", "backward" or "recompute". note: what `before` returned.
        """
        raise NotImplementedError


class WatcherTable(Table):
    """Key -> Watcher (None switches a key off), with the calls to make kept ready for `bind`."""

    def __init__(self, rows: Any = ()):
        super().__init__(rows)
        self._changed(None)

    def _changed(self, key: Any) -> None:
        self.active = tuple(w for w in self._rows.values() if w is not None)
        self.after = tuple(w.after for w in self.active)
        self.after_untracked = tuple(w.after for w in self.active if not w.tracked_only)
        self.looks_before = any(w.before is not None for w in self.active)
        self.single_operations = any(w.single_operations for w in self.active)


WATCHERS = WatcherTable()


class Scope:
    """The overlay of one context: its watchers (defaults included) and the phase it runs in."""

    __slots__ = ("phase", "watchers")

    def __init__(self, watchers: WatcherTable, phase: str):
        self.watchers, self.phase = watchers, phase


SCOPE: ContextVar[Scope | None] = ContextVar("tinytorch_scope", default=None)


class overlay:
    """Context manager: watchers added (`key=watcher`) or switched off (`key=None`), and the phase, for this context.

    phase: "forward", "backward" or "recompute"; None keeps the one in force.
    """

    def __init__(self, phase: str | None = None, **watchers: Watcher | None):
        self.phase, self.changes, self.tokens = phase, watchers, []

    def __enter__(self) -> "overlay":
        scope = SCOPE.get()
        merged = WatcherTable({**(WATCHERS if scope is None else scope.watchers), **self.changes})
        phase = self.phase or ("forward" if scope is None else scope.phase)
        self.tokens.append(SCOPE.set(Scope(merged, phase)))
        return self

    def __exit__(self, *exception: object) -> None:
        SCOPE.reset(self.tokens.pop())


def watchers() -> WatcherTable:
    """Return the watchers of the running context."""
    scope = SCOPE.get()
    return WATCHERS if scope is None else scope.watchers


def phase() -> str:
    """Return "forward", "backward" or "recompute": what the running context is doing."""
    scope = SCOPE.get()
    return "forward" if scope is None else scope.phase
