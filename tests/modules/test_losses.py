"""The losses beside MSE, cross-entropy and BCE with logits: PyTorch's values, gradients, modules, refusals."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tests.data.flat_file import read
from tinytorch import Tensor, nn
from tinytorch.autograd import gradcheck, gradgradcheck
from tinytorch.core.engine import TinyTorchError
from tinytorch.nn import functional as F

CASES, FROZEN = read(Path(__file__).parent.parent / "data" / "more_losses.npz")
CLASSES = ("nll_loss", "multi_margin_loss")      # their second input is class numbers


def inputs_of(key: str) -> list[Tensor]:
    found = [Tensor(FROZEN[f"{key}/input{i}"]) for i in range(CASES[key]["inputs"])]
    return [found[0], found[1].long()] if CASES[key]["function"] in CLASSES else found


def computed(key: str) -> tuple[list[Tensor], Tensor]:
    case = CASES[key]
    inputs = inputs_of(key)
    for i in case["wanted"]:
        inputs[i].requires_grad_()
    tensors = {name: Tensor(FROZEN[f"{key}/{name}"]) for name in case["tensors"]}
    return inputs, getattr(F, case["function"])(*inputs, **case["settings"], **tensors)


@pytest.mark.parametrize("name", sorted({case["function"] for case in CASES.values()}))
def test_values_and_gradients_are_pytorchs(name: str) -> None:
    for key, case in CASES.items():
        if case["function"] != name:
            continue
        inputs, loss = computed(key)
        expected = FROZEN[f"{key}/loss"]
        assert loss.shape == expected.shape, (case, loss.shape, expected.shape)
        assert np.allclose(loss.detach().numpy(), expected, 1e-12, 1e-13, equal_nan=True), (case, loss, expected)
        if case["wanted"]:
            (loss * Tensor(FROZEN[f"{key}/g"])).sum().backward()
        for i in case["wanted"]:
            assert np.allclose(inputs[i].grad.numpy(), FROZEN[f"{key}/grad{i}"], 1e-8, 1e-12), (case, i)


FUNCTIONS = sorted({case["function"] for case in CASES.values()})


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "pairwise_distance"])
def test_second_derivatives(name: str) -> None:
    cases = ((key, case["function"], case["settings"].get("reduction")) for key, case in CASES.items())
    key = next(key for key, *found in cases if found == [name, "sum"])
    case = CASES[key]
    held = inputs_of(key)
    if name == "binary_cross_entropy":
        held[0] = held[0].clamp(0.1, 0.9)          # at 0 and 1 there is a corner, as the logarithm is cut off
    if name == "gaussian_nll_loss":
        held[2] = held[2] + 0.5                    # and here where a variance is raised to eps
    own = [t.detach().clone().requires_grad_() for i, t in enumerate(held) if i in case["wanted"]]

    def function(*wanted: Tensor) -> Tensor:
        given = dict(zip(case["wanted"], wanted, strict=True))
        tensors = {n: Tensor(FROZEN[f"{key}/{n}"]) for n in case["tensors"]}
        inputs = [given.get(i, t) for i, t in enumerate(held)]
        return getattr(F, name)(*inputs, **case["settings"], **tensors)

    assert gradcheck(function, own) and gradgradcheck(function, own)


MODULES = {
    "L1Loss": "l1_loss", "SmoothL1Loss": "smooth_l1_loss", "HuberLoss": "huber_loss",
    "PoissonNLLLoss": "poisson_nll_loss", "GaussianNLLLoss": "gaussian_nll_loss", "NLLLoss": "nll_loss",
    "KLDivLoss": "kl_div", "BCELoss": "binary_cross_entropy", "MultiMarginLoss": "multi_margin_loss",
    "SoftMarginLoss": "soft_margin_loss", "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss",
    "CosineEmbeddingLoss": "cosine_embedding_loss", "MarginRankingLoss": "margin_ranking_loss",
    "HingeEmbeddingLoss": "hinge_embedding_loss", "TripletMarginLoss": "triplet_margin_loss",
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_is_its_function(kind: str) -> None:
    key = [key for key, case in CASES.items() if case["function"] == MODULES[kind]][-1]
    case = CASES[key]
    inputs = inputs_of(key)
    accepted = inspect.signature(getattr(nn, kind)).parameters
    tensors = {name: Tensor(FROZEN[f"{key}/{name}"]) for name in case["tensors"] if name in accepted}
    module = getattr(nn, kind)(**case["settings"], **tensors)
    assert module(*inputs).equal(getattr(F, MODULES[kind])(*inputs, **case["settings"], **tensors))
    assert list(module.state_dict()) == list(tensors), "weights of a loss are its buffers"
    defaults = {n: p.default for n, p in accepted.items()}
    assert all(getattr(getattr(nn, kind)(), n) == v for n, v in defaults.items()), "settings are attributes"


def test_the_reduction_of_a_module_may_be_changed() -> None:
    loss, x = nn.L1Loss(), Tensor([1.0, -3.0])
    loss.reduction = "sum"
    assert loss(x, Tensor([0.0, 0.0])).item() == 4.0 and repr(loss) == "L1Loss(reduction='sum')"


def test_triplets_by_a_distance_of_ones_own() -> None:
    a, p, n = (Tensor(np.random.default_rng(i).normal(size=(4, 3))) for i in range(3))
    plain = nn.TripletMarginWithDistanceLoss(margin=0.5, swap=True)(a, p, n)
    assert np.allclose(plain.item(), nn.TripletMarginLoss(margin=0.5, swap=True)(a, p, n).item())
    squared = {"distance_function": lambda x, y: ((x - y) ** 2).sum(-1), "margin": 0.5}
    own = F.triplet_margin_with_distance_loss(a, p, n, **squared)
    far, near = (((a - other) ** 2).sum(-1).numpy() for other in (n, p))
    assert np.allclose(own.item(), np.maximum(near - far + 0.5, 0).mean())
    assert np.allclose(nn.PairwiseDistance(p=1.0, eps=0.0)(a, p).numpy(), np.abs(a.numpy() - p.numpy()).sum(-1))


def test_cross_entropy_is_exact_at_large_logits() -> None:
    """Only one number is kept for each row, logsumexp, which at 10,000 is rounded to a thousandth."""
    rng = np.random.default_rng(4)
    for shift in (0.0, 1e4, -1e4, 3e7):
        x = (rng.normal(size=(64, 10)) * 2).astype("float32") + np.float32(shift)
        target = rng.integers(0, 10, 64)
        exact = x.astype("float64") - x.max(1, keepdims=True)
        p = np.exp(exact) / np.exp(exact).sum(1, keepdims=True)
        logits = Tensor(x, requires_grad=True)
        loss = F.cross_entropy(logits, Tensor(target), reduction="sum")
        loss.backward()
        wanted = p - np.eye(10)[target]
        assert np.abs(logits.grad.numpy() - wanted).max() < 5e-7, f"gradient at logits of {shift:g}"
        value = -np.log(p[np.arange(64), target]).sum()
        assert abs(loss.item() - value) < 1e-6 * max(value, 1), f"loss at logits of {shift:g}"


# ---- edges


def test_an_infinite_error_has_a_finite_slope() -> None:
    for loss in (F.smooth_l1_loss, F.huber_loss, F.l1_loss):
        x = Tensor([np.inf, -np.inf, 0.0], requires_grad=True)
        loss(x, Tensor([0.0, 0.0, 0.0]), reduction="none").sum().backward()
        assert x.grad.tolist() == [1.0, -1.0, 0.0], loss


def test_a_mean_over_nothing_is_nan() -> None:
    rows, nothing = Tensor(np.zeros((2, 3))), Tensor([-100, -100])
    assert np.isnan(F.nll_loss(rows, nothing).item()) and F.nll_loss(rows, nothing, reduction="sum").item() == 0
    assert np.isnan(F.l1_loss(Tensor(np.zeros(0)), Tensor(np.zeros(0))).item())
    infinite = Tensor([[-np.inf, 0.0]], requires_grad=True)
    F.nll_loss(infinite, Tensor([0]), ignore_index=0, reduction="sum").backward()
    assert infinite.grad.tolist() == [[0.0, 0.0]]


def test_dtypes_of_losses() -> None:
    x, y = Tensor(np.ones(3, "float32")), Tensor(np.ones(3, "float32"))
    for name in ("l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy", "soft_margin_loss"):
        assert getattr(F, name)(x, y).dtype == np.float32, name
        assert getattr(F, name)(x.double(), y.double()).dtype == np.float64, name
    half = F.nll_loss(Tensor(np.zeros((2, 3), "float16")), Tensor([0, 1]))
    assert half.dtype == np.float16


ones, zeros = tinytorch.ones, tinytorch.zeros
ONE, FIRST = ones(2), Tensor([0, 1])
REFUSED: dict[str, tuple[Any, str]] = {
    "shapes": (lambda: F.l1_loss(ones(3, 1), ones(3)), r"same shape, found \(3, 1\) and \(3,\)"),
    "no tensor": (lambda: F.huber_loss([1.0], ones(1)), "expected two tensors, found list"),
    "beta": (lambda: F.smooth_l1_loss(ones(1), ones(1), beta=-1.0), "beta: expected a number of 0 or more"),
    "beta of text": (lambda: nn.SmoothL1Loss(beta="x"), "SmoothL1Loss's beta: expected a number, found 'x'"),
    "delta": (lambda: F.huber_loss(ones(1), ones(1), delta=0), "delta above 0"),
    "reduction": (lambda: F.l1_loss(ones(1), ones(1), "avg"), "'mean', 'sum' or 'none', found 'avg'"),
    "batchmean": (lambda: nn.KLDivLoss("avg"), "'batchmean', 'mean', 'sum' or 'none', found 'avg'"),
    "reduction of a module": (lambda: nn.TripletMarginLoss(reduction="batchmean"), "'mean', 'sum' or 'none'"),
    "probabilities": (lambda: F.binary_cross_entropy(Tensor([0.5, 1.5]), zeros(2)), "from 0 to 1, found 1.5"),
    "a class too large": (lambda: F.nll_loss(zeros(2, 3), Tensor([0, 3])), "nll_loss: expected classes from 0 to 2"),
    "floating classes": (lambda: F.nll_loss(zeros(2, 3), zeros(2)), "nll_loss: expected integer class numbers"),
    "images of margins": (lambda: F.multi_margin_loss(zeros(2, 3, 4), zeros(2, 4).long()), r"\(N, classes\)"),
    "p": (lambda: F.multi_margin_loss(zeros(2, 3), Tensor([0, 1]), p=3), "p: expected 1 or 2, found 3"),
    "class weights": (lambda: F.nll_loss(zeros(2, 3), FIRST, ones(2)), r"each of 3 classes, found shape \(2,\)"),
    "class weights of cross_entropy": (
        lambda: F.cross_entropy(zeros(2, 3), Tensor([0, 1]), ones(2)), r"each of 3 classes, found shape \(2,\)"
    ),
    "weights as a list": (lambda: nn.NLLLoss([1.0, 2.0]), "expected weight to be a Tensor or None"),
    "trained class weights": (
        lambda: F.nll_loss(zeros(2, 3), Tensor([0, 1]), ones(3).requires_grad_()), "without a gradient"
    ),
    "variance": (lambda: F.gaussian_nll_loss(ones(2), ones(2), -ones(2)), "variances of 0 or more"),
    "shape of the variance": (lambda: F.gaussian_nll_loss(ones(2, 3), ones(2, 3), ones(3)), "expected var of shape"),
    "pairs": (lambda: F.cosine_embedding_loss(ones(2, 3), ones(2, 3), ones(3)), r"target \(3,\)"),
    "distance": (lambda: F.pairwise_distance(ones(2, 3), ones(2, 4)), "cannot be broadcast"),
    "margin": (lambda: F.triplet_margin_loss(ones(2), ones(2), ones(2), margin=0.0), "margin above 0"),
    "distance function": (
        lambda: F.triplet_margin_with_distance_loss(ONE, ONE, ONE, distance_function=3), "expected a function"
    ),
    "label_smoothing": (lambda: F.cross_entropy(zeros(2, 3), Tensor([0, 1]), label_smoothing="a"), "expected a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(TinyTorchError, match=words):
        call()
