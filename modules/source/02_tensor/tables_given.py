"""Primitives, and the tables beside the door: what later modules add to the engine is rows in these.

Nothing here computes. `bind` (written in module 02) reads the tables; every later module only inserts rows.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tinytorch.given.errors import TinyTorchError

PRIMITIVES: dict[str, "Primitive"] = {}     # name -> the one Primitive of that name
SERVICES: dict[str, Callable] = {}          # what arrives with a part of the course: "bind" (02), "backward" (09) …
NON_DIFFERENTIABLE: set[str] = set()        # names of the primitives that have no gradient, by decision
BROADCASTING: set[str] = set()              # names of those whose inputs broadcast: autograd sums their gradients back
REFERENCE_ONLY: list[str] = []              # why no other kernel may run in this process; see `use_reference`
UNTRIED: set[str] = set()                   # backends called as the library that they need, until one is first chosen
FORKED = "a copy of a process has none of its threads"
SETTINGS: dict[str, Any] = {"backend": None}    # None: every backend with a row in KERNELS may serve; else that one


class Table(MutableMapping):
    """A dict of rows that learns of every change, by whatever method (`t[k] = v`, `update`, `pop`, `clear` …)."""

    def __init__(self, rows: Any = ()):
        self._rows: dict = dict(rows)

    def __getitem__(self, key: Any) -> Any:
        return self._rows[key]

    def __setitem__(self, key: Any, row: Any) -> None:
        self._rows[key] = row
        self._changed(key)

    def __delitem__(self, key: Any) -> None:
        del self._rows[key]
        self._changed(key)

    def __iter__(self) -> Iterator:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the row of `key`, or `default`."""
        return self._rows.get(key, default)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._rows!r})"

    def _changed(self, key: Any) -> None:
        """The row of `key` was set or removed."""


class Primitive:
    """One named array operation. Only a name and flags: the work is in its kernels.

    Made once per name (interned): a second owner of a name is an error, running the same cell twice is not.

    name: what errors, rules and profiles call it. A trailing underscore marks an in-place operation, as in PyTorch.
    kernel: the reference `kernel(xp, *arrays, **params)`, `xp` being the array namespace (NumPy or CuPy). Returns one
        array, or a tuple in the order of `outputs` + `residuals`. Its positional parameters name the inputs.
    outputs, residuals: names of the visible outputs, and of trailing ones that only the gradient rule sees.
    view: the output may share memory with input 0.        mutates: names of the inputs that the kernel overwrites.
    promote: "same": inputs take PyTorch's common dtype, and broadcast; "float": and integers become float32.
    deferrable: may wait for the next operation, to be fused with it; its output has the shape and dtype of input 0.
        True for an element-wise operation; else `fn(*inputs, **params) -> bool`: is this call certain not to fail?
    decompose: `fn(*inputs, **params)` in Tensors, equal to the kernel: differentiated where no rule is given.
    ufunc: the NumPy function of two arrays that is the whole kernel; two arrays of one dtype go straight to it.
    """

    __slots__ = (
        "decompose", "deferrable", "fresh", "fuses", "inputs", "kernel", "mutates", "name", "outputs", "promote",
        "quiet", "residuals", "rows", "rule", "single", "source", "ufunc", "variadic", "view", "visible", "whole",
    )

    def __new__(cls, name: str, kernel: Callable, **flags: Any) -> "Primitive":
        known = PRIMITIVES.get(name)
        if known is not None and known.source != _source(kernel):
            raise TinyTorchError(
                f"Primitive {name!r} belongs to {known.source} already; {_source(kernel)} must choose another name."
            )
        return known if known is not None else super().__new__(cls)

    def __init__(
        self, name: str, kernel: Callable, *, outputs: tuple[str, ...] = ("out",), residuals: tuple[str, ...] = (),
        view: bool = False, mutates: tuple[str, ...] = (), promote: str | None = None,
        deferrable: bool | Callable = False, decompose: Callable | None = None, ufunc: Callable | None = None,
    ):
        self.name, self.source = name, _source(kernel)
        self.quiet: bool = hasattr(kernel, "loud")      # then `bind` keeps NumPy silent, and spares a call
        self.kernel = getattr(kernel, "loud", kernel)
        self.inputs, self.variadic = _input_names(kernel)
        self.outputs, self.residuals = tuple(outputs), tuple(residuals)
        self.visible = len(self.outputs)
        self.single = self.visible + len(self.residuals) == 1
        self.fresh = self.single and not view and not mutates
        self.view, self.promote, self.deferrable, self.decompose = view, promote, deferrable, decompose
        self.mutates = tuple(self._position(m) for m in mutates)
        if deferrable and not self.fresh:
            raise TinyTorchError(
                f"Primitive {name!r} cannot wait: only one with a single, fresh output can. Drop deferrable."
            )
        PRIMITIVES[name] = self
        self.whole = ufunc
        self.set_rows(KERNELS.of(name))
        self.rule: Rule | None = VJPS.get(name)
        self.fuses: bool = FUSIONS.concerns(self)

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """Same as `bind(self, *inputs, **params)`, for code that stands before `bind` in the course."""
        return SERVICES["bind"](self, *inputs, **params)

    def set_rows(self, rows: tuple) -> None:
        """Take over this primitive's rows of KERNELS; with any, every call asks them."""
        self.rows = rows
        self.ufunc = None if rows else self.whole

    def _position(self, name: str) -> int:
        if name not in self.inputs:
            raise TinyTorchError(
                f"Primitive {self.name!r} mutates {name!r}, which is none of its inputs {self.inputs}."
            )
        return self.inputs.index(name)

    def __repr__(self) -> str:
        return f"Primitive({self.name!r})"


def _source(kernel: Callable) -> str:
    return f"{getattr(kernel, '__module__', '?')}.{getattr(kernel, '__qualname__', repr(kernel))}"


def _input_names(kernel: Callable) -> tuple[tuple[str, ...], bool]:
    """Return the names of a kernel's array inputs, and whether it takes any number of them."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(kernel).parameters.values())[1:]
    names = tuple(p.name for p in parameters if p.kind in positional)
    return names, any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)


def primitive(name: str, arrives: str = "a later module") -> Primitive:
    """Return the Primitive called `name`, or say which module brings it."""
    try:
        return PRIMITIVES[name]
    except KeyError:
        raise NotImplementedError(f"{name}: arrives in {arrives}; complete that module first.") from None


def service(name: str, arrives: str) -> Callable:
    """Return the function called `name` that a part of the course registers, or say which module brings it."""
    try:
        return SERVICES[name]
    except KeyError:
        raise NotImplementedError(f"{name}: arrives in {arrives}; complete that module first.") from None


# ---- KERNELS: faster implementations of a primitive ------------------------------------------------------------


def _always(*arrays: Any, **params: Any) -> bool:
    return True


@dataclass
class Kernel:
    """One row of KERNELS: a function of the reference kernel's form, and where it may be used.

    function: the function, or "package.module:name", imported when it is first needed.
    supports: `supports(*arrays, **params) -> bool`; False sends the call on to the next row, at last to the reference.
    """

    function: Callable | str
    supports: Callable[..., bool] | str = _always

    def load(self) -> Callable:
        """Return the function, importing it on first use."""
        self.function = _resolve(self.function)
        return self.function

    def accepts(self, arrays: list, params: dict) -> bool:
        """Return whether this kernel takes these arrays and settings."""
        self.supports = _resolve(self.supports)
        return self.supports(*arrays, **params)


def _resolve(function: Callable | str) -> Callable:
    if not isinstance(function, str):
        return function
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)


class KernelTable(Table):
    """`KERNELS[primitive name, backend] = Kernel(...)`. Each primitive keeps its own rows at hand for `bind`."""

    def _changed(self, key: tuple[str, str]) -> None:
        if key[0] in PRIMITIVES:
            PRIMITIVES[key[0]].set_rows(self.of(key[0]))

    def of(self, name: str) -> tuple[tuple[str, Kernel], ...]:
        """Return the (backend, row) pairs of a primitive in the order in which they were added."""
        return tuple((backend, row) for (owner, backend), row in self.items() if owner == name)


KERNELS = KernelTable()


def choose_kernel(primitive: Primitive, arrays: list, params: dict) -> tuple[str, Callable]:
    """Return (backend, kernel): the first row that accepts these arrays, else ("numpy", the reference)."""
    wanted = SETTINGS["backend"]
    for backend, row in primitive.rows:
        if wanted in (None, backend) and row.accepts(arrays, params):
            if backend in UNTRIED and not _whole(backend):
                break
            return backend, row.load()
    return "numpy", primitive.kernel


def _whole(backend: str) -> bool:
    """Return whether a backend's library can be imported; without it the reference serves from now on."""
    UNTRIED.discard(backend)
    if missing := why_missing(backend):
        use_reference(missing)
    return not missing


def why_missing(library: str) -> str:
    """Return "" if a backend's library can be imported, else the reason."""
    try:
        import_module(library)
    except Exception as error:     # a part of it is missing, or was made for other versions: of any kind
        return f"{library} cannot be imported ({type(error).__name__}: {error})"
    return ""


def use_reference(reason: str) -> None:
    """From now on run the reference alone, whatever is chosen later; `reason` is told, a fork is none to tell of."""
    if not REFERENCE_ONLY and reason != FORKED:
        print(f"TinyTorch runs the reference kernels alone: {reason}. Mend it by `pip install numba`.", file=sys.stderr)
    REFERENCE_ONLY.append(reason)
    SETTINGS["backend"] = "numpy"


# ---- FUSIONS: two primitives executed as one --------------------------------------------------------------------


class FusionTable(Table):
    """`FUSIONS[outer name, inner name] = fused Primitive`.

    The fused one takes the inner's inputs, then the outer's without its first, and the params of both.
    """

    def _changed(self, key: tuple[str, str]) -> None:
        for name in key:
            if name in PRIMITIVES:
                PRIMITIVES[name].fuses = self.concerns(PRIMITIVES[name])

    def concerns(self, primitive: Primitive) -> bool:
        """Return whether `bind` must ask: the primitive is outer in some row, or inner and may wait."""
        name, may_wait = primitive.name, primitive.deferrable
        return any(name == outer or (may_wait and name == inner) for outer, inner in self)

    def has_inner(self, name: str) -> bool:
        """Return whether some row could take `name` in as its inner operation: only then is waiting worth it."""
        return any(inner == name for _, inner in self)


FUSIONS = FusionTable()


# ---- VJPS: gradient rules ----------------------------------------------------------------------------------------


class Rule:
    """One row of VJPS: how the gradient of the output becomes the gradients of the inputs.

    Rule(fn0, fn1, …): one function per input, `fn(g, saved, **params)`, called only if that input needs a gradient;
        None for an input that never has one.
    Rule(joint=fn): `fn(g, saved, **params)` returns the gradients of all inputs at once; `saved.needs[i]` tells which
        are wanted.
    saves: names of the inputs, outputs and residuals to keep. Of the others only shape and dtype are known.
    accumulate: of a rule whose result is new, and zero but for a part: `fn(whole, g, **params)` adds that part to the
        array of all that has arrived so far, and returns whether it could. Many parts then share one array of zeros.

    `g` is the gradient of the output; of a primitive with several visible outputs the tuple of them, None where none
    arrived.
    Rules are written in Tensors and primitives, so that they can be differentiated themselves.
    """

    __slots__ = ("accumulate", "applied", "joint", "keep", "per_input", "saves")

    def __init__(
        self, *per_input: Callable | None, joint: Callable | None = None, saves: tuple[str, ...] = (),
        accumulate: Callable | None = None,
    ):
        self.per_input, self.joint, self.saves, self.accumulate = per_input, joint, tuple(saves), accumulate
        self.keep: dict[str, tuple] = {}
        self.applied: dict[Primitive, tuple] = {}      # module 09 remembers here what applying it needs

    def kept_by(self, primitive: Primitive) -> tuple[tuple[str, bool, int], ...]:
        """Return (name, is an input, position) of each value to keep for `primitive`; found once, then remembered."""
        if primitive.name not in self.keep:
            results = primitive.outputs + primitive.residuals
            unknown = [s for s in self.saves if s not in primitive.inputs and s not in results]
            if unknown:
                raise TinyTorchError(
                    f"The rule of {primitive.name!r} saves {unknown[0]!r}, neither an input {primitive.inputs} "
                    f"nor an output {results} of it."
                )
            self.keep[primitive.name] = tuple(
                (s, True, primitive.inputs.index(s)) if s in primitive.inputs else (s, False, results.index(s))
                for s in self.saves
            )
        return self.keep[primitive.name]


class RuleTable(Table):
    """`VJPS[primitive name] = Rule(...)`. Each primitive keeps its own at hand for the recorder."""

    def _changed(self, key: str) -> None:
        if key in PRIMITIVES:
            PRIMITIVES[key].rule = self.get(key)


VJPS = RuleTable()    # module 09 brings the rules of 01–08; later modules bring their own
