"""The gradient of an embedding: each row of the table receives the sum over the places that looked it up."""

from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive
from tinytorch.core.tensor import Tensor
from tinytorch.given import tensor_ops as ops
from tinytorch.given.silence import quiet


def embedding_grad_kernel(xp: Any, g: Any, indices: Any, *, num_embeddings: int, padding_idx: int | None = None) -> Any:
    """Return the gradient of the table, (num_embeddings, d), from that of the looked-up rows, (*indices.shape, d).

    On the CPU the places are sorted by row and summed run by run: five times as fast as adding them one by one, and
    in a fixed order. The row `padding_idx` receives nothing.
    """
    rows, places = g.reshape(indices.size, g.shape[-1]), indices.reshape(-1)
    table = xp.zeros((num_embeddings, g.shape[-1]), g.dtype)
    if xp is np and places.size:
        order = np.argsort(places, kind="stable")
        places = places[order]
        starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
        table[places[starts]] = np.add.reduceat(rows[order], starts, axis=0)
    elif places.size:
        xp.add.at(table, places, rows)
    if padding_idx is not None:
        table[padding_idx] = 0
    return table


def spelled_out(g: Tensor, indices: Tensor, *, num_embeddings: int, padding_idx: int | None = None) -> Tensor:
    """The same by operations that have gradients of their own, for gradients of gradients."""
    if padding_idx is not None:
        g = g * (indices != padding_idx).to(g.dtype).unsqueeze(-1)
    return ops.GETITEM_GRAD(g, index=(indices._array,), shape=(num_embeddings, g.shape[-1]))


EMBEDDING_GRAD = Primitive("embedding_grad", quiet(embedding_grad_kernel), decompose=spelled_out)
