"""Rows of the losses: references are the formulas, in NumPy."""

import math
from functools import partial

import numpy as np
from hypothesis import strategies as st

from tests.operations.cases import case, cases, distinct, fixed_shapes, interval, positive, real, same_shape, whole
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, IndexingError, ShapeError, TinyTorchError, ones, tensor, zeros
from tinytorch.core.engine import primitive
from tinytorch.nn import functional as F

INF, NAN = float("inf"), float("nan")
REDUCTION = {"reduction": st.sampled_from(["mean", "sum", "none"])}
SMOOTHED = REDUCTION | {"label_smoothing": st.sampled_from([0.0, 0.3])}
HALF = {"float16": "float16"}


def signs(rng, shape):
    """-1 and 1."""
    return np.asarray(rng.choice([-1.0, 1.0], shape))


def reduced(values, reduction):
    """The mean (of nothing: NaN), the sum, or the values."""
    if reduction == "none":
        return values
    return values.sum() if reduction == "sum" else values.sum() / values.size if values.size else np.float64(NAN)


def any_reduction(**more):
    """The setting `reduction`, and more; the mean of nothing, which is NaN, stands among the edges."""
    kinds = ["mean", "sum", "none"]
    return lambda shape, *others: {"reduction": st.sampled_from(kinds[0 if math.prod(shape) else 1 :])} | more


def elementwise(function):
    """A reference from a formula for each element: function(*arrays, **settings) -> values."""
    return lambda *arrays, reduction="mean", **settings: reduced(function(*arrays, **settings), reduction)


def weighted(name):
    """A call that takes the weights of the elements as a third tensor."""
    return lambda x, y, w=None, **settings: getattr(F, name)(x, y, weight=w, **settings)


def softplus(x):
    """log(1 + e**x)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def pairs(*fills, **settings):
    """Cases of an input and a target of one shape, and of weights too."""
    chosen = any_reduction(**settings)
    return same_shape(*fills, settings=chosen) | same_shape(*fills, positive(), settings=chosen)


def bad_losses(call, target):
    """What every taught loss refuses."""
    return [
        Refused(lambda: call(ones(2, 3), ones(2)), TinyTorchError, r"\(2, 3\)"),
        Refused(lambda: call(ones(2, 3), target, reduction="average"), TinyTorchError, "average"),
        Refused(lambda: call([1.0], target), DTypeError, "list"),
    ]


# ---- predicted numbers


def l1(x, y, w=None, reduction="mean"):
    values = np.abs(x - y) * (1 if w is None else w)
    mean = reduction == "mean" and w is not None and w.size
    return values.sum() / w.sum() if mean else reduced(values, reduction)


def bent(error, bend):
    return np.where(error < bend, error**2 / 2, bend * (error - bend / 2))


def smooth_l1(x, y, beta=1.0):
    return np.abs(x - y) if beta == 0 else bent(np.abs(x - y), beta) / beta


def huber(x, y, w=1.0, delta=1.0):
    return bent(np.abs(x - y), delta) * w


def poisson(x, y, log_input=True, full=False, eps=1e-8):
    values = np.exp(x) - y * x if log_input else x - y * np.log(x + eps)
    count = np.maximum(y, 1)
    extra = np.where(y > 1, count * np.log(count) - count + np.log(2 * np.pi * count) / 2, 0)
    return values + extra if full else values


def gaussian(x, y, var, full=False, eps=1e-6):
    var = var[..., None] if var.ndim < x.ndim else var
    var = np.maximum(var, eps)
    return (np.log(var) + (x - y) ** 2 / var) / 2 + (math.log(2 * math.pi) / 2 if full else 0)


# ---- classes


def classes(rng, shape):
    """Class numbers 0 to 2, the first of them 0, so that not all are ignored."""
    found = rng.integers(0, 3, shape)
    found[(0,) * len(shape)] = 0
    return np.asarray(found)


SCORES = [((4, 3), (4,)), ((3,), ()), ((2, 3, 2), (2, 2))]
IMAGES = [((2, 3, 2, 1), (2, 2, 1)), ((1, 3), (1,))]


def scored(rows, fill, settings):
    """Cases of scores and classes, with and without weights of classes."""
    plain = cases(fixed_shapes(*rows), fill, classes, settings=settings)
    return plain | cases(fixed_shapes(*((*row, (3,)) for row in rows)), fill, classes, positive(), settings=settings)


def rows_of(x, target):
    """Scores (N, classes) and classes (N,)."""
    x = x[None] if x.ndim == 1 else np.moveaxis(x, 1, -1)
    return x.reshape(-1, x.shape[-1]), target.reshape(-1)


def nll(x, target, weight=None, ignore_index=-100, reduction="mean"):
    rows, right = rows_of(x, target)
    factors = [0.0 if t == ignore_index else 1.0 if weight is None else weight[t] for t in right]
    values = np.array([-f * row[t] if f else 0.0 for f, row, t in zip(factors, rows, right, strict=True)])
    if reduction == "none":
        return values.reshape(target.shape)
    return values.sum() / sum(factors) if reduction == "mean" else values.sum()


def log_softmax(x, axis):
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    axis = 1 if x.ndim > 1 else 0
    log_p = log_softmax(x, axis)
    share = np.ones(x.shape[axis]) if weight is None else weight
    along = share.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    if target.dtype.kind == "f":
        wanted = target * (1 - label_smoothing) + label_smoothing / x.shape[axis]
        values = -(wanted * log_p * along).sum(axis=axis)
        return reduced(values, reduction)
    right = nll(log_p, target, share, ignore_index, "none")
    smooth = np.where(target == ignore_index, 0, -(log_p * along).sum(axis=axis)) / x.shape[axis]
    values = (1 - label_smoothing) * right + label_smoothing * smooth
    total = share[target[target != ignore_index]].sum()
    return values.sum() / total if reduction == "mean" else reduced(values, reduction)


def multi_margin(x, target, p=1, margin=1.0, weight=None, reduction="mean"):
    rows, right = rows_of(x, target)
    values = []
    for row, t in zip(rows, right, strict=True):
        gaps = [max(0, margin - row[t] + other) ** p for j, other in enumerate(row) if j != t]
        values.append(sum(gaps) / len(row) * (1 if weight is None else weight[t]))
    return reduced(np.array(values).reshape(target.shape), reduction)


def kl(x, y, log_target=False, reduction="mean"):
    values = np.exp(y) * (y - x) if log_target else y * (np.log(y) - x)
    if reduction == "batchmean":
        return values.sum() / (len(x) if x.ndim else 1)
    return reduced(values, reduction)


def bce(x, y, w=1.0):
    return w * (-y * np.log(x) - (1 - y) * np.log(1 - x))


def bce_with_logits(x, y, w=1.0, pos_weight=1.0):
    return w * (pos_weight * y * softplus(-x) + (1 - y) * softplus(x))


# ---- pairs and triples


def cosine_embedding(a, b, target, margin=0.0):
    cosine = (a * b).sum(-1) / np.sqrt(((a**2).sum(-1) + 1e-12) * ((b**2).sum(-1) + 1e-12))
    return np.where(target == 1, 1 - cosine, np.maximum(cosine - margin, 0))


def distance(a, b, p, eps=1e-6):
    gap = np.abs(a - b + eps)
    return gap.max(-1) if p == INF else (gap**p).sum(-1) ** (1 / p)


def triplet(a, pos, neg, margin=1.0, p=2.0, swap=False):
    far = distance(a, neg, p)
    far = np.minimum(far, distance(pos, neg, p)) if swap else far
    return np.maximum(distance(a, pos, p) - far + margin, 0)


def taxicab(a, b):
    return (a - b).abs().sum(-1)


TRIPLES = fixed_shapes([(4, 3)] * 3, [(3,)] * 3, [(2, 1, 2)] * 3)

ROWS = [
    Operation(
        name="nn.functional.mse_loss", call=F.mse_loss, reference=elementwise(lambda x, y: (x - y) ** 2),
        cases=same_shape(real(), real(), settings=any_reduction()), dtypes=HALF,
        edges=[Edge([np.zeros(0), np.zeros(0)], NAN), Edge([[INF], [0.0]], INF, [[INF], [-INF]]),
               Edge([[NAN], [1.0]], NAN, [[NAN], [NAN]])],
        errors=[*bad_losses(F.mse_loss, ones(2, 3)),
                Refused(lambda: F.mse_loss(ones(3, 1), ones(3)), ShapeError, "same shape")],
    ),
    Operation(
        name="nn.functional.l1_loss", call=weighted("l1_loss"), reference=l1, forms=(), inputs=(0, 1),
        cases=pairs(distinct(), distinct(0.02)), dtypes=HALF,
        edges=[Edge([[1.0, INF, NAN], [1.0, 0.0, 0.0]], NAN, [[0.0, 1 / 3, NAN], [0.0, -1 / 3, NAN]])],
        errors=[Refused(lambda: F.l1_loss(ones(2), 3), DTypeError, "two tensors"),
                Refused(lambda: F.l1_loss(ones(2), ones(2), weight=ones(3)), ShapeError, "weight")],
    ),
    Operation(
        name="nn.functional.smooth_l1_loss", call=F.smooth_l1_loss, reference=elementwise(smooth_l1), dtypes=HALF,
        cases=same_shape(distinct(), distinct(0.02), settings=any_reduction(beta=st.sampled_from([0.0, 0.4, 1.0]))),
        edges=[Edge([[1.0, INF], [0.0, 0.0]], INF, [[0.5, 0.5], [-0.5, -0.5]])],
        errors=[Refused(lambda: F.smooth_l1_loss(ones(2), ones(2), beta=-1), TinyTorchError, "0 or more")],
    ),
    Operation(
        name="nn.functional.huber_loss", call=weighted("huber_loss"), reference=elementwise(huber), forms=(),
        cases=pairs(distinct(), distinct(0.02), delta=st.sampled_from([0.4, 1.0])), dtypes=HALF,
        edges=[Edge([[1.0, -INF], [0.0, 0.0]], INF, [[0.5, -0.5], [-0.5, 0.5]])],
        errors=[Refused(lambda: F.huber_loss(ones(2), ones(2), delta=0), TinyTorchError, "above 0")],
    ),
    Operation(
        name="nn.functional.poisson_nll_loss", call=F.poisson_nll_loss, reference=elementwise(poisson), inputs=(0,),
        cases=same_shape(positive(), whole(0, 4), settings=any_reduction(
            log_input=st.booleans(), full=st.booleans(), eps=st.sampled_from([1e-8, 0.1]))),
    ),
    Operation(
        name="nn.functional.gaussian_nll_loss", call=F.gaussian_nll_loss, reference=elementwise(gaussian),
        cases=cases(fixed_shapes([(3, 2)] * 3, [(3, 2), (3, 2), (3, 1)], [(3, 2), (3, 2), (3,)], [(0, 2)] * 3),
                    real(), real(), positive(), settings=any_reduction(full=st.booleans())),
        edges=[Edge([[1.0], [0.0], [0.0]], 0.5 * (math.log(0.25) + 4.0), [[4.0], [-4.0], [-6.0]], {"eps": 0.25})],
        errors=[Refused(lambda: F.gaussian_nll_loss(ones(2), ones(2), -1.0), TinyTorchError, "0 or more")],
    ),
    Operation(
        name="nn.functional.nll_loss", call=F.nll_loss, reference=nll, inputs=(0,), dtypes=HALF,
        cases=scored(SCORES + IMAGES, real(), REDUCTION | {"ignore_index": st.sampled_from([-100, 1])}),
        edges=[Edge([[[1.0, 2.0]], [-100]], NAN), Edge([[[-INF, 0.0]], [1]], 0.0, [[[0.0, -1.0]]])],
        errors=[Refused(lambda: F.nll_loss(zeros(2, 3), tensor([0, 3])), IndexError, "from 0 to 2, .* found 3")],
    ),
    Operation(
        name="nn.functional.cross_entropy", call=F.cross_entropy, reference=cross_entropy, inputs=(0,),
        primitives=("cross_entropy", "cross_entropy_grad", "log_softmax"), dtypes=HALF,
        cases=scored(SCORES + IMAGES, real(), REDUCTION | {
            "ignore_index": st.sampled_from([-100, 1]), "label_smoothing": st.sampled_from([0.0, 0.3])})
        | cases(fixed_shapes([(4, 3)] * 2, [(3,)] * 2, [(2, 3, 2)] * 2), real(), positive(), settings=SMOOTHED)
        | cases(fixed_shapes([(4, 3), (4, 3), (3,)], [(2, 3, 2), (2, 3, 2), (3,)]), real(), positive(), positive(),
                settings=SMOOTHED),
        edges=[Edge([[[1.0, 2.0]], [-100]], NAN), Edge([[[0.0, 1000.0]], [1]], 0.0, [[[0.0, 0.0]]]),
               Edge([[[0.0, 1000.0]], [0]], 1000.0, [[[-1.0, 1.0]]]),
               Edge([[[1e4, 1e4, -1e4]], [0]], math.log(2), [[[-0.5, 0.5, 0.0]]]),
               Edge([[[0.0, -INF]], [0]], 0.0, [[[0.0, 0.0]]]), Edge([[[0.0, INF]], [0]], NAN)],
        errors=[*bad_losses(F.cross_entropy, tensor([0, 1]))[1:],
                Refused(lambda: F.cross_entropy(zeros(2, 3), zeros(2)), DTypeError, "integer class numbers"),
                Refused(lambda: F.cross_entropy(zeros(2, 3), tensor([[0, 1]])), ShapeError, r"classes \(2,\)"),
                Refused(lambda: F.cross_entropy(zeros(2, 3), tensor([0])), ShapeError, r"\(2, 3\)"),
                Refused(lambda: F.cross_entropy(zeros(2, 3), tensor([0, 3])), IndexingError, "from 0 to 2.*found 3"),
                Refused(lambda: F.cross_entropy(zeros(2, 3), tensor([0, 1]), ones(2)), ShapeError, "3 classes")],
    ),
    Operation(
        name="nn.functional.multi_margin_loss", inputs=(0,), forms=(),
        call=lambda x, target, weight=None, **settings: F.multi_margin_loss(x, target, weight=weight, **settings),
        reference=lambda x, target, weight=None, **settings: multi_margin(x, target, weight=weight, **settings),
        cases=scored(SCORES[:2], distinct(), REDUCTION | {
            "p": st.sampled_from([1, 2]), "margin": st.sampled_from([0.35, 1.05])}),
        errors=[Refused(lambda: F.multi_margin_loss(zeros(2, 3), tensor([0, 1]), p=3), TinyTorchError, "1 or 2")],
    ),
    Operation(
        name="nn.functional.kl_div", call=F.kl_div, reference=kl, dtypes=HALF,
        cases=same_shape(real(), positive(), min_side=1, settings={
            "reduction": st.sampled_from(["mean", "sum", "none", "batchmean"]), "log_target": st.booleans()}),
        edges=[Edge([[-1.0, -INF], [0.0, 0.5]], INF), Edge([[-1.0], [0.0]], 0.0, [[0.0], [1.0]])],
        errors=[Refused(lambda: F.kl_div(ones(2), ones(2), "avg"), TinyTorchError, "'batchmean', 'mean'")],
    ),
    Operation(
        name="nn.functional.binary_cross_entropy", call=weighted("binary_cross_entropy"), reference=elementwise(bce),
        forms=(), primitives=("binary_cross_entropy",), cases=pairs(interval(0.0, 1.0), interval(0.0, 1.0)),
        edges=[Edge([[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]], 50.0, None),
               Edge([[1.0], [0.0]], 100.0, [[1e12], [-100]], {"reduction": "sum"}),
               Edge([[0.5, 0.0], [1.0, 1.0]], 100.0 + math.log(2), [[-2, -1e12], [0, 100]], {"reduction": "sum"})],
        errors=[Refused(lambda: F.binary_cross_entropy(ones(2) * 1.5, ones(2)), ValueError, "from 0 to 1, found 1.5")],
    ),
    Operation(
        name="nn.functional.binary_cross_entropy_with_logits", forms=(), reference=elementwise(bce_with_logits),
        call=weighted("binary_cross_entropy_with_logits"), dtypes=HALF,
        cases=pairs(real(3.0), interval(0.0, 1.0), pos_weight=st.sampled_from([1.0, 2.5])), primitives=("softplus",),
        edges=[Edge([[200.0, -200.0], [0.0, 0.0]], 100.0, [[0.5, 0.0], [-100.0, 100.0]]),
               Edge([[800.0, -800.0], [0.0, 1.0]], 800.0, [[0.5, -0.5], [-400.0, 400.0]])],
        errors=bad_losses(F.binary_cross_entropy_with_logits, ones(2, 3)),
    ),
    Operation(
        name="nn.functional.binary_cross_entropy_with_logits", reference=elementwise(bce_with_logits),
        call=lambda x, y, w, p, **more: F.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, **more), forms=(),
        cases=cases(fixed_shapes([(2, 3), (2, 3), (3,), (3,)], [(2,), (2,), (2,), ()]), real(), interval(0, 1),
                    positive(), positive(), settings=REDUCTION),
    ),
    Operation(
        name="nn.functional.soft_margin_loss", call=F.soft_margin_loss, inputs=(0,),
        reference=elementwise(lambda x, y: softplus(-y * x)), cases=same_shape(real(), signs, settings=any_reduction()),
        edges=[Edge([[1000.0, -1000.0], [1.0, 1.0]], 500.0, [[0.0, -0.5], [0.0, 500.0]])],
    ),
    Operation(
        name="nn.functional.multilabel_soft_margin_loss", forms=(),
        call=lambda x, y, w=None, **settings: F.multilabel_soft_margin_loss(x, y, w, **settings),
        reference=elementwise(lambda x, y, w=1.0: bce_with_logits(x, y, w).mean(-1)),
        cases=cases(fixed_shapes([(3, 2)] * 2, [(2,)] * 2), real(), interval(0.0, 1.0), settings=REDUCTION)
        | cases(fixed_shapes([(3, 2), (3, 2), (2,)]), real(), interval(0.0, 1.0), positive(), settings=REDUCTION),
    ),
    Operation(
        name="nn.functional.cosine_embedding_loss", call=F.cosine_embedding_loss, inputs=(0, 1),
        reference=elementwise(cosine_embedding),
        cases=cases(fixed_shapes([(4, 3), (4, 3), (4,)], [(3,), (3,), ()]), real(), real(), signs,
                    settings=REDUCTION | {"margin": st.sampled_from([-0.9, 0.2])}),
        errors=[Refused(lambda: F.cosine_embedding_loss(ones(2, 3), ones(2, 3), ones(3)), ShapeError, "target")],
    ),
    Operation(
        name="nn.functional.margin_ranking_loss", call=F.margin_ranking_loss, inputs=(0, 1),
        reference=elementwise(lambda a, b, t, margin=0.0: np.maximum(margin - t * (a - b), 0)),
        cases=same_shape(distinct(), distinct(0.02), signs, settings=any_reduction(margin=st.sampled_from([0.0, 0.4]))),
        edges=[Edge([[1.0], [1.0], [1.0]], 0.0, [[-1.0], [1.0], [0.0]])],
    ),
    Operation(
        name="nn.functional.hinge_embedding_loss", call=F.hinge_embedding_loss, inputs=(0,),
        reference=elementwise(lambda x, t, margin=1.0: np.where(t == 1, x, np.maximum(margin - x, 0))),
        cases=same_shape(distinct(), signs, settings=any_reduction(margin=st.sampled_from([0.5, 1.0]))),
    ),
    Operation(
        name="nn.functional.triplet_margin_loss", call=F.triplet_margin_loss, reference=elementwise(triplet),
        cases=cases(TRIPLES, distinct(), distinct(0.02), distinct(0.04), settings=REDUCTION | {
            "margin": st.sampled_from([0.33, 5.0]), "p": st.sampled_from([1.0, 2.0, 3.0]), "swap": st.booleans()}),
        errors=[Refused(lambda: F.triplet_margin_loss(ones(2), ones(2), ones(2), margin=0), ValueError, "above 0")],
    ),
    Operation(
        name="nn.functional.triplet_margin_with_distance_loss",
        call=partial(F.triplet_margin_with_distance_loss, distance_function=taxicab),
        reference=elementwise(lambda *three, **settings: triplet(*three, p=1.0, **settings)), forms=(), loose=1e5,
        cases=cases(TRIPLES, distinct(), distinct(0.02), distinct(0.04),
                    settings=REDUCTION | {"margin": st.sampled_from([0.33, 5.0]), "swap": st.booleans()}),
    ),
]


def gradient_kernel(g, logits, target, weight, **settings):
    """The kernel with logsumexp, which belongs to the logits."""
    logsumexp = logits.detach().exp().sum(1).log()
    return primitive("cross_entropy_grad")(g, logits, target, weight, logsumexp, **settings)


LOGITS, TARGET = np.random.default_rng(4).normal(size=(4, 3)), np.array([0, 2, 1, -100])
ROWS += [
    Operation(
        name="nn.functional.cross_entropy", call=F.cross_entropy, reference=cross_entropy, inputs=(0,), forms=(),
        primitives=("cross_entropy", "cross_entropy_grad"), cases=[
            case(LOGITS, TARGET, weight, reduction=kind, label_smoothing=0.1)
            for weight in ([1.0, 2.0, 0.5], None) for kind in ("mean", "none")],
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
