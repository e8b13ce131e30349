"""einsum: sums of products written as a formula of letters, by way of permute, diagonal and matmul.

Operands are taken from left to right, two at a time. Of each pair the letters fall into four groups: kept by both
(batch), kept by one (rows, columns), and found in both but needed no more (summed). That is one batched matrix product.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import primitive

#| face tinytorch: einsum

DOTS = "..."


def einsum(equation: str, *operands: Any) -> Any:
    """Return the sum of products that a formula such as "bij,bjk->bik" says.

    A letter that stands twice in one operand means its diagonal, one that is missing on the right is summed. Without
    "->" the right side is every letter that stands once, in alphabetical order. "..." stands for any leading axes,
    which are broadcast, as is a size of 1. operands: tensors, or one list of them.
    """
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    left, output = _parsed(equation, operands)
    terms = [_prepared(labels, x) for labels, x in zip(left, operands, strict=True)]
    sizes = _sizes(equation, terms)
    labels, result = _without_strangers(*_stretched(*terms[0], sizes), [output, *(t[0] for t in terms[1:])])
    for position, term in enumerate(terms[1:], 1):
        later = [output, *(t[0] for t in terms[position + 1 :])]
        other_labels, other = _stretched(*term, sizes)
        other_labels, other = _without_strangers(other_labels, other, [*later, labels])
        labels, result = _without_strangers(labels, result, [*later, other_labels])
        labels, result = _multiplied(labels, result, other_labels, other, later)
    return result.permute(*(labels.index(label) for label in output))


def _parsed(equation: str, operands: tuple) -> tuple[list[list], list]:
    """Return the labels of each operand and those of the output; an axis under "..." has a number as its label."""
    if not isinstance(equation, str) or not operands or not all(isinstance(x, TensorBase) for x in operands):
        raise DTypeError("einsum: expected a formula such as 'ij,jk->ik', and then at least one tensor.")
    sides = equation.replace(" ", "").split("->")
    texts = sides[0].split(",")
    if len(sides) > 2 or any(not _is_term(text) for text in (*texts, *sides[1:])):
        raise ShapeError(f"einsum: expected letters, commas, '...' and one '->', found {equation!r}.")
    if len(texts) != len(operands):
        raise ShapeError(f"einsum: {equation!r} speaks of {len(texts)} operands, found {len(operands)}.")
    left = [_labels(equation, text, x.ndim) for text, x in zip(texts, operands, strict=True)]
    hidden = sorted({label for labels in left for label in labels if isinstance(label, int)})
    if len(sides) == 1:
        counts = Counter(label for labels in left for label in labels)
        return left, [*hidden, *sorted(k for k, n in counts.items() if n == 1 and isinstance(k, str))]
    return left, _output(equation, sides[1], hidden, left)


def _is_term(text: str) -> bool:
    letters = text.replace(DOTS, "", 1)
    return letters == "" or (letters.isascii() and letters.isalpha())


def _labels(equation: str, text: str, ndim: int) -> list:
    letters = len(text.replace(DOTS, ""))
    hidden = ndim - letters
    if hidden < 0 or (hidden and DOTS not in text):
        raise ShapeError(f"einsum: {text!r} in {equation!r} names {letters} axes, the operand has {ndim}.")
    before, dots, after = text.partition(DOTS)
    return [*before, *(range(-hidden, 0) if dots else ()), *after]


def _output(equation: str, text: str, hidden: list, left: list[list]) -> list:
    before, dots, after = text.partition(DOTS)
    output = [*before, *(hidden if dots else ()), *after]
    unknown = [label for label in output if not any(label in labels for labels in left)]
    if unknown or len(set(output)) < len(output):
        raise ShapeError(f"einsum: expected each letter behind '->' once, and before it too, found {equation!r}.")
    return output


def _prepared(labels: list, x: Any) -> tuple[list, Any]:
    """Take the diagonal for each label that stands twice."""
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated is None:
        return labels, x
    first = labels.index(repeated)
    second = labels.index(repeated, first + 1)
    if x.shape[first] != x.shape[second]:
        both = f"{x.shape[first]} and {x.shape[second]}"
        raise ShapeError(f"einsum: {repeated!r} stands for sizes {both} of one operand.")
    rest = [label for i, label in enumerate(labels) if i not in (first, second)]
    return _prepared([*rest, repeated], x.diagonal(0, first, second))


def _sizes(equation: str, terms: list) -> dict:
    sizes: dict = {}
    for labels, x in terms:
        for label, size in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if size != known and 1 not in (size, known):
                name = DOTS if isinstance(label, int) else label
                raise ShapeError(f"einsum: {name!r} in {equation!r} stands for sizes {known} and {size}.")
            sizes[label] = size if known == 1 else known
    return sizes


def _stretched(labels: list, x: Any, sizes: dict) -> tuple[list, Any]:
    shape = tuple(sizes[label] for label in labels)
    return labels, x if shape == x.shape else x.expand(shape)


def _without_strangers(labels: list, x: Any, others: list[list]) -> tuple[list, Any]:
    """Sum over the axes whose label nobody else needs."""
    strangers = tuple(i for i, label in enumerate(labels) if not any(label in other for other in others))
    return [label for i, label in enumerate(labels) if i not in strangers], x.sum(strangers) if strangers else x


def _multiplied(labels: list, x: Any, others: list, y: Any, later: list[list]) -> tuple[list, Any]:
    """Return labels and value of the product of two terms, summed over what they share and nobody needs later."""
    shared = [label for label in labels if label in others]
    batch = [label for label in shared if any(label in other for other in later)]
    summed = [label for label in shared if label not in batch]
    rows, columns = ([label for label in one if label not in shared] for one in (labels, others))
    if not summed:
        return _outer(batch, rows, columns, _arranged(x, labels, batch, rows), _arranged(y, others, batch, columns))
    product = primitive("matmul", "module 02_tensor")(
        _arranged(x, labels, batch, rows, summed), _arranged(y, others, batch, summed, columns)
    )                                                     # (batch…, rows, columns)
    kept_rows = [x.shape[labels.index(label)] for label in rows]
    kept_columns = [y.shape[others.index(label)] for label in columns]
    return [*batch, *rows, *columns], product.reshape((*product.shape[:-2], *kept_rows, *kept_columns))


def _arranged(x: Any, labels: list, batch: list, *groups: list) -> Any:
    """Permute to batch axes, then one joined axis for each group; a single group keeps its axes."""
    x = x.permute(*(labels.index(label) for label in [*batch, *(label for group in groups for label in group)]))
    if len(groups) == 1:
        return x
    sizes, start = list(x.shape), len(batch)
    joined = []
    for group in groups:
        joined.append(math.prod(sizes[start : start + len(group)]))
        start += len(group)
    return x.reshape((*sizes[: len(batch)], *joined))


def _outer(batch: list, rows: list, columns: list, x: Any, y: Any) -> tuple[list, Any]:
    """Nothing is summed: an element-wise product, axes of size 1 standing in for the other's."""
    kept = x.shape[: len(batch)]
    x = x.reshape((*x.shape, *(1 for _ in columns)))
    y = y.reshape((*kept, *(1 for _ in rows), *y.shape[len(batch) :]))
    return [*batch, *rows, *columns], x * y
