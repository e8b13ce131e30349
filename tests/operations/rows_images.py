"""Rows of padding, resizing, rearranging and normalising images and sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operations.cases import Case
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, ShapeError, TinyTorchError, ones
from tinytorch.core.engine import primitive
from tinytorch.nn import functional as F

NAN = float("nan")
HALF = {"float16": "float16"}
RNG = np.random.default_rng(32)


def made(*shapes: Any, layout: str = "contiguous", **settings: Any) -> Case:
    """A case of arrays of these shapes (None: no input), drawn once."""
    return Case(tuple(None if s is None else np.asarray(RNG.normal(size=s)) for s in shapes), settings, layout)


# ---- padding -------------------------------------------------------------------------------------------------------


def padded(x: np.ndarray, pad: tuple, mode: str, value: float | None = None) -> np.ndarray:
    """NumPy's pad; what is negative is cut off first."""
    widths = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    kept = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True))]
    widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        return np.pad(kept, widths, constant_values=0.0 if value is None else value)
    return np.pad(kept, widths, mode={"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])


# ---- resizing: one axis after the other, each as a matrix that is written down place by place


def curve(distance: float) -> float:
    """Keys' cubic with a = -3/4."""
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def matrix(length: int, size: int, mode: str, align_corners: bool = False, step: float | None = None) -> np.ndarray:
    """The matrix (size, length) that resizes an axis."""
    out = np.zeros((size, length))
    step = length / size if step is None else step
    for i in range(size):
        if mode == "area":
            a, b = i * length // size, -(-(i + 1) * length // size)
            out[i, a:b] = 1 / (b - a)
        elif "nearest" in mode:
            out[i, min(int((i + (0.5 if "exact" in mode else 0)) * step), length - 1)] = 1
        else:
            place = (i * (length - 1) / max(size - 1, 1)) if align_corners else (i + 0.5) * step - 0.5
            place = max(place, 0.0) if "linear" in mode else place
            for j in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
                weight = max(1 - abs(place - j), 0.0) if "linear" in mode else curve(place - j)
                out[i, min(max(j, 0), length - 1)] += weight
    return out


def resized(x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
    axes = range(2, x.ndim)
    size = size if isinstance(size, tuple) else (size,) * len(axes)
    factors = scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * len(axes)
    for axis, n, factor in zip(axes, size, factors, strict=True):
        length = x.shape[axis]
        step = None if factor is None or recompute_scale_factor or mode == "area" else 1 / factor
        m = matrix(length, int(length * factor) if n is None else n, mode, bool(align_corners), step)
        x = np.moveaxis(np.tensordot(m, x, (1, axis)), 0, axis)
    return x


WAVES, IMAGES = (2, 2, 5), (1, 2, 4, 3)
SIZES = [
    made(WAVES, size=n, mode=mode) for n in (2, 5, 8) for mode in ("nearest", "nearest-exact", "linear", "area")
] + [
    made(IMAGES, size=(7, 2), mode=mode, layout="transposed")
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
] + [
    made(IMAGES, size=(1, 7), mode="bilinear", align_corners=True), made(WAVES, size=1, mode="linear"),
    made(IMAGES, size=6, mode="bicubic", align_corners=True), made(IMAGES, scale_factor=2),
    made(IMAGES, scale_factor=(1.7, 0.7), mode="bilinear"), made(WAVES, scale_factor=1.7, mode="linear"),
    made(WAVES, scale_factor=1.7, mode="linear", recompute_scale_factor=True), made(WAVES, scale_factor=0.5),
]


def resample_grad(g, dim, length, size, kind, align_corners, scale):
    m = matrix(length, size, {"cubic": "bicubic"}.get(kind, kind), align_corners, scale or None)
    return np.moveaxis(np.tensordot(m.T, g, (1, dim)), 0, dim)


STEPS = {"align_corners": False, "scale": 0.0}

# ---- rearranging ---------------------------------------------------------------------------------------------------


def shuffled(x: np.ndarray, upscale_factor: int) -> np.ndarray:
    r = upscale_factor
    out = np.zeros((*x.shape[:-3], x.shape[-3] // r**2, x.shape[-2] * r, x.shape[-1] * r))
    for c, i, j in np.ndindex(out.shape[-3:]):
        out[..., c, i, j] = x[..., c * r * r + i % r * r + j % r, i // r, j // r]
    return out


def unshuffled(x: np.ndarray, downscale_factor: int) -> np.ndarray:
    r = downscale_factor
    return np.stack([x[..., c, i::r, j::r] for c in range(x.shape[-3]) for i in range(r) for j in range(r)], -3)


def dealt(x: np.ndarray, groups: int) -> np.ndarray:
    each = x.shape[1] // groups
    return x[:, [g * each + i for i in range(each) for g in range(groups)]]


# ---- normalising ---------------------------------------------------------------------------------------------------


def normal(x: np.ndarray, axes: tuple, eps: float) -> np.ndarray:
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


def affine(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None) -> np.ndarray:
    shape = (-1, *(1,) * (x.ndim - 2))
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def group_norm(x, weight, bias, num_groups, eps=1e-5):
    groups = np.split(x, num_groups, axis=1)
    whole = [normal(group, tuple(range(1, x.ndim)), eps) for group in groups]
    return affine(np.concatenate(whole, axis=1), weight, bias)


def instance_norm(x, weight, bias, eps=1e-5):
    return affine(normal(x, tuple(range(2, x.ndim)), eps), weight, bias)


def rms_norm(x, weight, normalized_shape, eps):
    axes = tuple(range(-len(normalized_shape), 0))
    return x / np.sqrt((x**2).mean(axis=axes, keepdims=True) + eps) * (1 if weight is None else weight)


def rms_norm_grad(g, x, weight, rstd, normalized_ndim, eps):
    """dx row by row through the Jacobian diag(rstd) - rstd³·x·xᵀ/n."""
    n = x.shape[-1]
    rows = []
    for sent, row in zip((g * weight).reshape(-1, n), x.reshape(-1, n), strict=True):
        r = 1 / np.sqrt((row**2).mean() + eps)
        rows.append((np.eye(n) * r - np.outer(row, row) * r**3 / n) @ sent)
    return np.reshape(rows, x.shape), (g * x * rstd).reshape(-1, n).sum(0)


def called_rms_norm_grad(g, x, weight, **settings):
    rstd = 1.0 / ((x.detach() * x.detach()).mean(-1, keepdim=True) + settings["eps"]).sqrt()
    return primitive("rms_norm_grad")(g, x, weight, rstd, **settings)


ROWS = [
    Operation(
        name="nn.functional.pad", call=F.pad, reference=padded, dtypes=HALF | {"int64": "int64"}, primitives=("pad",),
        cases=[
            made((2, 3, 4), pad=(1, 2), mode="constant"), made((3, 4), pad=(0, 1, 2, 0), mode="constant", value=2.0),
            made((3, 4), pad=(-1, 2, 1, -2), mode="constant", layout="strided"), made((2,), pad=(), mode="constant"),
            made((2, 0), pad=(1, 1), mode="constant"), made((2, 1, 4), pad=(3, 2), mode="reflect"),
            made((1, 3, 4), pad=(1, 0, 2, 1), mode="reflect", layout="reversed"),
            made((2, 5), pad=(-1, 2), mode="reflect"),
            made((2, 1, 2), pad=(3, 1), mode="replicate"), made((1, 2, 3), pad=(1, 4, 0, 2), mode="replicate"),
            made((2, 4), pad=(-2, 1), mode="replicate"), made((2, 1, 3), pad=(3, 2), mode="circular"),
            made((1, 3, 3), pad=(1, 0, 2, 3), mode="circular"), made((2, 5), pad=(2, -1), mode="circular"),
        ],
        errors=[
            Refused(lambda: F.pad(ones(2, 3), (1,)), ShapeError, r"expected \(before, after\) for at most 2 axes"),
            Refused(lambda: F.pad(ones(2, 3), (1.5, 1)), DTypeError, "pad to be an int or a pair of ints"),
            Refused(lambda: F.pad(ones(2, 3), (-4, 0)), ShapeError, "must not fall below 0"),
            Refused(lambda: F.pad(ones(2, 3), (1, 1), "mirror"), TinyTorchError, "pad's mode: expected 'constant'"),
            Refused(lambda: F.pad(ones(2, 3), (3, 1), "reflect"), ShapeError, "at most 2 more places"),
            Refused(lambda: F.pad(ones(2, 3), (4, 1), "circular"), ShapeError, "at most 3 more places"),
            Refused(lambda: F.pad(ones(2, 0), (1, 1), "replicate"), ShapeError, "at most 0 more places"),
            Refused(lambda: F.pad(ones(2, 3), (1, 1), "reflect", 1.0), DTypeError, 'a value only with mode="constant"'),
        ],
    ),
    Operation(
        name="nn.functional.interpolate", call=F.interpolate, reference=resized, dtypes=HALF, cases=SIZES,
        primitives=("resample",),
        edges=[Edge([[[[1.0, NAN]]]], [[[1.0, 1.0, NAN, NAN]]], None, {"size": 4})],
        errors=[
            Refused(lambda: F.interpolate(ones(1, 1, 2)), DTypeError, "either size or scale_factor"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), 3, 2.0), DTypeError, "either size or scale_factor"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), 0), ShapeError, "size of at least 1"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), (2, 2)), DTypeError, "a tuple of one int"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), scale_factor=0.1), ShapeError, "at least one place"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), scale_factor="2"), DTypeError,
                    "scale_factor: expected a number"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), 3, mode="bilinear"), ShapeError, r"\(N, C, H, W\)"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), 3, mode="cubic"), TinyTorchError, "mode: expected 'nearest'"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), 3, align_corners=True), TinyTorchError, "no align_corners"),
            Refused(lambda: F.interpolate(ones(1, 1, 2), 3, antialias=True), TinyTorchError, "antialias=False"),
            Refused(lambda: F.interpolate(ones(1, 1, 0), 3), ShapeError, "at least one place along each axis"),
        ],
    ),
    Operation(
        name="nn.functional.upsample", call=F.upsample, reference=resized, cases=SIZES[:3] + SIZES[12:15], dtypes=HALF,
    ),
    Operation(
        name="primitive.resample_grad", call=primitive("resample_grad"), reference=resample_grad,
        primitives=("resample_grad",), dtypes=HALF,
        cases=[
            made((2, 7, 2), dim=1, length=4, size=7, kind="linear", **STEPS),
            made((5, 2), dim=0, length=3, size=5, kind="nearest", **STEPS),
            made((2, 3), dim=1, length=6, size=3, kind="nearest-exact", **STEPS),
            made((2, 6), dim=1, length=3, size=6, kind="cubic", align_corners=True, scale=0.0, layout="strided"),
            made((2, 5), dim=1, length=3, size=5, kind="linear", align_corners=False, scale=0.55),
        ],
    ),
    Operation(
        name="nn.functional.pixel_shuffle", call=F.pixel_shuffle, reference=shuffled, dtypes=HALF,
        cases=[made((2, 8, 2, 3), upscale_factor=2), made((9, 1, 2), upscale_factor=3, layout="transposed"),
               made((0, 4, 2, 2), upscale_factor=2), made((1, 2, 4, 1, 1), upscale_factor=2)],
        errors=[
            Refused(lambda: F.pixel_shuffle(ones(6, 2, 2), 2), ShapeError, "divisible by 2² = 4, found 6"),
            Refused(lambda: F.pixel_shuffle(ones(2, 2), 2), ShapeError, "pixel_shuffle: expected images"),
            Refused(lambda: F.pixel_shuffle(ones(4, 2, 2), 2.0), DTypeError, "upscale_factor: expected a whole number"),
        ],
    ),
    Operation(
        name="nn.functional.pixel_unshuffle", call=F.pixel_unshuffle, reference=unshuffled, dtypes=HALF,
        cases=[made((2, 2, 4, 6), downscale_factor=2), made((1, 3, 6), downscale_factor=3, layout="reversed")],
        errors=[Refused(lambda: F.pixel_unshuffle(ones(1, 3, 4), 2), ShapeError, "divisible by 2")],
    ),
    Operation(
        name="nn.functional.channel_shuffle", call=F.channel_shuffle, reference=dealt, dtypes=HALF,
        cases=[made((2, 6, 3), groups=2), made((1, 6, 2, 2), groups=3, layout="transposed")],
        errors=[Refused(lambda: F.channel_shuffle(ones(1, 3, 2), 2), ShapeError, "C divisible by groups=2")],
    ),
    Operation(
        name="nn.functional.group_norm", reference=group_norm, dtypes=HALF, forms=(), primitives=("layer_norm",),
        call=lambda x, weight, bias, num_groups, **settings: F.group_norm(x, num_groups, weight, bias, **settings),
        cases=[
            made((2, 4, 3), (4,), (4,), num_groups=2), made((3, 4, 2, 2), None, None, num_groups=4, eps=0.1),
            made((2, 6), (6,), None, num_groups=3, layout="strided"), made((0, 2, 3), (2,), (2,), num_groups=1),
        ],
        edges=[Edge([[[NAN, 1.0], [3.0, 5.0]], None, None], [[NAN, NAN], [-1.0, 1.0]], None,
                    {"num_groups": 1, "eps": 0.0})],
        errors=[
            Refused(lambda: F.group_norm(ones(2, 3), 2), ShapeError, "C divisible by num_groups=2"),
            Refused(lambda: F.group_norm(ones(2, 4), 2, ones(2)), ShapeError, r"of shape \(4,\)"),
        ],
    ),
    Operation(
        name="nn.functional.instance_norm", reference=instance_norm, dtypes=HALF, forms=(),
        call=lambda x, weight, bias, **settings: F.instance_norm(x, None, None, weight, bias, **settings),
        cases=[
            made((2, 3, 4), (3,), (3,)), made((2, 2, 2, 3), None, None, eps=0.1, layout="transposed"),
            made((1, 2, 3), None, (2,)),
        ],
        errors=[
            Refused(lambda: F.instance_norm(ones(2, 3)), ShapeError, "instance_norm: expected an input"),
            Refused(lambda: F.instance_norm(ones(2, 3, 1)), ShapeError, "more than one place"),
            Refused(lambda: F.instance_norm(ones(2, 3, 2), use_input_stats=False), ShapeError, "running statistics"),
        ],
    ),
    Operation(
        name="nn.functional.rms_norm", reference=rms_norm, dtypes=HALF | {"int64": "float32"}, forms=(),
        primitives=("rms_norm", "rms_norm_grad"),
        call=lambda x, weight, normalized_shape, eps: F.rms_norm(x, normalized_shape, weight, eps),
        cases=[
            made((2, 3), (3,), normalized_shape=(3,), eps=0.1),
            made((2, 2, 3), (2, 3), normalized_shape=(2, 3), eps=1e-6),
            made((3, 4), None, normalized_shape=(4,), eps=1e-3, layout="reversed"),
            made((0, 2), (2,), normalized_shape=(2,), eps=0.1), made((2,), (2,), normalized_shape=(2,), eps=0.1),
        ],
        errors=[
            Refused(lambda: F.rms_norm(ones(2, 3), 2), ShapeError, r"rms_norm: .* last axes are \(2,\)"),
            Refused(lambda: F.rms_norm(ones(2, 3), 3, ones(2)), ShapeError, r"weight of shape \(3,\)"),
            Refused(lambda: F.rms_norm(ones(2, 3), 3, eps="1"), DTypeError, "rms_norm's eps: expected a number"),
        ],
    ),
    Operation(
        name="primitive.rms_norm_grad", call=called_rms_norm_grad, forms=(), primitives=("rms_norm_grad",),
        reference=lambda g, x, weight, **settings: rms_norm_grad(
            g, x, weight, 1 / np.sqrt((x**2).mean(-1, keepdims=True) + settings["eps"]), **settings),
        cases=[
            made((3, 4), (3, 4), (4,), normalized_ndim=1, eps=0.1),
            made((2, 2, 3), (2, 2, 3), (3,), normalized_ndim=1, eps=1e-3),
        ],
    ),
]
