"""Make nn_breadth.npz: what PyTorch's functions and layers give, forward and backward, and how the layers print.

The file holds all numbers one after the other ("flat") and a JSON text ("notes") that names the arrays and cases.

Run with a Python that has PyTorch: `python tests/data/make_nn_breadth.py`. Everything is float64, so that only real
differences show. A case NAME has arrays NAME/in0, NAME/in1, … (tensors only), NAME/out, NAME/g (the gradient of out)
and NAME/grad0, …; "cases" is a JSON list of [name, function, keyword arguments, other arguments]; "layers" one of
[expression, repr, {name in state_dict: shape}]; "runs" one of the layers that run, number N having arrays runN/….
"""

import json
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

X, IMAGES, WAVES = (3, 4), (2, 4, 5, 6), (2, 4, 9)
# name -> function of torch.nn.functional, inputs (a tuple is the shape of a tensor), keyword arguments
CASES: dict[str, tuple[str, list, dict]] = {
    **{name: (name, [X], {}) for name in (
        "elu", "selu", "celu", "softplus", "logsigmoid", "softsign", "mish", "hardtanh", "relu6", "hardsigmoid",
        "hardswish", "tanhshrink", "softshrink", "hardshrink", "glu", "normalize",
    )},
    "elu_alpha": ("elu", [X], {"alpha": 0.3}),
    "celu_alpha": ("celu", [X], {"alpha": 2.5}),
    "softplus_beta": ("softplus", [X], {"beta": 3.0, "threshold": 2.0}),
    "hardtanh_limits": ("hardtanh", [X], {"min_val": -0.2, "max_val": 0.7}),
    "threshold": ("threshold", [X], {"threshold": 0.1, "value": 7.0}),
    "softshrink_wide": ("softshrink", [X], {"lambd": 1.0}),
    "hardshrink_wide": ("hardshrink", [X], {"lambd": 1.0}),
    "prelu_one": ("prelu", [X, (1,)], {}),
    "prelu_channels": ("prelu", [IMAGES, (4,)], {}),
    "glu_channels": ("glu", [IMAGES], {"dim": 1}),
    "softmin": ("softmin", [X], {"dim": 1}),
    "normalize_one": ("normalize", [IMAGES], {"p": 1, "dim": 2}),
    "normalize_three": ("normalize", [X], {"p": 3.0, "dim": 0}),
    "normalize_two_axes": ("normalize", [IMAGES], {"dim": [2, 3]}),
    "normalize_floor": ("normalize", [X], {"eps": 100.0}),
    "cosine_similarity": ("cosine_similarity", [X, X], {}),
    "cosine_similarity_broadcast": ("cosine_similarity", [(3, 1, 4), (2, 4)], {"dim": -1}),
    "pairwise_distance": ("pairwise_distance", [X, X], {}),
    "pairwise_distance_one": ("pairwise_distance", [X, X], {"p": 1.0, "eps": 0.5, "keepdim": True}),
    "pairwise_distance_three": ("pairwise_distance", [(2, 3, 4), (3, 4)], {"p": 3.0}),
    "pairwise_distance_largest": ("pairwise_distance", [X, X], {"p": float("inf")}),
    "conv1d": ("conv1d", [WAVES, (6, 4, 3), (6,)], {}),
    "conv1d_settings": ("conv1d", [WAVES, (6, 2, 3), None], {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}),
    "conv1d_same": ("conv1d", [WAVES, (6, 4, 4), (6,)], {"padding": "same"}),
    "conv1d_one_example": ("conv1d", [(4, 9), (6, 4, 3), (6,)], {"padding": "valid"}),
    "conv2d_one_example": ("conv2d", [(4, 5, 6), (6, 4, 3, 2), (6,)], {"padding": 1}),
    "conv_transpose1d": ("conv_transpose1d", [WAVES, (4, 6, 3), (6,)], {}),
    "conv_transpose1d_settings": (
        "conv_transpose1d", [WAVES, (4, 3, 3), None],
        {"stride": 3, "padding": 2, "output_padding": 2, "groups": 2, "dilation": 2},
    ),
    "conv_transpose2d": ("conv_transpose2d", [IMAGES, (4, 3, 3, 2), (3,)], {}),
    "conv_transpose2d_double": ("conv_transpose2d", [IMAGES, (4, 3, 4, 4), (3,)], {"stride": 2, "padding": 1}),
    "conv_transpose2d_settings": (
        "conv_transpose2d", [IMAGES, (4, 3, 3, 2), (6,)],
        {"stride": [2, 3], "padding": [1, 2], "output_padding": [1, 2], "groups": 2, "dilation": [1, 2]},
    ),
    "conv_transpose2d_one_example": ("conv_transpose2d", [(4, 3, 3), (4, 2, 2, 2), None], {}),
    "max_pool1d": ("max_pool1d", [WAVES], {"kernel_size": 2}),
    "max_pool1d_settings": (
        "max_pool1d", [WAVES], {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
    ),
    "max_pool2d_one_example": ("max_pool2d", [(4, 5, 6)], {"kernel_size": 2}),
    "avg_pool1d": ("avg_pool1d", [WAVES], {"kernel_size": [2]}),
    "avg_pool1d_settings": (
        "avg_pool1d", [(4, 9)],
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    ),
    "adaptive_avg_pool1d": ("adaptive_avg_pool1d", [WAVES], {"output_size": 4}),
    "adaptive_max_pool1d": ("adaptive_max_pool1d", [WAVES], {"output_size": 4}),
    "adaptive_max_pool1d_one": ("adaptive_max_pool1d", [(4, 9)], {"output_size": 1}),
    "adaptive_max_pool2d": ("adaptive_max_pool2d", [IMAGES], {"output_size": [3, 4]}),
    "adaptive_max_pool2d_finer": ("adaptive_max_pool2d", [IMAGES], {"output_size": [None, 9]}),
    "adaptive_max_pool2d_even": ("adaptive_max_pool2d", [IMAGES], {"output_size": [5, 2]}),
    "pad_reflect": ("pad", [IMAGES], {"pad": [2, 1, 0, 4], "mode": "reflect"}),
    "pad_replicate": ("pad", [IMAGES], {"pad": [2, 0, 7, 1], "mode": "replicate"}),
    "pad_circular": ("pad", [IMAGES], {"pad": [2, 6, 0, 4], "mode": "circular"}),
    "pad_circular_cut": ("pad", [WAVES], {"pad": [-2, 3], "mode": "circular"}),
    "pad_replicate_cut": ("pad", [WAVES], {"pad": [3, -4], "mode": "replicate"}),
    "pad_reflect_cut": ("pad", [WAVES], {"pad": [-1, -2], "mode": "reflect"}),
    "fold": ("fold", [(2, 4 * 6, 20)], {"output_size": [5, 7], "kernel_size": [2, 3]}),
    "fold_settings": (
        "fold", [(2, 3 * 4, 9)],
        {"output_size": [5, 6], "kernel_size": 2, "dilation": 2, "padding": 1, "stride": [2, 2]},
    ),
    "fold_one_example": ("fold", [(8, 4)], {"output_size": 4, "kernel_size": 2, "stride": 2}),
    "interpolate_nearest": ("interpolate", [WAVES], {"size": 13}),
    "interpolate_nearest_smaller": ("interpolate", [IMAGES], {"size": [2, 4]}),
    "interpolate_nearest_double": ("interpolate", [IMAGES], {"scale_factor": 2}),
    "interpolate_nearest_exact": ("interpolate", [IMAGES], {"size": [7, 4], "mode": "nearest-exact"}),
    "interpolate_nearest_factor": ("interpolate", [IMAGES], {"scale_factor": [1.7, 0.6]}),
    "interpolate_area": ("interpolate", [IMAGES], {"size": [3, 4], "mode": "area"}),
    "interpolate_area_1d": ("interpolate", [WAVES], {"size": 4, "mode": "area"}),
    "interpolate_linear": ("interpolate", [WAVES], {"size": 14, "mode": "linear"}),
    "interpolate_linear_corners": ("interpolate", [WAVES], {"size": 14, "mode": "linear", "align_corners": True}),
    "interpolate_linear_factor": ("interpolate", [WAVES], {"scale_factor": 1.7, "mode": "linear"}),
    "interpolate_linear_recomputed": (
        "interpolate", [WAVES], {"scale_factor": 1.7, "mode": "linear", "recompute_scale_factor": True},
    ),
    "interpolate_bilinear": ("interpolate", [IMAGES], {"size": [8, 4], "mode": "bilinear"}),
    "interpolate_bilinear_half": ("interpolate", [IMAGES], {"scale_factor": 0.5, "mode": "bilinear"}),
    "interpolate_bilinear_corners": (
        "interpolate", [IMAGES], {"size": [1, 11], "mode": "bilinear", "align_corners": True},
    ),
    "interpolate_bicubic": ("interpolate", [IMAGES], {"size": [9, 4], "mode": "bicubic"}),
    "interpolate_bicubic_corners": (
        "interpolate", [IMAGES], {"scale_factor": 2.5, "mode": "bicubic", "align_corners": True},
    ),
    "pixel_shuffle": ("pixel_shuffle", [(2, 8, 3, 5)], {"upscale_factor": 2}),
    "pixel_unshuffle": ("pixel_unshuffle", [(3, 6, 9)], {"downscale_factor": 3}),
    "channel_shuffle": ("channel_shuffle", [(2, 6, 3)], {"groups": 2}),
    "group_norm": ("group_norm", [IMAGES], {"num_groups": 2}),
    "instance_norm": ("instance_norm", [IMAGES], {"eps": 1e-3}),
    "rms_norm": ("rms_norm", [(3, 4, 5)], {"normalized_shape": [5]}),
    "bilinear": ("bilinear", [(5, 3), (5, 2), (4, 3, 2), (4,)], {}),
    "group_norm_affine": ("group_norm", [IMAGES, 2, (4,), (4,)], {"eps": 1e-3}),
    "group_norm_features": ("group_norm", [(3, 6), 3, (6,), None], {}),
    "instance_norm_affine": ("instance_norm", [WAVES, None, None, (4,), (4,)], {}),
    "rms_norm_affine": ("rms_norm", [(3, 4, 5), [4, 5], (4, 5)], {"eps": 1e-3}),
    "bilinear_sequence": ("bilinear", [(2, 5, 3), (2, 5, 2), (4, 3, 2), None], {}),
}
LAYERS = [
    "ELU()", "ELU(0.5, True)", "SELU()", "SELU(True)", "CELU()", "CELU(2.0, True)", "Softplus()", "Softplus(2, 10)",
    "LogSigmoid()", "Softsign()", "Mish()", "Mish(True)", "Hardtanh()", "Hardtanh(-2, 2, True)", "ReLU6()",
    "ReLU6(True)", "Hardsigmoid()", "Hardswish()", "Threshold(0.1, 20)", "Threshold(0.1, 20, True)", "Tanhshrink()",
    "Softshrink()", "Hardshrink(0.1)", "PReLU()", "PReLU(3)", "GLU()", "GLU(1)", "Softmin()", "Softmin(1)",
    "Softmax2d()", "Dropout1d()", "Dropout2d(0.2)", "AlphaDropout()", "FeatureAlphaDropout(0.1, True)",
    "CosineSimilarity()", "PairwiseDistance()", "Bilinear(2, 3, 4)", "Bilinear(2, 3, 4, False)",
    "Unflatten(1, (2, 3))", "Linear(2, 3)", "Embedding(3, 4, padding_idx=-1)",
    "Conv1d(2, 4, 3)", "Conv1d(2, 4, (3,), 2, 1, 2, 2, False, 'circular')", "Conv1d(2, 4, 3, padding='valid')",
    "Conv2d(2, 4, 3)", "Conv2d(2, 4, (3, 2), (1, 2), (1, 0), padding_mode='reflect')",
    "Conv2d(2, 4, 3, padding='same', groups=2, bias=False)",
    "ConvTranspose1d(2, 4, 3)", "ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, False, 2)", "ConvTranspose2d(2, 4, 3)",
    "ConvTranspose2d(4, 6, (3, 2), 2, 1, (0, 1), 2, False, 2)",
    "MaxPool1d(2)", "MaxPool1d(2, 1, 1, 1, False, True)", "MaxPool2d((2, 3), 1)", "AvgPool1d(2)",
    "AvgPool1d(3, (1,), 1)", "AvgPool2d((2, 3), 1)", "AdaptiveAvgPool1d(3)", "AdaptiveAvgPool2d((3, None))",
    "AdaptiveMaxPool1d(2)", "AdaptiveMaxPool2d((2, 3))", "ConstantPad1d(1, 2)", "ConstantPad2d((1, 2, 3, 4), 0.5)",
    "ZeroPad1d(1)", "ZeroPad2d((1, 2, 0, 0))", "ReflectionPad1d((1, 2))", "ReflectionPad2d(1)", "ReplicationPad1d(1)",
    "ReplicationPad2d(2)", "CircularPad1d(1)", "CircularPad2d((1, 1, 2, 2))",
    "Upsample(scale_factor=2)", "Upsample((2, 3), mode='bilinear', align_corners=True)", "Upsample(7)",
    "UpsamplingNearest2d(scale_factor=2)", "UpsamplingBilinear2d((3, 4))", "Fold((4, 5), 2)", "Unfold((2, 3), 1, 0, 2)",
    "PixelShuffle(2)", "PixelUnshuffle(3)", "ChannelShuffle(2)", "GroupNorm(2, 4)", "GroupNorm(2, 4, 0.1, False)",
    "GroupNorm(2, 4, bias=False)", "InstanceNorm1d(3)", "InstanceNorm2d(3, affine=True, track_running_stats=True)",
    "RMSNorm(5)", "RMSNorm((4, 5), 1e-3, False)", "LayerNorm(5)", "LayerNorm((4, 5), bias=False)",
    "LayerNorm(4, 1e-3, False)", "BatchNorm1d(3)", "BatchNorm2d(3, affine=False, track_running_stats=False)",
    "BatchNorm2d(3, 1e-3, None, bias=False)",
]


# Layers run with the settings above and these inputs; what they keep (running statistics) is compared as well.
RUNS = [
    ("Conv1d(4, 6, 3, padding=2, padding_mode='reflect')", WAVES), ("Conv1d(4, 6, 4, padding='same')", WAVES),
    ("Conv1d(4, 6, 4, padding='same', padding_mode='circular', dilation=2)", WAVES),
    ("Conv2d(4, 2, 3, stride=2, padding=(1, 2), padding_mode='replicate')", IMAGES),
    ("Conv2d(4, 2, (2, 3), padding='same', padding_mode='reflect', groups=2)", IMAGES),
    ("Conv2d(4, 2, 3, padding='valid', padding_mode='circular', bias=False)", IMAGES),
    ("Conv2d(4, 2, 3, padding=2, padding_mode='circular')", (4, 5, 6)),
    ("ConvTranspose1d(4, 6, 3, 2, 1, 1)", WAVES), ("ConvTranspose2d(4, 6, 3, 2, 1, 1, 2)", IMAGES),
    ("GroupNorm(2, 4)", IMAGES), ("RMSNorm((5, 6))", IMAGES), ("RMSNorm(9, 0.1, False)", WAVES),
    ("LayerNorm((5, 6))", IMAGES), ("BatchNorm2d(4, bias=False)", IMAGES), ("BatchNorm1d(4, affine=False)", WAVES),
    ("InstanceNorm1d(4)", WAVES), ("InstanceNorm1d(4, affine=True)", (4, 9)),
    ("InstanceNorm2d(4, 0.1, 0.3, True, True)", IMAGES), ("InstanceNorm2d(4, 0.1, 0.3, True, True).eval()", IMAGES),
    ("MaxPool1d(3, 2, 1, 1, False, True)", WAVES), ("AvgPool1d(3, 2, 1, True, False)", WAVES),
    ("AvgPool2d(2)", (4, 5, 6)),
    ("AdaptiveAvgPool1d(4)", WAVES), ("AdaptiveMaxPool1d(4)", WAVES), ("AdaptiveMaxPool2d((3, None))", IMAGES),
    ("AdaptiveAvgPool2d(3)", (4, 5, 6)), ("ConstantPad1d((1, -2), 3.0)", WAVES), ("ZeroPad2d((1, 2, 3, 0))", IMAGES),
    ("ReflectionPad2d((1, 2, 3, 0))", IMAGES), ("ReplicationPad1d(4)", (4, 9)), ("CircularPad2d((1, 2, 3, 0))", IMAGES),
    ("Upsample(scale_factor=1.5)", WAVES), ("Upsample(scale_factor=(1.5, 2), mode='bilinear')", IMAGES),
    ("UpsamplingBilinear2d((7, 3))", IMAGES), ("UpsamplingNearest2d(scale_factor=2)", IMAGES),
    ("Unfold((2, 3), padding=1)", IMAGES), ("Fold((5, 6), 2, stride=(1, 2))", (2, 8, 12)), ("PixelShuffle(2)", IMAGES),
    ("PixelUnshuffle(2)", (2, 4, 6)), ("Bilinear(9, 9, 3)", WAVES), ("PReLU(4)", IMAGES), ("Softmax2d()", IMAGES),
]


def numbers(rng: np.random.Generator, shape: tuple) -> torch.Tensor:
    """Return normal numbers of few digits, so that the file is small."""
    return torch.tensor(np.round(rng.normal(size=shape) * 64) / 64)


def tuples(kwargs: dict) -> dict:
    """Return the keyword arguments with lists, which JSON knows, as tuples, which PyTorch wants."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}


def run(arrays: dict, name: str, function: str, shapes: list, kwargs: dict) -> None:
    """Add the arrays of one case: inputs, output, a gradient of the output, and those of the inputs."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    inputs = [numbers(rng, s).requires_grad_() if isinstance(s, tuple) else s for s in shapes]
    out = getattr(F, function)(*inputs, **tuples(kwargs))
    g = numbers(rng, out.shape)
    out.backward(g)
    arrays |= {f"{name}/out": out.detach().numpy(), f"{name}/g": g.numpy()}
    for i, x in enumerate(inputs):
        if isinstance(x, torch.Tensor):
            arrays |= {f"{name}/in{i}": x.detach().numpy(), f"{name}/grad{i}": x.grad.numpy()}


def described(expression: str) -> list:
    """Return [expression, repr, {name in state_dict: shape}] of a layer."""
    layer = eval(f"nn.{expression}", {"nn": nn})
    return [expression, repr(layer), {name: list(value.shape) for name, value in layer.state_dict().items()}]


def run_layer(arrays: dict, number: int, expression: str, shape: tuple) -> None:
    """Add the arrays of one layer: input, output, gradients, and the state before and after."""
    rng = np.random.default_rng(number)
    layer = eval(f"nn.{expression}", {"nn": nn}).double()
    with torch.no_grad():
        for name, value in layer.state_dict().items():
            value.copy_(1 + numbers(rng, value.shape).clamp(-3, 3) / 8)
            arrays[f"run{number}/before/{name}"] = value.numpy().copy()
    x = numbers(rng, shape).requires_grad_()
    out = layer(x, x) if "Bilinear(9" in expression else layer(x)
    g = numbers(rng, out.shape)
    out.backward(g)
    values = {"x": x, "out": out, "g": g, "dx": x.grad}
    values |= {f"after/{name}": value for name, value in layer.state_dict().items()}
    values |= {f"grad/{name}": parameter.grad for name, parameter in layer.named_parameters()}
    arrays |= {f"run{number}/{name}": value.detach().numpy().copy() for name, value in values.items()}


def main() -> None:
    """Write nn_breadth.npz beside this file."""
    warnings.simplefilter("ignore")
    arrays: dict[str, np.ndarray] = {}
    listing = []
    for name, (function, shapes, kwargs) in CASES.items():
        run(arrays, name, function, shapes, kwargs)
        listing.append([name, function, kwargs, ["tensor" if isinstance(s, tuple) else s for s in shapes]])
    notes: dict = {"cases": listing, "runs": [expression for expression, _ in RUNS]}
    for number, (expression, shape) in enumerate(RUNS):
        run_layer(arrays, number, expression, shape)
    notes["layers"] = [described(expression) for expression in LAYERS]
    notes["shapes"] = {name: list(array.shape) for name, array in arrays.items()}
    flat = np.concatenate([np.ravel(array).astype(np.float64) for array in arrays.values()])
    target = Path(__file__).with_name("nn_breadth.npz")
    np.savez_compressed(target, flat=flat, notes=np.asarray(json.dumps(notes)))


if __name__ == "__main__":
    main()
