"""What the layer Embedding has beside what module 04 shows: a table that is there already."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import ShapeError
from tinytorch.given import embedding_gradient as embedding_gradient  # registers the primitive embedding_grad
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.parameter import Parameter


class PretrainedTable:
    """A layer with a table `weight` that can be made from a tensor."""

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Any:
        """Return a layer whose table is `embeddings` (rows, features), sharing its memory.

        freeze: the table is not trained. padding_idx: the row that receives no gradient; its numbers stay.
        """
        if expect_tensor(embeddings, "Embedding.from_pretrained").ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained: expected a table (rows, features), found {embeddings.shape}.")
        layer: Any = cls(*embeddings.shape, padding_idx=padding_idx, dtype=embeddings.dtype)  # type: ignore[call-arg]
        layer.weight = Parameter(embeddings.detach(), requires_grad=not freeze)
        return layer
