"""Can I compose layers into a network and say beforehand how large and how costly it is?

Two networks (an MLP; blocks in a list with a product of similarities) against PyTorch's names, scores and counts,
frozen in tests/data/networks.npz; and counts by hand where a formula by layer type would be wrong.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.networks import FlopCounter, conv2d_work, linear_work, matmul_work
from tinytorch.models import MLP, count_flops, count_parameters, summary

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "networks.npz"))
SIZES = FROZEN["sizes"].tolist()


class Mixer(nn.Module):
    """The model of tests/data/make_networks.py."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(MLP(6, 11, 6, activation=nn.GELU) for _ in range(3))
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.head((x @ x.transpose(-2, -1)).softmax(-1) @ x)


def with_frozen_state(model: nn.Module, name: str) -> nn.Module:
    model.double().load_state_dict({str(n): Tensor(FROZEN[f"{name}/state/{n}"]) for n in FROZEN[f"{name}/names"]})
    return model


def scaled(factor: float) -> nn.Linear:
    """A layer that multiplies one number."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, factor)
    return layer


class Plus(nn.Module):
    """A layer that adds a number, and counts its calls by way of a hook."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, x: Tensor) -> Tensor:
        return x + self.amount


def values(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


# ---- composing


@pytest.mark.parametrize(("name", "make"), [("mlp", lambda: MLP(*SIZES)), ("mixer", Mixer)])
def test_names_and_scores_are_pytorchs(name: str, make) -> None:
    model = make()
    found, expected = list(model.state_dict()), FROZEN[f"{name}/names"].tolist()
    assert found == expected, f"{name} (MLP.__init__, Sequential.__init__): expected the names {expected}, got {found}"
    scores = values(with_frozen_state(model, name)(Tensor(FROZEN[f"{name}/x"])))
    difference = abs(scores - FROZEN[f"{name}/scores"]).max()
    assert difference < 1e-11, (
        f"{name} (Sequential.forward, MLP.__init__): scores differ from PyTorch's by {difference}"
    )


def test_sequential_keeps_the_order() -> None:
    net = nn.Sequential(Plus(1), scaled(10), Plus(-3))
    found = net(Tensor([[2.0]])).item()
    assert found == 27, (
        f"Sequential.forward: (2 + 1) * 10 - 3 is 27, got {found}: the output of each is the input of the next"
    )
    x = Tensor([1.0])
    assert nn.Sequential()(x) is x, "Sequential.forward: no modules, no change"


def test_sequential_calls_its_modules() -> None:
    net, seen = nn.Sequential(Plus(1), Plus(2)), []
    net[1].register_forward_hook(lambda module, args, output: seen.append(output.item()))
    net(Tensor(4.0))
    assert seen == [7.0], f"Sequential.forward: call each module, not its forward; a hook saw {seen} in place of [7.0]"


def test_sequential_takes_names() -> None:
    net = nn.Sequential(OrderedDict([("shift", Plus(1)), ("scale", scaled(5))]))
    assert [n for n, _ in net.named_children()] == ["shift", "scale"], (
        "Sequential.__init__: a dict gives names, in its order"
    )
    assert net(Tensor([[1.0]])).item() == 10, "Sequential.__init__: a dict keeps its order, (1 + 1) * 5 is 10"
    assert list(net.state_dict()) == ["scale.weight"], f"Sequential.__init__: wrong names {list(net.state_dict())}"


def test_append_puts_at_the_end_and_returns_the_network() -> None:
    net = nn.Sequential(scaled(2))
    assert net.append(Plus(1)) is net, "Sequential.append must return the network itself, so that calls can be chained"
    assert net(Tensor([[3.0]])).item() == 7, f"Sequential.append: 3 * 2 + 1 is 7, got {net(Tensor([[3.0]])).item()}"
    blocks = nn.ModuleList([Plus(1)])
    blocks.append(scaled(1)).extend([scaled(2)])
    names = [n for n, _ in blocks.named_parameters()]
    assert names == ["1.weight", "2.weight"], f"Sequential.append (as used by ModuleList): expected 1, 2, got {names}"
    for wrong in (nn.ReLU, [Plus(1)], 3.0):
        with pytest.raises(tinytorch.DTypeError, match="expected a Module"):
            nn.Sequential(wrong)


def test_index_and_slice_share_the_layers() -> None:
    parts = [Plus(1), scaled(10), Plus(-3)]
    net = nn.Sequential(*parts)
    found = [net[0] is parts[0], net[2] is parts[2], net[-1] is parts[2], net[-3] is parts[0]]
    assert all(found), (
        f"Sequential.__getitem__: net[0], net[2], net[-1], net[-3] must be the modules themselves: {found}"
    )
    body = net[:2]
    assert isinstance(body, nn.Sequential), (
        f"Sequential.__getitem__: a slice is a Sequential, got {type(body).__name__}"
    )
    assert len(body) == 2 and body[1] is parts[1], "Sequential.__getitem__: a slice holds the very same layers"
    assert list(net[1:].state_dict()) == ["1.weight"], "Sequential.__getitem__: a slice keeps the names of its layers"
    head = MLP(4, 5, 3)[-1:]
    assert type(head) is nn.Sequential, (
        f"Sequential.__getitem__: a slice of an MLP is a Sequential, got {type(head).__name__}"
    )
    with pytest.raises(tinytorch.IndexingError, match="found 3"):
        net[3]


def test_an_mlp_bends_between_its_layers_and_not_at_the_end() -> None:
    kinds = [type(layer).__name__ for layer in MLP(3, 4, 5, 2, activation=nn.Tanh, dropout=0.5)]
    expected = ["Linear", "Tanh", "Dropout", "Linear", "Tanh", "Dropout", "Linear"]
    assert kinds == expected, f"MLP.__init__: expected {expected}, got {kinds} (no bend after the scores)"
    net = MLP(3, 4, 5, 2)
    assert net[1] is not net[3], "MLP.__init__: each activation is a module of its own, call the class once for each"
    with pytest.raises(tinytorch.ShapeError, match="two sizes"):
        MLP(3)


# ---- weighing


@pytest.mark.parametrize(("name", "make"), [("mlp", lambda: MLP(*SIZES)), ("mixer", Mixer)])
def test_the_number_of_parameters_is_pytorchs(name: str, make) -> None:
    found, expected = count_parameters(make()), int(FROZEN[f"{name}/count"])
    assert found == expected, f"count_parameters({name}): expected {expected}, got {found}"


def test_frozen_and_shared_parameters() -> None:
    net = MLP(10, 20, 3)
    net[0].requires_grad_(False)
    found = count_parameters(net), count_parameters(net, trainable=True)
    assert found == (283, 63), f"count_parameters: of 283 numbers 220 are frozen, so (283, 63), got {found}"
    layer = nn.Linear(4, 4)
    found = count_parameters(nn.Sequential(layer, nn.ReLU(), layer))
    assert found == 20, f"count_parameters: a layer used twice is learned once, 20 numbers, got {found}"


@pytest.mark.parametrize(
    ("work", "x", "weight", "output", "expected"),
    [
        (linear_work, (7, 4), (3, 4), (7, 3), 84),
        (linear_work, (2, 7, 4), (3, 4), (2, 7, 3), 168),
        (matmul_work, (2, 5, 4), (2, 4, 3), (2, 5, 3), 120),
        (matmul_work, (5, 4), (4,), (5,), 20),
        (conv2d_work, (1, 3, 9, 9), (8, 3, 3, 5), (1, 8, 7, 5), 12_600),
        (conv2d_work, (1, 8, 5, 5), (8, 2, 3, 3), (1, 8, 3, 3), 1_296),
    ],
)
def test_the_work_of_one_operation(work, x: tuple, weight: tuple, output: tuple, expected: int) -> None:
    inputs = tinytorch.zeros(*x), tinytorch.zeros(*weight), None
    found = work(inputs, (tinytorch.zeros(*output),))
    assert found == expected, f"{work.__name__}: {x}, {weight} -> {output} takes {expected} multiply-adds, got {found}"


@pytest.mark.parametrize(("name", "make", "shape"), [("mlp", lambda: MLP(*SIZES), (12,)), ("mixer", Mixer, (7, 6))])
def test_the_flops_are_pytorchs(name: str, make, shape: tuple) -> None:
    found, expected = count_flops(make(), shape), int(FROZEN[f"{name}/flops"])
    assert found == expected, (
        f"count_flops({name}): expected {expected}, got {found} (FlopCounter.after: 2 FLOPs for each multiply-add, "
        "of every operation in the table)"
    )


def test_a_layer_that_runs_three_times_works_three_times() -> None:
    layer = nn.Linear(5, 5)
    found = count_flops(nn.Sequential(layer, layer, layer), 5)
    assert found == 150, f"count_flops: three runs of 2·5·5 FLOPs are 150, got {found}: count what happens, not layers"


def test_counting_leaves_no_trace() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 3))
    net[0].eval()
    modes = [m.training for m in net.modules()]
    tinytorch.manual_seed(3)
    count_flops(net, 3)
    found = [m.training for m in net.modules()]
    assert found == modes, f"count_flops: training flags must be as before, {modes}, they are {found}"
    state = tinytorch.core.engine.DEFAULT_GENERATOR.get_state()
    assert state["offset"] == 0, "count_flops: the model runs in inference, dropout must not draw random numbers"
    before = count_flops(net, 3)
    net(tinytorch.ones(100, 3))
    assert count_flops(net, 3) == before == 36, "count_flops: a counter counts while it watches, and starts at 0"


def test_the_counter_sees_any_operation_at_the_door() -> None:
    counter = FlopCounter()
    with tinytorch.core.engine.overlay(counter=counter):
        (tinytorch.ones(2, 3) @ tinytorch.ones(3, 4)).relu().sum()
    assert counter.flops == 48, f"FlopCounter.after: a bare product (2, 3) @ (3, 4) is 48 FLOPs, got {counter.flops}"


def test_the_summary_adds_up() -> None:
    net = nn.Sequential(nn.Flatten(), *MLP(784, 30, 10))
    table = summary(net, (1, 28, 28))
    assert (table.parameters, table.flops) == (23_860, 47_640), (
        f"summary (count_parameters, FlopCounter.after): {table}"
    )
    rows = [(r.name, r.kind, r.output_shape, r.parameters, r.flops) for r in table.layers]
    expected = [
        ("0", "Flatten", (1, 784), 0, 0),
        ("1", "Linear", (1, 30), 23_550, 47_040),
        ("2", "ReLU", (1, 30), 0, 0),
        ("3", "Linear", (1, 10), 310, 600),
    ]
    assert rows == expected, f"summary (FlopCounter.after): expected {expected}, got {rows}"


def test_depth_multiplies_pieces() -> None:
    tent = {
        "0.weight": Tensor([[1.0], [1.0]]),
        "0.bias": Tensor([0.0, -0.5]),
        "2.weight": Tensor([[2.0, -4.0]]),
        "2.bias": Tensor([0.0]),
    }
    blocks = [MLP(1, 2, 1) for _ in range(6)]
    for block in blocks:
        block.load_state_dict(tent)
    y = values(nn.Sequential(*blocks)(tinytorch.linspace(0, 1, 2**10 + 1).reshape(-1, 1)))[:, 0]
    slopes = np.diff(y)
    pieces = 1 + int((abs(np.diff(slopes)) > 1e-6).sum())
    assert pieces == 64, (
        f"MLP.__init__, Sequential.forward: six tents fold [0, 1] into 2^6 = 64 pieces, counted {pieces}"
    )


def test_what_is_no_module_is_refused_by_name() -> None:
    for wrong in (
        lambda: nn.Sequential(nn.ReLU),
        lambda: nn.Sequential().append(nn.ReLU),
        lambda: nn.Sequential(OrderedDict(bend=nn.ReLU)),
    ):
        with pytest.raises(tinytorch.DTypeError, match=r"Sequential: expected a Module.*Call the class"):
            wrong()


def test_flops_of_a_model_that_takes_integers() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2))
    found = count_flops(model, (3,), dtype="int64")
    assert found == 2 * 3 * 4 * 2, f"count_flops: 3 tokens, 4 features, 2 outputs, two FLOPs each: 48, got {found}"
