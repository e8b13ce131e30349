"""Primitives are interned; tables keep what `bind` needs at hand, by whatever method a row comes or goes."""

import pytest

from tinytorch import TinyTorchError, tensor
from tinytorch.core.engine import (
    FUSIONS,
    KERNELS,
    PRIMITIVES,
    WATCHERS,
    Kernel,
    Primitive,
    Rule,
    Watcher,
    primitive,
    service,
)
from tinytorch.core.tensor import ADD, ADD_, MUL
from tinytorch.given.silence import quiet


def toy_kernel(xp, a, b=None, *, mode=1):
    return a


def other_kernel(xp, a):
    return a


class Nobody(Watcher):
    def after(self, *event):
        """Sees nothing."""


def test_a_primitive_is_interned_by_name() -> None:
    toy = Primitive("table_toy", toy_kernel, outputs=("one", "two"), residuals=("three",))
    assert Primitive("table_toy", toy_kernel) is toy is primitive("table_toy") is PRIMITIVES["table_toy"]
    assert toy.inputs == ("a", "b") and repr(toy) == "Primitive('table_toy')"
    with pytest.raises(TinyTorchError, match=r"'table_toy' belongs to .*toy_kernel already; .*other_kernel"):
        Primitive("table_toy", other_kernel)
    assert toy.kernel is toy_kernel


def test_a_cell_may_be_run_again() -> None:
    def build():
        def kernel(xp, a):
            return a

        return Primitive("table_again", kernel), kernel

    first, old = build()
    second, new = build()
    assert first is second and first.kernel is new is not old, "the new kernel serves"


def test_flags_are_checked() -> None:
    with pytest.raises(TinyTorchError, match="none of its inputs"):
        Primitive("table_bad", toy_kernel, mutates=("c",))
    assert "table_bad" not in PRIMITIVES


def test_what_arrives_later_is_said() -> None:
    with pytest.raises(NotImplementedError, match=r"warp: arrives in module 99_warp"):
        primitive("warp", "module 99_warp")
    with pytest.raises(NotImplementedError, match=r"warp: arrives in module 99_warp"):
        service("warp", "module 99_warp")


def test_in_place_twins_keep_the_names_of_the_inputs() -> None:
    assert ADD_.name == "add_" and ADD_.inputs == ADD.inputs == ("a", "b") and ADD_.mutates == (0,)


def test_kernel_rows_are_at_hand() -> None:
    row = Kernel(toy_kernel)
    try:
        KERNELS.update({("mul", "x"): row, ("unknown", "x"): row})
        assert MUL.rows == (("x", row),)
        KERNELS.pop(("unknown", "x"))
        KERNELS.setdefault(("mul", "y"), row)
        assert [backend for backend, _ in MUL.rows] == ["x", "y"]
        assert Primitive("mul", quiet(MUL.kernel), promote="same").rows == MUL.rows, "also after the cell was run again"
        assert MUL.quiet and not hasattr(MUL.kernel, "loud"), "bind keeps the silence, the kernel is called as it is"
    finally:
        for backend in ("x", "y"):
            KERNELS.pop(("mul", backend), None)
    assert MUL.rows == ()


def test_fusion_rows_reach_both_primitives() -> None:
    waiter = Primitive("table_waiter", other_kernel, deferrable=True)
    assert not waiter.fuses and not MUL.fuses
    try:
        FUSIONS["mul", "table_waiter"] = ADD
        assert waiter.fuses and MUL.fuses and not ADD.fuses
        assert FUSIONS.has_inner("table_waiter") and not FUSIONS.has_inner("mul")
    finally:
        FUSIONS.pop(("mul", "table_waiter"), None)
    assert not waiter.fuses and not MUL.fuses


def test_watchers_come_and_go_by_every_method() -> None:
    try:
        WATCHERS.update(nobody=Nobody())
        assert WATCHERS["nobody"].after in WATCHERS.after
        WATCHERS["nobody"] = None
        assert "nobody" in WATCHERS and not any(isinstance(w, Nobody) for w in WATCHERS.active)
    finally:
        WATCHERS.pop("nobody", None)
    assert (tensor([1.0]) + 1.0).item() == 2.0


def test_a_rule_knows_where_its_saved_values_are() -> None:
    rule = Rule(lambda g, s: g, saves=["b", "two"])
    toy = Primitive("table_toy", toy_kernel, outputs=("one", "two"), residuals=("three",))
    assert rule.kept_by(toy) == (("b", True, 1), ("two", False, 1))
    with pytest.raises(TinyTorchError, match="saves 'nothing', neither an input"):
        Rule(saves=("nothing",)).kept_by(toy)
