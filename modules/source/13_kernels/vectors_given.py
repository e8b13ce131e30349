"""A vector of eight float32 for Numba: what one AVX2 register holds.

Numba leaves it to the compiler whether a loop uses vector instructions, and the compiler never keeps a *block* of
results in registers, which is what makes a matrix product fast. With a vector type of its own a kernel says what it
wants and still reads like Python:

    for i in range(0, n, LANES):
        store(out, i, fma(load(x, i), scale, load(y, i)))

`array` is any C-contiguous float32 array (another one is refused when the kernel is compiled), and an index counts its
elements from the first one, whatever its shape. Like all of Numba these loads do not check bounds: a wrong index is
silent corruption, so kernels are tested at odd sizes.
A machine without AVX2 runs the same code in narrower pieces.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 8
FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
ALIGNMENT = 4     # bytes: nothing is promised beyond that of a single float


class VectorType(types.Type):
    """Numba's type of eight float32."""

    def __init__(self) -> None:
        super().__init__(name="Float32x8")


float32x8 = VectorType()


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """It lives in one register."""

    def __init__(self, manager: Any, frontend_type: Any):
        super().__init__(manager, frontend_type, VECTOR)


# ---- pieces of machine code, used here and by the tiles -----------------------------------------------------------


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return a pointer to the element `index` of an array; refuse a type of array in which it would lie elsewhere."""
    if array_type.layout != "C" or array_type.dtype != types.float32:
        raise TypeError(f"vectors: expected a C-contiguous float32 array, found {array_type}.")
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def emit_load(builder: Any, pointer: Any) -> Any:
    """Load eight floats from `pointer`."""
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=ALIGNMENT)


def emit_store(builder: Any, pointer: Any, vector: Any) -> None:
    """Store eight floats at `pointer`."""
    builder.store(vector, builder.bitcast(pointer, VECTOR.as_pointer()), align=ALIGNMENT)


def emit_broadcast(builder: Any, number: Any) -> Any:
    """Return a vector with one float in every lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    lanes = ir.VectorType(ir.IntType(32), LANES)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * LANES))


def emit_fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x·y + z, in one instruction where the machine has it (`fma` would be emulated where it has not)."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32"), [x, y, z])


def emit_larger(builder: Any, x: Any, y: Any) -> Any:
    """Return the larger of x and y, vectors or numbers; NaN if either is."""
    of_numbers = builder.select(builder.fcmp_unordered(">", x, y), x, y)     # NaN in x is taken here
    return builder.select(builder.fcmp_unordered("uno", y, y), y, of_numbers)


def constant(value: float) -> Any:
    """Return a constant vector."""
    return ir.Constant(VECTOR, [float(value)] * LANES)


# ---- what a kernel writes -------------------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Return array[index : index + 8]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit_load(builder, address(context, builder, signature.args[0], *arguments))

    return float32x8(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """array[index : index + 8] = vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit_store(builder, address(context, builder, signature.args[0], *arguments[:2]), arguments[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, float32x8), generate


@intrinsic
def prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the line of memory with array[index], and do not wait; beyond the array's end nothing happens."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer] + [number] * 3)
        to_read, into_second_cache, data = (ir.Constant(number, value) for value in (0, 2, 1))
        at = builder.bitcast(address(context, builder, signature.args[0], *arguments), pointer)
        builder.call(
            cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0"),
            [at, to_read, into_second_cache, data],
        )
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _emit_mask(builder: Any, count: Any) -> Any:
    """Return a vector of bits: whether a lane's number is below `count`."""
    whole = ir.VectorType(ir.IntType(64), LANES)
    undefined, zero = ir.Constant(whole, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    counts = builder.insert_element(undefined, count, zero)
    spread = builder.shuffle_vector(counts, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
    return builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), spread)


@intrinsic
def load_some(typing: Any, array: Any, index: Any, count: Any, rest: Any) -> Any:
    """Return array[index : index + count], for count below 8; the other lanes are those of `rest`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, count, rest = arguments
        pointer = builder.bitcast(address(context, builder, signature.args[0], array, index), VECTOR.as_pointer())
        mask, align = _emit_mask(builder, count), ir.Constant(ir.IntType(32), ALIGNMENT)
        kind = ir.FunctionType(VECTOR, [pointer.type, align.type, mask.type, VECTOR])
        name = f"llvm.masked.load.v{LANES}f32.p0v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [pointer, align, mask, rest])

    return float32x8(array, types.intp, types.intp, float32x8), generate


@intrinsic
def store_some(typing: Any, array: Any, index: Any, count: Any, vector: Any) -> Any:
    """array[index : index + count] = the first lanes of vector, for count below 8."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, count, vector = arguments
        pointer = builder.bitcast(address(context, builder, signature.args[0], array, index), VECTOR.as_pointer())
        mask, align = _emit_mask(builder, count), ir.Constant(ir.IntType(32), ALIGNMENT)
        kind = ir.FunctionType(ir.VoidType(), [VECTOR, pointer.type, align.type, mask.type])
        name = f"llvm.masked.store.v{LANES}f32.p0v{LANES}f32"
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [vector, pointer, align, mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, float32x8), generate


@intrinsic
def broadcast(typing: Any, number: Any) -> Any:
    """Return a vector with `number`, as a float32, in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit_broadcast(builder, arguments[0])

    return float32x8(types.float32), generate


@intrinsic
def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x·y + z."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit_fma(builder, *arguments)

    return float32x8(float32x8, float32x8, float32x8), generate


@intrinsic
def larger(typing: Any, x: Any, y: Any) -> Any:
    """Return the larger of x and y in each lane; NaN if either is, as np.maximum."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit_larger(builder, *arguments)

    return float32x8(float32x8, float32x8), generate


def _selecting(compare: str, name: str) -> Callable:
    def select(typing: Any, x: Any, y: Any, yes: Any, no: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, y, yes, no = arguments
            return builder.select(builder.fcmp_ordered(compare, x, y), yes, no)

        return float32x8(float32x8, float32x8, float32x8, float32x8), generate

    select.__name__ = select.__qualname__ = name
    select.__doc__ = f"Return, in each lane, `yes` where x {compare} y, else `no`."
    return intrinsic(select)


@intrinsic
def where_nan(typing: Any, x: Any, yes: Any, no: Any) -> Any:
    """Return, in each lane, `yes` where x is NaN, else `no`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, yes, no = arguments
        return builder.select(builder.fcmp_unordered("uno", x, x), yes, no)

    return float32x8(float32x8, float32x8, float32x8), generate


where_greater = _selecting(">", "where_greater")
where_equal = _selecting("==", "where_equal")


def _arithmetic(instruction: str) -> Callable:
    def combine(typing: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return float32x8(float32x8, float32x8), generate

    combine.__name__ = combine.__qualname__ = instruction
    return intrinsic(combine)


_ADD, _SUB, _MUL, _DIV = (_arithmetic(instruction) for instruction in ("fadd", "fsub", "fmul", "fdiv"))


@overload(operator.add)
def _add(x, y):
    return (lambda x, y: _ADD(x, y)) if x == y == float32x8 else None


@overload(operator.sub)
def _sub(x, y):
    return (lambda x, y: _SUB(x, y)) if x == y == float32x8 else None


@overload(operator.mul)
def _mul(x, y):
    return (lambda x, y: _MUL(x, y)) if x == y == float32x8 else None


@overload(operator.truediv)
def _div(x, y):
    return (lambda x, y: _DIV(x, y)) if x == y == float32x8 else None


@intrinsic
def lane_maximum(typing: Any, x: Any) -> Any:
    """Return the largest of the eight lanes; NaN if one of them is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = [builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), i)) for i in range(LANES)]
        while len(lanes) > 1:
            lanes = [emit_larger(builder, a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return types.float32(float32x8), generate


@intrinsic
def lane_sum(typing: Any, x: Any) -> Any:
    """Return the sum of the eight lanes, pair by pair."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = [builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), i)) for i in range(LANES)]
        while len(lanes) > 1:
            lanes = [builder.fadd(a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return types.float32(float32x8), generate
