"""The gradient of an embedding: each row of the table receives the sum over the places that looked it up."""

from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive
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
    else:
        xp.add.at(table, places, rows)
    if padding_idx is not None:
        table[padding_idx] = 0
    return table


EMBEDDING_GRAD = Primitive("embedding_grad", quiet(embedding_grad_kernel))
