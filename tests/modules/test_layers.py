"""Beyond module 04's own tests: PyTorch's names, gains and repr, conversion, hooks, refusals, first values, files."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.engine import PRIMITIVES, bind
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "layers.npz"))


class Reader(nn.Module):
    """The model of tests/data/make_layers.py."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 5, padding_idx=0)
        self.body = nn.Module()
        self.body.first = nn.Linear(5, 6)
        self.body.second = nn.Linear(6, 5, bias=False)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("count", Tensor(3))
        self.register_buffer("scratch", tinytorch.zeros(2), persistent=False)


def values(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


# ---- decompositions: each operation of the module equals what it stands for


def test_linear_equals_its_decomposition() -> None:
    x, w, b = (Tensor(np.random.default_rng(i).normal(size=s)) for i, s in enumerate(((2, 5, 4), (3, 4), (3,))))
    assert np.allclose(values(F.linear(x, w, b)), values(x @ w.T + b), atol=1e-14)


def test_dropout_equals_its_decomposition() -> None:
    x = Tensor(np.random.default_rng(0).normal(size=(6, 7)))
    mask = tinytorch.core.engine.random_uniform(np, 5, 12, (6, 7)) >= 0.4
    found = bind(PRIMITIVES["dropout"], x, p=0.4, seed=5, offset=12)
    assert np.allclose(values(found), values(x) * mask / 0.6, atol=1e-15)


def test_embedding_equals_its_decomposition() -> None:
    table, tokens = Tensor(np.random.default_rng(0).normal(size=(6, 3))), Tensor([[0, 5], [2, 2]])
    one_hot = Tensor(np.eye(6)[tokens.numpy()])
    assert np.allclose(values(F.embedding(tokens, table)), values(one_hot @ table))


@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (4, 6)])
def test_embedding_grad_adds_up(shape: tuple, padding_idx: int | None) -> None:
    rng = np.random.default_rng(1)
    g, indices = rng.normal(size=(*shape, 3)), rng.integers(0, 4, shape)
    expected = np.zeros((4, 3))
    for place in np.ndindex(shape):
        if indices[place] != padding_idx:
            expected[indices[place]] += g[place]
    settings = {"num_embeddings": 4, "padding_idx": padding_idx}
    found = bind(PRIMITIVES["embedding_grad"], Tensor(g), Tensor(indices), **settings)
    assert np.allclose(values(found), expected, atol=1e-14)


# ---- Module


def test_repr_is_pytorchs() -> None:
    assert repr(Reader()) == str(FROZEN["repr"])


@pytest.mark.parametrize(
    ("module", "text"),
    [(nn.ReLU(), "ReLU()"), (nn.ReLU(inplace=True), "ReLU(inplace=True)"),
     (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"), (nn.GELU(), "GELU(approximate='none')"),
     (nn.Softmax(dim=1), "Softmax(dim=1)"), (nn.Tanh(), "Tanh()"),
     (nn.Dropout(0.1), "Dropout(p=0.1, inplace=False)"), (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
     (nn.Embedding(3, 2, padding_idx=-1), "Embedding(3, 2, padding_idx=2)"), (nn.Identity(4, unused=1), "Identity()")],
)
def test_repr_of_a_layer(module: nn.Module, text: str) -> None:
    assert repr(module) == text


@pytest.mark.parametrize(
    ("module", "function"),
    [(nn.ReLU(), F.relu), (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)), (nn.Sigmoid(), F.sigmoid),
     (nn.Tanh(), F.tanh), (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh")), (nn.SiLU(), F.silu),
     (nn.Softmax(1), lambda x: F.softmax(x, 1)),
     (nn.LogSoftmax(0), lambda x: F.log_softmax(x, 0)), (nn.Identity(), lambda x: x), (nn.Flatten(), lambda x: x)],
)
def test_a_module_is_its_function(module: nn.Module, function) -> None:
    x = Tensor(np.random.default_rng(0).normal(size=(3, 4)))
    assert isinstance(module, nn.Module)
    assert module(x).equal(function(x))
    assert not list(module.parameters())


def test_flatten_joins_the_axes_asked_for() -> None:
    x = tinytorch.arange(24).reshape(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)


def test_a_parameter_shares_memory_and_is_a_tensor_to_the_outside() -> None:
    source = Tensor([1.0, 2.0])
    parameter = nn.Parameter(source)
    source[0] = 5.0
    assert values(parameter).tolist() == [5.0, 2.0]
    assert repr(parameter) == "Parameter containing:\ntensor([5., 2.], requires_grad=True)"
    assert type(parameter * 2) is Tensor
    assert not nn.Parameter([1, 2], requires_grad=False).requires_grad
    with pytest.raises(tinytorch.GradientError, match="int64"):
        nn.Parameter([1, 2])


@pytest.mark.parametrize("value", [nn.Parameter([1.0]), nn.ReLU()])
def test_parts_before_init_are_refused(value: object) -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.part = value
            super().__init__()

    with pytest.raises(tinytorch.TinyTorchError, match=r"Hasty\.part.*super\(\)\.__init__\(\)"):
        Hasty()


def test_a_weight_is_not_lost_to_a_plain_value() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(tinytorch.DTypeError, match=r"Linear\.weight: expected a Parameter or None, found Tensor"):
        layer.weight = tinytorch.zeros(2, 2)
    reader = Reader()
    with pytest.raises(tinytorch.DTypeError, match=r"Reader\.body: expected a Module or None, found int"):
        reader.body = 3
    with pytest.raises(tinytorch.DTypeError, match=r"Reader\.count: expected a Tensor or None, found int"):
        reader.count = 4
    reader.count = Tensor(4)
    assert dict(reader.named_buffers())["count"].item() == 4


def test_deleting_and_replacing() -> None:
    layer = nn.Linear(2, 2)
    del layer.bias
    assert [n for n, _ in layer.named_parameters()] == ["weight"]
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'bias'"):
        _ = layer.bias
    layer.bias = nn.Parameter([1.0, 1.0])
    layer.bias = nn.Linear(1, 1)
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias.weight", "bias.bias"]
    assert {"weight", "bias", "in_features", "forward"} <= set(dir(layer))


@pytest.mark.parametrize("name", ["a.b", "", "forward", "in_features"])
def test_names_that_cannot_be_registered(name: str) -> None:
    layer = nn.Linear(2, 2)
    for register in (lambda: layer.register_buffer(name, Tensor([1.0])), lambda: layer.add_module(name, nn.ReLU()),
                     lambda: layer.register_parameter(name, nn.Parameter([1.0]))):
        with pytest.raises(tinytorch.TinyTorchError, match="name"):
            register()


def test_what_is_registered_must_be_of_its_kind() -> None:
    module = nn.Module()
    with pytest.raises(tinytorch.DTypeError, match=r"register_buffer.*expected a Tensor"):
        module.register_buffer("b", 3)
    with pytest.raises(tinytorch.DTypeError, match=r"add_module.*expected a Module"):
        module.add_module("m", 3)
    module.register_parameter("nothing", None)
    assert module.nothing is None and not module.state_dict()


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module: expected a method forward"):
        nn.Module()(1)


def test_to_converts_in_place_what_is_floating() -> None:
    model = Reader()
    weight = model.embed.weight
    weight.grad = tinytorch.ones(7, 5)
    version = weight._storage.version
    assert model.to(tinytorch.float64) is model
    assert model.embed.weight is weight and model.head.weight is weight
    assert weight.dtype == weight.grad.dtype == tinytorch.float64
    assert model.count.dtype == tinytorch.int64 and model.scratch.dtype == tinytorch.float64
    assert weight._storage.version > version
    assert model.to("cpu").to(device="cpu", dtype="float32").body.first.bias.dtype == tinytorch.float32
    with pytest.raises(tinytorch.DTypeError, match="floating"):
        model.to(tinytorch.int64)
    with pytest.raises(NotImplementedError, match="13"):
        model.to("cuda")


def test_freezing_and_forgetting_gradients() -> None:
    model = Reader().requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())
    model.requires_grad_()
    for p in model.parameters():
        p.grad = tinytorch.ones_like(p)
    model.zero_grad(set_to_none=False)
    assert all(p.grad.sum().item() == 0 for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_apply_reaches_children_first() -> None:
    seen: list[str] = []
    assert Reader().apply(lambda m: seen.append(type(m).__name__)) is not None
    assert seen == ["Embedding", "Linear", "Linear", "Module", "Linear", "Reader"]


def test_hooks_see_and_replace() -> None:
    layer = nn.Identity()
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    after = layer.register_forward_hook(lambda module, args, output: output * 10)
    assert layer(Tensor([1.0])).tolist() == [20.0]
    before.remove()
    before.remove()
    assert layer(Tensor([1.0])).tolist() == [10.0]
    with layer.register_forward_hook(lambda module, args, output: None):
        assert layer(Tensor([1.0])).tolist() == [10.0]
    after.remove()
    assert layer(Tensor([1.0])).tolist() == [1.0]


def test_a_deep_copy_is_independent_and_keeps_the_sharing() -> None:
    model = Reader()
    twin = copy.deepcopy(model)
    assert twin.embed.weight is twin.head.weight
    assert isinstance(twin.embed.weight, nn.Parameter) and twin.embed.weight.requires_grad
    twin.load_state_dict({n: t * 0 for n, t in twin.state_dict().items()})
    assert values(model.embed.weight).any() and not values(twin.embed.weight).any()


def test_a_state_of_arrays_is_as_good_as_one_of_tensors() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": np.array([3.0])})
    assert values(layer(Tensor([1.0, 1.0]))).tolist() == [6.0]
    with pytest.raises(tinytorch.TinyTorchError, match=r"bias: expected \(1,\), found float"):
        layer.load_state_dict({"weight": np.array([[0.0, 0.0]]), "bias": 1.0})
    assert values(layer.weight).tolist() == [[1.0, 2.0]]


# ---- initialisation


def test_gains_are_pytorchs() -> None:
    cases = [(name, None) for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu")] + [("leaky_relu", 0.3)]
    assert np.allclose([nn.init.calculate_gain(*case) for case in cases], FROZEN["gains"], rtol=1e-15)
    with pytest.raises(tinytorch.TinyTorchError, match="found 'swish'"):
        nn.init.calculate_gain("swish")


@pytest.mark.parametrize(
    ("fill", "std"),
    [(lambda w: nn.init.normal_(w, 0.0, 3.0), 3.0), (lambda w: nn.init.uniform_(w, -1.0, 1.0), 1 / math.sqrt(3)),
     (nn.init.kaiming_normal_, math.sqrt(2 / 300)), (nn.init.xavier_normal_, math.sqrt(2 / 700)),
     (lambda w: nn.init.kaiming_uniform_(w, mode="fan_out"), math.sqrt(2 / 400)),
     (lambda w: nn.init.xavier_uniform_(w, gain=2.0), 2 * math.sqrt(2 / 700))],
)
def test_first_values_have_the_promised_spread(fill, std: float) -> None:
    tinytorch.manual_seed(0)
    for weight in (tinytorch.empty(400, 300), nn.Parameter(tinytorch.empty(400, 300, dtype="float64"))):
        assert fill(weight) is weight
        found = values(weight)
        assert found.std() == pytest.approx(std, rel=0.01)
        assert abs(found.mean()) < 5 * std / math.sqrt(found.size)


def test_constants_and_the_fan_of_a_convolution() -> None:
    w = tinytorch.empty(2, 3)
    assert nn.init.constant_(w, 4.0).tolist() == [[4.0] * 3] * 2
    assert nn.init.ones_(w).sum().item() == 6 and nn.init.zeros_(w).sum().item() == 0
    kernel = nn.init.kaiming_uniform_(tinytorch.empty(64, 3, 5, 5), nonlinearity="linear")
    assert 0.99 * math.sqrt(3 / 75) < abs(values(kernel)).max() <= math.sqrt(3 / 75)
    with pytest.raises(tinytorch.ShapeError, match="two axes"):
        nn.init.xavier_uniform_(tinytorch.empty(3))
    with pytest.raises(tinytorch.TinyTorchError, match="fan_in"):
        nn.init.kaiming_normal_(w, mode="both")


# ---- functions: bad input


def test_linear_says_what_does_not_fit() -> None:
    with pytest.raises(tinytorch.ShapeError, match=r"last size is 3, found shape \(2, 4\).*\(5, 3\)"):
        F.linear(tinytorch.ones(2, 4), tinytorch.ones(5, 3))
    with pytest.raises(tinytorch.ShapeError, match=r"bias \(out\), found \(5, 3\) and \(4,\)"):
        F.linear(tinytorch.ones(2, 3), tinytorch.ones(5, 3), tinytorch.ones(4))
    with pytest.raises(tinytorch.DTypeError, match="found list"):
        F.linear([1.0], tinytorch.ones(5, 1))


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_dropout_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(tinytorch.TinyTorchError, match="probability"):
        nn.Dropout(p)
    with pytest.raises(tinytorch.TinyTorchError, match="probability"):
        F.dropout(tinytorch.ones(2), p)


def test_dropout_keeps_a_missing_number_where_it_is_kept() -> None:
    x = Tensor([float("inf"), float("nan")] * 50)
    found = values(F.dropout(x, 0.5))
    assert not np.isfinite(found).all()


# ---- files


def nested() -> dict:
    return {
        "model": {"fc.weight": Tensor([[1.5, -2.0]]), "count": Tensor(3), "mask": Tensor([True, False])},
        "fc": {"weight": tinytorch.zeros(0, 3)}, "model.count": Tensor([1.0], dtype="float64"),
        "history": [0.5, float("inf"), 3, None, "text", (1, [2.0])], "groups": {0: {"lr": 0.1}, 1: {"lr": 1e-300}},
        "seed": 2**63 + 5, "array": np.arange(3, dtype="uint8"), "transposed": Tensor([[1.0, 2.0], [3.0, 4.0]]).T,
    }


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and a.equal(b)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_a_nest_of_values_comes_back_as_it_was(tmp_path: Path) -> None:
    tinytorch.save(nested(), tmp_path / "x")
    assert same(nested(), tinytorch.load(tmp_path / "x"))
    assert same(Tensor([1.0]), (tinytorch.save(Tensor([1.0]), tmp_path / "y"), tinytorch.load(tmp_path / "y"))[1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", "y"]


def test_other_programs_can_read_the_tensors(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    layer = nn.Linear(2, 3)
    tinytorch.save(layer.state_dict(), tmp_path / "ours")
    assert sorted(load_file(tmp_path / "ours")) == ["bias", "weight"]
    save_file({"a": np.ones(2, "float32")}, tmp_path / "theirs")
    assert same({"a": tinytorch.ones(2)}, tinytorch.load(tmp_path / "theirs"))


@pytest.mark.parametrize("damage", [b"", b"not a model at all", b"\x80\x04pickle", None])
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "m"
    tinytorch.save(nested(), path)
    path.write_bytes(path.read_bytes()[:-5] if damage is None else damage)
    with pytest.raises(tinytorch.TinyTorchError, match=r"^load: expected a whole file .* found \d+ bytes") as caught:
        tinytorch.load(path)
    assert "\n" not in str(caught.value)


def test_a_structure_that_does_not_match_its_tensors_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    for structure in ('{"tensor": "gone"}', '{"tensor": 1, "array": 2}', "{", '{"class": "os.system"}'):
        save_file({"a": np.ones(2)}, tmp_path / "m", {"structure": structure})
        with pytest.raises(tinytorch.TinyTorchError, match=r"^load: expected a whole file"):
            tinytorch.load(tmp_path / "m")


@pytest.mark.parametrize(("bad", "place"), [(lambda: 0, "the top"), ({"a": [1, {2}]}, "a.1"), ({(1, 2): 3}, "the top")])
def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path: Path, bad: object, place: str) -> None:
    path = tmp_path / "m"
    tinytorch.save(1, path)
    with pytest.raises(tinytorch.DTypeError, match=rf"^save: .*at {place}"):
        tinytorch.save(bad, path)
    assert tinytorch.load(path) == 1 and len(list(tmp_path.iterdir())) == 1


def test_a_saved_file_can_be_read_by_whom_any_new_file_can(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    tinytorch.save({"a": tinytorch.ones(2)}, tmp_path / "m")
    modes = [oct((tmp_path / name).stat().st_mode) for name in ("m", "plain")]
    assert modes[0] == modes[1]


def test_a_structure_without_end_is_a_damaged_file(tmp_path: Path) -> None:
    deep = "[" * 100_000
    save_file({"a": np.ones(2)}, tmp_path / "m", {"structure": deep})
    with pytest.raises(tinytorch.TinyTorchError, match="expected a whole file written by"):
        tinytorch.load(tmp_path / "m")


def test_an_object_that_contains_itself_is_refused(tmp_path: Path) -> None:
    ring: list = []
    ring.append(ring)
    with pytest.raises(tinytorch.DTypeError, match="contain itself"):
        tinytorch.save(ring, tmp_path / "m")


def test_a_failing_write_leaves_the_old_file_and_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m"
    tinytorch.save({"epoch": 1}, path)

    def broken(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        tinytorch.save({"epoch": 2}, path)
    assert tinytorch.load(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^save: expected an existing folder"):
        tinytorch.save(1, tmp_path / "nowhere" / "m")
    with pytest.raises(IsADirectoryError, match=r"^save: expected the path of a file"):
        tinytorch.save(1, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^load: .*found none"):
        tinytorch.load(tmp_path / "m")
    with pytest.raises(FileNotFoundError, match="found a folder"):
        tinytorch.load(tmp_path)


def test_a_tensor_is_never_pickled() -> None:
    import pickle

    with pytest.raises(tinytorch.DTypeError, match="never pickled"):
        pickle.dumps(nn.Linear(1, 1))
