"""Products of matrices: the dense layer of an MLP on digits, and those of a small GPT, with their gradients."""

from __future__ import annotations

from tito.bench.child.sizes import Case, Cases, numbers, shape_of, sizes

LAYERS = ((1, 784, 512), (16, 128, 384))  # rows for each row of the batch, inputs, outputs


@sizes
def linear(n: int) -> Cases:
    for rows, inputs, outputs in LAYERS:
        x, weight = numbers(rows * n, inputs), numbers(outputs, inputs)
        yield Case(f"{shape_of(x)} to {outputs}", [x, weight, numbers(outputs)], {})


@sizes
def matmul(n: int) -> Cases:
    for rows, inputs, outputs in LAYERS:
        x, g, weight = numbers(rows * n, inputs), numbers(rows * n, outputs), numbers(outputs, inputs)
        for a, b in ((g.T, x), (g, weight)):
            yield Case(f"{shape_of(a)} by {shape_of(b)}", [a, b], {})
