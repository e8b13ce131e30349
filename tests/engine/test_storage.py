"""Views share a storage, its version counts overwritings, and in-place operations write what they should."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, GradientError, ShapeError, Tensor, tensor
from tinytorch.core.engine import TensorBase, wrap
from tinytorch.given.tensor_ops import ADD, in_place


def table() -> Tensor:
    return tinytorch.arange(24).reshape(4, 6).float()


VIEWS = {
    "getitem int": lambda x: x[1],
    "getitem one element": lambda x: x[1, 2],
    "getitem slice": lambda x: x[1:3, ::2],
    "getitem None": lambda x: x[None, 0],
    "getitem ...": lambda x: x[..., 0],
    "reshape": lambda x: x.reshape(2, 12),
    "view": lambda x: x.view(-1),
    "flatten": lambda x: x.flatten(),
    "permute": lambda x: x.permute(1, 0),
    "transpose": lambda x: x.transpose(0, 1),
    "T": lambda x: x.T,
    "squeeze": lambda x: x[:1].squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "expand": lambda x: x[:1].expand(3, 6),
    "detach": lambda x: x.detach(),
    "a view of a view": lambda x: x.T[1:].reshape(5, 2, 2)[:, 0],
}
COPIES = {
    "clone": lambda x: x.clone(),
    "advanced index": lambda x: x[[0, 3]],
    "mask": lambda x: x[x > 3],
    "reshape of a transpose": lambda x: x.T.reshape(24),
    "contiguous of a transpose": lambda x: x.T.contiguous(),
    "another dtype": lambda x: x.double(),
    "arithmetic": lambda x: x + 0,
    "deep copy": lambda x: copy.deepcopy(x),
    "cat": lambda x: tinytorch.cat([x]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_version(name: str) -> None:
    x = table()
    view = VIEWS[name](x)
    assert view._storage is x._storage and np.shares_memory(view._array, x._array)
    x.add_(100.0)
    assert view._storage.version == x._storage.version == 1
    assert view.min().item() >= 100, f"{name}: a write to the base must show in the view"


@pytest.mark.parametrize("name", COPIES)
def test_copies_do_not(name: str) -> None:
    x = table()
    made = COPIES[name](x)
    assert made._storage is not x._storage and not np.shares_memory(made._array, x._array)
    x.zero_()
    assert made._storage.version == 0 and made.max().item() == 23


def test_a_write_through_a_view_reaches_the_base() -> None:
    x = table()
    x[1:3, ::2].T[0].fill_(-1.0)
    expected = np.arange(24.0).reshape(4, 6)
    expected[1:3, 0] = -1
    assert np.array_equal(x.numpy(), expected) and x._storage.version == 1


def test_what_changes_nothing_returns_self() -> None:
    x = table()
    assert x.contiguous() is x and x.to("float32") is x and x.to("cpu") is x and x.float() is x


def test_a_storage_is_made_once_by_many_threads() -> None:
    for _ in range(50):
        x, barrier, found = tensor([1.0]), threading.Barrier(4), []

        def ask(x=x, barrier=barrier, found=found) -> None:
            barrier.wait(timeout=10)
            found.append(x._storage)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(storage) for storage in found}) == 1


def test_tensors_are_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        x = tensor([1.0])
        y = (x + 1.0)[0]
        gone = [weakref.ref(x), weakref.ref(y)]
        del x, y
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()


# ---- in place


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 1)])
@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "clamp_", "copy_", "fill_", "zero_"])
def test_in_place_operations_against_numpy(name: str, shape: tuple) -> None:
    a = np.random.default_rng(0).normal(size=shape)
    expected = {
        "add_": a + 2, "sub_": a - 2, "mul_": a * 2, "div_": a / 2, "clamp_": np.clip(a, -0.5, 0.5),
        "copy_": np.full(shape, 7.0), "fill_": np.full(shape, 7.0), "zero_": np.zeros(shape),
    }[name]
    arguments = {"clamp_": (-0.5, 0.5), "copy_": (7.0,), "fill_": (7.0,), "zero_": ()}.get(name, (2.0,))
    x = tensor(a)
    address = x.data_ptr()
    assert getattr(x, name)(*arguments) is x
    assert np.array_equal(x.numpy(), expected) and x.data_ptr() == address and x._storage.version == 1


def test_operators_in_place() -> None:
    x = same = table()
    x += 1.0
    x *= tensor([2.0] * 6)
    x -= 2.0
    x /= 2
    assert x is same and np.array_equal(x.numpy(), np.arange(24.0).reshape(4, 6)) and x._storage.version == 4


def test_overlapping_operands() -> None:
    x = tinytorch.arange(9).reshape(3, 3).float()
    a = x.numpy().copy()
    x.add_(x.T)
    assert np.array_equal(x.numpy(), a + a.T), "the operand must be read before it is overwritten"
    y = tinytorch.arange(6)
    y[1:] = y[:-1]
    assert y.tolist() == [0, 0, 1, 2, 3, 4]


def test_strided_targets() -> None:
    x = table()
    x.T[::2].mul_(0.0)
    expected = np.arange(24.0).reshape(4, 6)
    expected[:, ::2] = 0
    assert np.array_equal(x.numpy(), expected)


def test_dtypes_of_in_place_operations() -> None:
    assert tensor([1], dtype="uint8").add_(tensor([300])).tolist() == [45], "as in PyTorch, wrapping around"
    assert tensor([1.5]).add_(tensor([1], dtype="int64")).dtype == np.float32
    for bad in (lambda: tensor([1]).add_(0.5), lambda: tensor([1]).div_(2), lambda: tensor([True]).add_(1)):
        with pytest.raises(DTypeError, match="does not fit its target"):
            bad()
    assert tensor([1.5, -1.5]).long().tolist() == [1, -1]
    x = tensor([0, 0])
    x[0] = 1.9
    x.copy_(x + 1)
    assert x.tolist() == [2, 1], "setitem and copy convert, as in PyTorch"


def test_an_in_place_operation_cannot_grow_its_target() -> None:
    x = tensor([1.0])
    with pytest.raises(ShapeError, match=r"target's shape \(1,\), found \(3,\)"):
        x += tensor([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match="copy_"):
        x.copy_(tensor([1.0, 2.0]))


def test_an_in_place_twin_of_ones_own() -> None:
    assert in_place(ADD) is in_place(ADD)
    with pytest.raises(NotImplementedError, match="kernel"):
        in_place(_unfinished())(tensor([1.0]))


def _unfinished():
    from tinytorch.core.engine import Primitive

    def storage_unfinished_kernel(xp, a):
        raise NotImplementedError("storage_unfinished_kernel: not implemented yet")

    return Primitive("storage_unfinished", storage_unfinished_kernel)


# ---- the rest of Python


def test_the_class_of_results() -> None:
    class Weight(Tensor):
        """Like Parameter of module 04."""

    w = Weight([1.0, 2.0])
    for result in (w + 1, 1 - w, w[0], w.detach(), w.reshape(2, 1), w.sum(), tensor([1.0, 1.0]) * w):
        assert type(result) is Tensor
    assert type(copy.deepcopy(w)) is Weight and w.add_(1) is w


def test_wrap_keeps_the_array_and_never_copies() -> None:
    a = np.arange(3.0)
    assert wrap(Tensor, a)._array is a
    assert wrap(Tensor, np.float32(2))._array.shape == ()
    assert wrap(Tensor, a, wrap(Tensor, a)._storage)._epoch == 0


def test_deep_copies_own_everything() -> None:
    x = tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    x.grad = tensor([[5.0, 6.0], [7.0, 8.0]])
    twin = copy.deepcopy({"a": x, "b": x})
    assert twin["a"] is twin["b"] is not x and twin["a"].requires_grad
    twin["a"].grad.zero_()
    assert x.grad.tolist() == [[5.0, 6.0], [7.0, 8.0]] and twin["a"].tolist() == x.tolist()
    turned = copy.deepcopy(x.detach().T)
    assert turned._array.strides == (4, 8), "the layout is kept"
    with pytest.raises(GradientError, match="detach"):
        copy.deepcopy(x + 1)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_never_pickled(protocol: int) -> None:
    with pytest.raises(DTypeError, match="never pickled"):
        pickle.dumps(tensor([1.0]), protocol)


def test_numpy_and_dlpack_share_memory() -> None:
    x = tensor([1.0, 2.0, 3.0])
    assert np.shares_memory(x.numpy(), np.asarray(x)) and np.shares_memory(np.from_dlpack(x), x.numpy())
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.asarray(x, dtype="float64").dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype="float64", copy=False)
    a = np.zeros(3)
    tinytorch.from_numpy(a).add_(1.0)
    assert a.tolist() == [1, 1, 1] and tinytorch.as_tensor(a)._array is a
    for convert in (np.asarray, np.from_dlpack, lambda t: t.numpy()):
        with pytest.raises(GradientError, match="detach"):
            convert(tensor([1.0], requires_grad=True))


def test_missing_attributes_are_reported_as_usual() -> None:
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'shpae'"):
        _ = tensor([1.0]).shpae
    assert not hasattr(tensor([1.0]), "shpae") and isinstance(tensor([1.0]), TensorBase)


def test_attributes_of_tensors_are_read_without_a_detour() -> None:
    """With `__getattr__` in its class every attribute of a tensor is read four times slower (see the storage)."""
    assert not hasattr(tinytorch.Tensor, "__getattr__") and not hasattr(tinytorch.nn.Parameter, "__getattr__")
    assert type(TensorBase) is type, "isinstance(x, TensorBase) asks a metaclass, which takes three times as long"
