"""Blocks of results held in registers: the inner loops of matrix products and of Winograd's transforms.

A matrix product that fetches two numbers for each multiplication waits for memory. One that keeps a block of 6 × 16
results in registers fetches 6 + 16 numbers for 96 multiplications. Sixteen vector registers hold 12 of results, two
of weights and one of the input: hence 6 rows. Source: Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinytorch.given.vectors import (
    FLOAT,
    LANES,
    VECTOR,
    address,
    constant,
    emit_broadcast,
    emit_fma,
    emit_load,
    emit_store,
)

ROWS = 6               # rows of a block at most
COLUMNS = 2 * LANES    # columns of a block


def _tile(rows: int) -> Callable:
    """Return the block product for a number of rows, as a function for kernels."""

    def tile(
        typing: Any, x: Any, x_at: Any, x_row: Any, x_step: Any, w: Any, w_at: Any, w_step: Any, depth: Any,
        segments: Any, x_segment: Any, w_segment: Any, start: Any, start_at: Any, start_row: Any,
        out: Any, out_at: Any, out_row: Any,
    ) -> Any:
        whole = types.intp
        signature = types.void(
            x, whole, whole, whole, w, whole, whole, whole, whole, whole, whole, start, whole, whole, out, whole, whole
        )
        return signature, lambda context, builder, found, given: _emit_tile(context, builder, found, given, rows)

    tile.__name__ = tile.__qualname__ = f"tile_{rows}"
    tile.__doc__ = f"""out[r, j] = start[r, j] + Σ_s Σ_k x[s, r, k] · w[s, k, j] for {rows} rows r and 16 columns j.

    Places in flat arrays: x[x_at + s·x_segment + r·x_row + k·x_step], w[w_at + s·w_segment + k·w_step + j],
    start[start_at + r·start_row + j], out[out_at + r·out_row + j]; s < segments, k < depth.
    """
    return intrinsic(tile)


def _emit_tile(context: Any, builder: Any, signature: Any, arguments: Any, rows: int) -> Any:
    kinds = signature.args
    (x, x_at, x_row, x_step, w, w_at, w_step, depth, segments, x_segment, w_segment,
     start, start_at, start_row, out, out_at, out_row) = arguments
    x_base, w_base = (address(context, builder, k, a, at) for k, a, at in ((kinds[0], x, x_at), (kinds[4], w, w_at)))
    initial = address(context, builder, kinds[11], start, start_at)
    target = address(context, builder, kinds[14], out, out_at)
    halves = [ir.Constant(ir.IntType(64), 0), ir.Constant(ir.IntType(64), LANES)]
    numbers = [ir.Constant(ir.IntType(64), r) for r in range(rows)]
    block = {}
    for r, number in enumerate(numbers):
        row = builder.gep(initial, [builder.mul(start_row, number)])
        for h, half in enumerate(halves):
            block[r, h] = cgutils.alloca_once(builder, VECTOR)     # the compiler turns these into registers
            builder.store(emit_load(builder, builder.gep(row, [half])), block[r, h])
    with cgutils.for_range(builder, segments) as segment:
        x_from = builder.gep(x_base, [builder.mul(segment.index, x_segment)])
        w_from = builder.gep(w_base, [builder.mul(segment.index, w_segment)])
        with cgutils.for_range(builder, depth) as step:
            weights = builder.gep(w_from, [builder.mul(step.index, w_step)])
            columns = [emit_load(builder, builder.gep(weights, [half])) for half in halves]
            inputs = builder.gep(x_from, [builder.mul(step.index, x_step)])
            for r, number in enumerate(numbers):
                value = builder.load(builder.gep(inputs, [builder.mul(x_row, number)]), align=4)
                spread = emit_broadcast(builder, value)
                for h, column in enumerate(columns):
                    builder.store(emit_fma(builder, spread, column, builder.load(block[r, h])), block[r, h])
    for r, number in enumerate(numbers):
        row = builder.gep(target, [builder.mul(out_row, number)])
        for h, half in enumerate(halves):
            emit_store(builder, builder.gep(row, [half]), builder.load(block[r, h]))
    return context.get_dummy_value()


tile_1, tile_2, tile_3, tile_4, tile_6 = (_tile(rows) for rows in (1, 2, 3, 4, 6))


@intrinsic
def turn(typing: Any, x: Any, x_at: Any, x_row: Any, out: Any, out_at: Any, out_row: Any) -> Any:
    """out[j, i] = x[i, j] of 8 × 8 numbers; at: where they begin, row: how far their rows are apart.

    First neighbours are exchanged across the diagonal, then pairs, then fours.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_row, out, out_at, out_row = arguments
        source = address(context, builder, signature.args[0], x, x_at)
        target = address(context, builder, signature.args[3], out, out_at)
        numbers = [ir.Constant(ir.IntType(64), i) for i in range(LANES)]
        rows = [emit_load(builder, builder.gep(source, [builder.mul(x_row, number)])) for number in numbers]
        for apart in (1, 2, 4):
            for i in (i for i in range(LANES) if not i & apart):
                pair = rows[i], rows[i + apart]
                rows[i] = _mixed(builder, *pair, [j - apart + LANES if j & apart else j for j in range(LANES)])
                rows[i + apart] = _mixed(builder, *pair, [j + LANES if j & apart else j + apart for j in range(LANES)])
        for number, row in zip(numbers, rows, strict=True):
            emit_store(builder, builder.gep(target, [builder.mul(out_row, number)]), row)
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, out, types.intp, types.intp), generate


def _mixed(builder: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    """Return a vector of these lanes, counted through x and then y."""
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes))


# ---- linear transforms of small images of vectors ------------------------------------------------------------------


def transform(matrix: Sequence[Sequence[float]], name: str) -> Callable:
    """Return a function for kernels: target = matrix · source · matrixᵀ, for eight channels at once.

    The function is called as f(source, at, row, column, target, at, row, column), with the distances between rows and
    columns of the small images in flat arrays. The matrix is known when the kernel is compiled: zeros cost nothing,
    ones no multiplication.
    """
    rows = [[float(v) for v in row] for row in matrix]

    def function(
        typing: Any, source: Any, source_at: Any, source_row: Any, source_column: Any, target: Any, target_at: Any,
        target_row: Any, target_column: Any,
    ) -> Any:
        whole = types.intp
        signature = types.void(source, whole, whole, whole, target, whole, whole, whole)

        def generate(context: Any, builder: Any, found: Any, given: Any) -> Any:
            source, source_at, *source_steps, target, target_at, target_row, target_column = given
            first = address(context, builder, found.args[0], source, source_at)
            size = len(rows[0])
            image = [[emit_load(builder, _at(builder, first, i, j, *source_steps)) for j in range(size)]
                     for i in range(size)]
            columns = [_combine(builder, rows, [image[i][j] for i in range(size)]) for j in range(size)]
            last = address(context, builder, found.args[4], target, target_at)
            for i in range(len(rows)):
                for j, value in enumerate(_combine(builder, rows, [column[i] for column in columns])):
                    emit_store(builder, _at(builder, last, i, j, target_row, target_column), value)
            return context.get_dummy_value()

        return signature, generate

    function.__name__ = function.__qualname__ = name
    return intrinsic(function)


def _at(builder: Any, pointer: Any, i: int, j: int, row: Any, column: Any) -> Any:
    number = ir.IntType(64)
    offset = builder.add(builder.mul(row, ir.Constant(number, i)), builder.mul(column, ir.Constant(number, j)))
    return builder.gep(pointer, [offset])


def _combine(builder: Any, rows: list[list[float]], vectors: list) -> list:
    """Return matrix · vectors. Two rows that differ in signs only share their work: even part ± odd part."""
    results: list = [None] * len(rows)
    done = 0
    while done < len(rows):
        pair = rows[done : done + 2]
        even = [(a + b) / 2 for a, b in zip(*pair, strict=True)] if len(pair) == 2 else []
        odd = [(a - b) / 2 for a, b in zip(*pair, strict=True)] if len(pair) == 2 else []
        apart = all(not (e and o) for e, o in zip(even, odd, strict=True))
        if any(even) and any(odd) and apart and sum(map(bool, even + odd)) >= 3:
            p, q = _weighted_sum(builder, even, vectors), _weighted_sum(builder, odd, vectors)
            results[done], results[done + 1] = builder.fadd(p, q), builder.fsub(p, q)
            done += 2
        else:
            results[done] = _weighted_sum(builder, rows[done], vectors)
            done += 1
    return results


def _weighted_sum(builder: Any, weights: list[float], vectors: list) -> Any:
    terms = sorted(((w, v) for w, v in zip(weights, vectors, strict=True) if w), key=lambda term: term[0] != 1)
    if not terms:
        return constant(0)
    weight, total = terms[0]
    total = total if weight == 1 else builder.fmul(constant(weight), total)
    for weight, vector in terms[1:]:
        if weight == 1:
            total = builder.fadd(total, vector)
        elif weight == -1:
            total = builder.fsub(total, vector)
        else:
            total = emit_fma(builder, constant(weight), vector, total)
    return total


__all__ = ["COLUMNS", "FLOAT", "ROWS", "tile_1", "tile_2", "tile_3", "tile_4", "tile_6", "transform", "turn"]
