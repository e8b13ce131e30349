"""Rows of the losses that module 11 teaches: mean squared error, cross-entropy, binary cross-entropy of logits."""

import numpy as np
from hypothesis import strategies as st
from scipy import special

import tinytorch
from tests.operations.cases import case, cases, fixed_shapes, integers, interval, positive, real, same_shape
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import NAN, ONLY_FLOATS
from tinytorch import DTypeError, IndexingError, ShapeError, TinyTorchError, tensor
from tinytorch.core.engine import primitive
from tinytorch.nn import functional as F

REDUCTION = {"reduction": st.sampled_from(["mean", "sum", "none"])}


def reduced(values, reduction="mean"):
    """The mean, the sum, or the values themselves."""
    return values if reduction == "none" else getattr(values, reduction)()


def cross_entropy(logits, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Sample by sample, from the definition."""
    classes = logits.shape[1] if logits.ndim > 1 else logits.shape[0]
    rows = special.log_softmax(np.moveaxis(logits, 1, -1) if logits.ndim > 1 else logits, axis=-1)
    weight = np.ones(classes) if weight is None else weight
    if target.dtype.kind == "f":
        wanted = np.moveaxis(target, 1, -1) if target.ndim > 1 else target
        values = -(rows * weight * (wanted * (1 - label_smoothing) + label_smoothing / classes)).sum(-1)
        return values.sum() / max(1, values.size) if reduction == "mean" else reduced(values, reduction)
    values, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(target.shape):
        if target[place] != ignore_index:
            chosen = weight[target[place]]
            smooth = (rows[place] * weight).sum() * label_smoothing / classes
            values[place] = -(1 - label_smoothing) * chosen * rows[place][target[place]] - smooth
            total += chosen
    return values.sum() / total if reduction == "mean" else reduced(values, reduction)


def binary(x, y, weight=None, pos_weight=None, reduction="mean"):
    """-y·log σ(x) - (1-y)·log(1-σ(x)), with its factors."""
    values = y * np.logaddexp(0, -x) * (1 if pos_weight is None else pos_weight) + (1 - y) * np.logaddexp(0, x)
    return reduced(values if weight is None else values * weight, reduction)


def bad_losses(call, target):
    """The refusals of every loss."""
    x = tinytorch.ones(2, 3)
    return [
        Refused(lambda: call(x, tinytorch.ones(2)), TinyTorchError, r"\(2, 3\)"),
        Refused(lambda: call(x, target, reduction="average"), TinyTorchError, "average"),
        Refused(lambda: call([1.0], target), DTypeError, "list"),
    ]


CLASSES = fixed_shapes([(4, 3), (4,), (3,)], [(2, 3, 2), (2, 2), (3,)], [(3,), (), (3,)], [(1, 3), (1,), (3,)])
SCORES = tinytorch.ones(2, 3)
ENTROPY = ("cross_entropy", "cross_entropy_grad")
SMOOTHED = REDUCTION | {"label_smoothing": st.sampled_from([0.0, 0.2])}

ROWS = [
    Operation(
        name="nn.functional.mse_loss", call=F.mse_loss, reference=lambda x, y, **more: reduced((x - y) ** 2, **more),
        cases=same_shape(real(), real(), settings=REDUCTION, min_side=1), dtypes=ONLY_FLOATS,
        errors=bad_losses(F.mse_loss, tinytorch.ones(2, 3)), edges=[Edge([[NAN], [1.0]], NAN, [[NAN], [NAN]])],
    ),
    Operation(
        name="nn.functional.cross_entropy", call=F.cross_entropy, reference=cross_entropy, primitives=ENTROPY,
        cases=cases(CLASSES, real(), integers(0, 3), positive(), settings=SMOOTHED), inputs=(0,), dtypes=ONLY_FLOATS,
        errors=[
            *bad_losses(F.cross_entropy, tensor([0, 1]))[1:],
            Refused(lambda: F.cross_entropy(SCORES, tensor([0])), ShapeError, r"\(2, 3\)"),
            Refused(lambda: F.cross_entropy(SCORES, tensor([0, 3])), IndexingError, "from 0 to 2.*found 3"),
            Refused(lambda: F.cross_entropy(SCORES, tensor([0.0, 1.0])), DTypeError, "integer class numbers"),
            Refused(lambda: F.cross_entropy(SCORES, tensor([0, 1]), tinytorch.ones(2)), ShapeError, "3 classes"),
        ],
        edges=[
            Edge([[[0.0, 1000.0]], [1]], 0.0, [[[0.0, 0.0]]]), Edge([[[0.0, 1000.0]], [0]], 1000.0, [[[-1.0, 1.0]]]),
            Edge([[[1.0, 2.0]], [-100]], NAN),
        ],
    ),
    Operation(
        name="nn.functional.cross_entropy", call=F.cross_entropy, reference=cross_entropy, primitives=ENTROPY,
        cases=cases(fixed_shapes([(4, 3), (4,)], [(2, 3, 2), (2, 2)]), real(), integers(0, 3),
                    settings=SMOOTHED | {"ignore_index": st.sampled_from([1, -100])}),
    ),
    Operation(
        name="nn.functional.cross_entropy", call=F.cross_entropy, reference=cross_entropy, primitives=("log_softmax",),
        cases=cases(fixed_shapes([(4, 3), (4, 3), (3,)], [(2, 3, 2), (2, 3, 2), (3,)], [(3,)] * 3), real(),
                    interval(0, 1), positive(), settings=SMOOTHED),
    ),
    Operation(
        name="nn.functional.binary_cross_entropy_with_logits", call=F.binary_cross_entropy_with_logits,
        reference=binary, cases=same_shape(real(2.0), interval(0, 1), settings=REDUCTION, min_side=1),
        primitives=("softplus",), dtypes=ONLY_FLOATS,
        errors=bad_losses(F.binary_cross_entropy_with_logits, tinytorch.ones(2, 3)),
        edges=[Edge([[800.0, -800.0], [0.0, 1.0]], 800.0, [[0.5, -0.5], [-400.0, 400.0]])],
    ),
    Operation(
        name="nn.functional.binary_cross_entropy_with_logits", reference=binary,
        call=lambda x, y, w, p, **more: F.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, **more), forms=(),
        cases=cases(fixed_shapes([(2, 3), (2, 3), (3,), (3,)], [(2,), (2,), (2,), ()]), real(), interval(0, 1),
                    positive(), positive(), settings=REDUCTION), primitives=("softplus",),
    ),
]  # fmt: skip


def gradient_kernel(g, logits, target, weight, **settings):
    """The kernel with logsumexp, which belongs to the logits."""
    logsumexp = logits.detach().exp().sum(1).log()
    return primitive("cross_entropy_grad")(g, logits, target, weight, logsumexp, **settings)


LOGITS, TARGET = np.random.default_rng(4).normal(size=(4, 3)), np.array([0, 2, 1, -100])
ROWS += [
    Operation(
        name="nn.functional.cross_entropy", call=F.cross_entropy, reference=cross_entropy, primitives=ENTROPY, forms=(),
        inputs=(0,), cases=[case(LOGITS, TARGET, [1.0, 2.0, 0.5], reduction=reduction, label_smoothing=0.1)
                            for reduction in ("mean", "none")],
    ),
    Operation(
        name="primitive.cross_entropy_grad", call=gradient_kernel, primitives=("cross_entropy_grad",), forms=(),
        reference="derivative of cross_entropy, whose rows compare it with differences", inputs=(0, 1),
        cases=[
            case(0.7, LOGITS, TARGET, [1.0, 2.0, 0.5], ignore_index=-100, reduction="mean", label_smoothing=0.1),
            case([1.0, 2.0, -1.0, 3.0], LOGITS, TARGET, None, ignore_index=-100, reduction="none", label_smoothing=0.0),
            case(1.3, LOGITS, abs(TARGET) % 3, None, ignore_index=2, reduction="sum", label_smoothing=0.2),
            case(0.7, LOGITS[:2, :1], [0, -100], None, ignore_index=-100, reduction="mean", label_smoothing=0.0),
        ],
    ),
]  # fmt: skip
