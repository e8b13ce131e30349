"""Beyond module 05's own tests: the lists as lists, slices, summaries of unusual models, counting under watchers."""

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.networks import MULTIPLY_ADDS, FlopCounter
from tinytorch.models import MLP, count_flops, count_parameters, summary


def layers(count: int) -> list[nn.Linear]:
    return [nn.Linear(2, 2) for _ in range(count)]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_a_list_behaves_as_a_list(kind: type) -> None:
    parts = layers(5)
    found = kind(*parts) if kind is nn.Sequential else kind(parts)
    assert len(found) == 5 and list(found) == parts and found[-2] is parts[3]
    assert list(found[1:4]) == parts[1:4] and type(found[1:4]) is kind
    assert list(found[::-2]) == parts[::-2]
    new = nn.ReLU()
    found[1] = new
    assert found[1] is new and list(found._modules) == ["0", "1", "2", "3", "4"]
    del found[0]
    assert list(found) == [new, *parts[2:]] and list(found._modules) == ["0", "1", "2", "3"]
    assert found.insert(0, parts[0]) is found and found[0] is parts[0] and list(found._modules)[-1] == "4"
    assert found.extend(layers(2)) is found and len(found) == 7
    assert new in list(found)


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
@pytest.mark.parametrize("index", [5, -6, "0", 1.0, True, None])
def test_an_index_that_is_not_there(kind: type, index: object) -> None:
    found = kind().extend(layers(5))
    with pytest.raises((tinytorch.IndexingError, tinytorch.DTypeError), match=kind.__name__):
        found[index]


@pytest.mark.parametrize(
    ("bad", "message"),
    [(nn.ReLU, r"Call the class to make a layer: ReLU"), ([nn.ReLU()], r"Unpack the list"), (3, "found 'int'")],
)
def test_what_is_no_module_is_refused(bad: object, message: str) -> None:
    with pytest.raises(tinytorch.DTypeError, match=message):
        nn.Sequential(nn.ReLU(), bad)
    with pytest.raises(tinytorch.DTypeError, match=message):
        nn.ModuleList([bad])


def test_deleting_from_a_named_sequential_keeps_the_names() -> None:
    net = nn.Sequential({"a": nn.ReLU(), "b": nn.Tanh(), "c": nn.ReLU()})
    del net[1]
    assert list(net._modules) == ["a", "c"]


def test_module_list_has_no_forward() -> None:
    with pytest.raises(NotImplementedError, match="ModuleList: expected a method forward"):
        nn.ModuleList(layers(1))(tinytorch.ones(2))


def test_a_slice_trains_the_whole() -> None:
    net = MLP(3, 4, 2)
    nn.init.zeros_(net[:-1][0].weight)
    assert not net[0].weight.detach().numpy().any()


def test_an_mlp_of_two_sizes_is_one_layer_and_takes_any_batch() -> None:
    net = MLP(3, 2)
    assert [type(m).__name__ for m in net] == ["Linear"]
    assert net(tinytorch.ones(5, 7, 3)).shape == (5, 7, 2)
    assert net(tinytorch.ones(0, 3)).shape == (0, 2)


def test_activation_may_be_any_maker_of_modules() -> None:
    net = MLP(3, 4, 2, activation=lambda: nn.LeakyReLU(0.3))
    assert net[1].negative_slope == 0.3


def test_flops_of_tokens() -> None:
    net = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 4))
    assert count_flops(net, 5, dtype="int64") == 2 * 5 * 6 * 4
    assert summary(net, (5,), dtype="int64").layers[0].output_shape == (1, 5, 6)


@pytest.mark.parametrize("shape", [(0, 3), (-1,), (2.0,)])
def test_an_input_shape_that_cannot_be(shape: tuple) -> None:
    with pytest.raises((tinytorch.ShapeError, tinytorch.DTypeError), match="shape"):
        count_flops(nn.Identity(), shape)


def test_a_model_that_fails_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.2))
    net[0].eval()
    modes = [m.training for m in net.modules()]
    for look in (count_flops, summary):
        with pytest.raises(tinytorch.ShapeError, match="linear"):
            look(net, 4)
        assert [m.training for m in net.modules()] == modes
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_counters_within_counters() -> None:
    outer, inner, x = FlopCounter(), FlopCounter(), tinytorch.ones(2, 2)
    with tinytorch.core.engine.overlay(outer=outer):
        _ = x @ x
        with tinytorch.core.engine.overlay(inner=inner):
            _ = x @ x
    _ = x @ x
    assert (outer.flops, inner.flops) == (32, 16)


def test_a_later_module_may_add_a_row() -> None:
    MULTIPLY_ADDS["softmax"] = lambda inputs, outputs: 100
    try:
        assert count_flops(nn.Softmax(1), 3) == 200
    finally:
        del MULTIPLY_ADDS["softmax"]


def test_summary_of_a_single_layer_and_of_a_shared_one() -> None:
    single = summary(nn.Linear(3, 2), 3)
    assert [(r.name, r.kind, r.parameters, r.flops) for r in single.layers] == [("(model)", "Linear", 8, 12)]
    layer = nn.Linear(3, 3)
    twice = summary(nn.Sequential(layer, nn.ReLU(), layer), 3)
    assert [(r.name, r.parameters, r.flops) for r in twice.layers] == [("0", 12, 18), ("1", 0, 0), ("0", 0, 18)]
    assert (twice.parameters, twice.flops) == (12, 36)


def test_summary_reads_as_a_table() -> None:
    net = MLP(3, 4, 2)
    net[0].requires_grad_(False)
    lines = str(summary(net, 3)).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "FLOPs"]
    assert lines[2].split() == ["0", "Linear", "(1,", "4)", "16", "24"]
    assert lines[-1] == "26 parameters (10 trainable), 40 FLOPs an example"
    assert count_parameters(net, trainable=True) == 10


def test_a_layer_that_returns_several_outputs() -> None:
    class Halves(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x[:, :2], x[:, 2:]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.halves = Halves()

        def forward(self, x: Tensor) -> Tensor:
            a, b = self.halves(x)
            return a @ b.T

    table = summary(Net(), 4)
    assert table.layers[0].output_shape == (1, 2)
    assert table.flops == 4


def test_blocks_in_a_plain_list_are_not_found() -> None:
    class Careless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [nn.Linear(2, 2)]

    assert count_parameters(Careless()) == 0


def test_capacity_grows_with_width() -> None:
    tinytorch.manual_seed(1)
    labels = np.sign(np.random.default_rng(0).normal(size=60))
    x = tinytorch.randn(60, 8)
    shares = []
    for width in (5, 80):
        hidden = MLP(8, width, 1)[:-1](x).detach().numpy()
        solution = np.linalg.lstsq(hidden, labels, rcond=None)[0]
        shares.append((np.sign(hidden @ solution) == labels).mean())
    assert shares[0] < 0.9 and shares[1] == 1.0
