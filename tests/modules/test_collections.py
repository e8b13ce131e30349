"""What the operation table cannot say of shapes and indices: which results are views, and what an index remembers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, Tensor, tensor

BASE = np.arange(24.0).reshape(2, 3, 4)

VIEWS = {
    "diagonal": lambda x: x.diagonal(1, 0, 2), "mT": lambda x: x.mT, "t": lambda x: x[0].t(), "T": lambda x: x[0].T,
    "narrow": lambda x: x.narrow(1, 1, 2), "select": lambda x: x.select(2, 1), "unbind": lambda x: x.unbind(1)[1],
    "split": lambda x: x.split(2, 2)[1], "chunk": lambda x: x.chunk(2, 1)[1],
    "tensor_split": lambda x: x.tensor_split(2, 1)[0], "unfold": lambda x: x.unfold(2, 2, 2),
    "unflatten": lambda x: x.unflatten(2, (2, 2)), "movedim": lambda x: x.movedim(0, 2),
    "swapaxes": lambda x: x.swapaxes(0, 1), "squeeze": lambda x: x[:1].squeeze((0,)), "ravel": lambda x: x.ravel(),
    "view_as": lambda x: x.view_as(tensor(np.zeros(24))), "diag": lambda x: x[0].diagonal().unsqueeze(0),
    "atleast_3d": lambda x: tinytorch.atleast_3d(x[0]), "int beside slices": lambda x: x[0, :, 1],
}
COPIES = {
    "flip": lambda x: x.flip(0), "roll": lambda x: x.roll(1, 0), "roll by nothing": lambda x: x.roll(0, 0),
    "rot90 by nothing": lambda x: x.rot90(0), "rot90": lambda x: x.rot90(), "repeat once": lambda x: x.repeat(1, 1, 1),
    "diag": lambda x: x[0].diag(), "tril": lambda x: x.tril(), "list": lambda x: x[[0, 1]], "mask": lambda x: x[x > 0],
    "index_select": lambda x: x.index_select(0, tensor([0, 1])), "sort": lambda x: x.sort().values,
    "diag_embed": lambda x: x.diag_embed(), "repeat_interleave": lambda x: x.repeat_interleave(1, 0),
}


@pytest.mark.parametrize("look", VIEWS.values(), ids=VIEWS)
def test_views_write_through(look: Callable[[Tensor], Tensor]) -> None:
    x = tensor(BASE)
    view = look(x)
    expected = view.tolist()
    view += 100
    assert x.numpy().sum() == BASE.sum() + 100 * view.numel() and view._storage is x._storage
    assert (view - 100).tolist() == expected


@pytest.mark.parametrize("look", COPIES.values(), ids=COPIES)
def test_copies_do_not(look: Callable[[Tensor], Tensor]) -> None:
    x = tensor(BASE)
    look(x).zero_()
    assert np.array_equal(x.numpy(), BASE)


def test_a_view_of_an_expanded_tensor_cannot_be_written_to() -> None:
    wide = tensor([1.0]).expand(3, 3)
    with pytest.raises(tinytorch.ShapeError, match="clone"):
        wide.diagonal().zero_()


@pytest.mark.parametrize("change", ["tensor", "array"])
def test_an_index_that_changes_later_changes_no_gradient(change: str) -> None:
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = tensor([0, 0]) if change == "tensor" else np.array([0, 0])
    picked = x[index]
    index[0] = 2
    picked.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


def test_writing_by_index_sends_gradients_to_target_and_value() -> None:
    x, v = tensor(np.ones((2, 3)), requires_grad=True), tensor([5.0, 7.0], requires_grad=True)
    y = x * 1.0
    y[tensor([0, 1]), tensor([2, 0])] = v
    y[:, 1] *= 10.0
    (y * tensor(BASE[0, :2, :3])).sum().backward()
    assert x.grad.tolist() == [[0.0, 10.0, 0.0], [0.0, 50.0, 6.0]]
    assert v.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("name", ["sum", "prod", "nansum"])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int32"])
def test_reductions_in_another_dtype(name: str, dtype: str) -> None:
    found = getattr(tensor([[1, 2], [3, 4]]), name)(0, dtype=dtype)
    assert found.dtype == dtype and found.tolist() == ([4, 6] if name != "prod" else [3, 8])
    assert getattr(tinytorch, name)(tensor([1, 2]), dtype=dtype).dtype == dtype


def test_mean_of_integers_in_a_floating_dtype() -> None:
    assert tensor([1, 2]).mean(dtype="float32").item() == 1.5
    assert tensor([1, 2]).cumsum(0, dtype="float64").dtype == np.float64
    with pytest.raises(DTypeError, match="mean"):
        tensor([1, 2]).mean(dtype="int64")


def test_results_with_names() -> None:
    x = tensor([3.0, 1.0, 2.0])
    assert x.sort().values.tolist() == [1.0, 2.0, 3.0] and x.topk(1).indices.tolist() == [0]
    assert x.median(0).values.item() == 2.0 and x.aminmax().max.item() == 3.0 and x.kthvalue(1).indices.item() == 1


def test_sizes_by_name() -> None:
    x = tensor(BASE)
    for found, expected in (
        (x.permute(dims=(2, 0, 1)), (4, 2, 3)), (tinytorch.permute(x, dims=(1, 0, 2)), (3, 2, 4)),
        (tinytorch.reshape(x, shape=(6, -1)), (6, 4)), (tinytorch.flip(x, dims=(0,)), (2, 3, 4)),
        (x[:1].expand(size=(5, 3, 4)), (5, 3, 4)), (tinytorch.tile(x, dims=(2,)), (2, 3, 8)),
        (x.repeat(repeats=(2, 1, 1)), (4, 3, 4)), (tinytorch.squeeze(x[:1, :1], dim=(0, 1)), (4,)),
    ):  # fmt: skip
        assert found.shape == expected


def test_an_empty_vector_joins_with_everything() -> None:
    assert tinytorch.cat([tensor([]), tensor(BASE)]).shape == BASE.shape
