"""Make nn_breadth.npz: what PyTorch's functions and layers give, forward and backward, and how the layers print.

Run with a Python that has PyTorch: `python tests/data/make_nn_breadth.py`. Everything is float64, so that only real
differences show. A case NAME has arrays NAME/in0, NAME/in1, … (missing for None), NAME/out, NAME/g (the gradient of
out) and NAME/grad0, …; "cases" is a JSON list of [name, function, keyword arguments, number of inputs]; "layers" one of
[expression, repr, {name in state_dict: shape}].
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
# name -> function of torch.nn.functional, shapes of the inputs, keyword arguments
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
    "bilinear": ("bilinear", [(5, 3), (5, 2), (4, 3, 2), (4,)], {}),
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
]


def tuples(kwargs: dict) -> dict:
    """Return the keyword arguments with lists, which JSON knows, as tuples, which PyTorch wants."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}


def run(arrays: dict, name: str, function: str, shapes: list, kwargs: dict) -> None:
    """Add the arrays of one case: inputs, output, a gradient of the output, and those of the inputs."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    inputs = [None if s is None else torch.tensor(rng.normal(size=s), requires_grad=True) for s in shapes]
    out = getattr(F, function)(*inputs, **tuples(kwargs))
    g = torch.tensor(rng.normal(size=out.shape))
    out.backward(g)
    arrays |= {f"{name}/out": out.detach().numpy(), f"{name}/g": g.numpy()}
    for i, x in enumerate(inputs):
        if x is not None:
            arrays |= {f"{name}/in{i}": x.detach().numpy(), f"{name}/grad{i}": x.grad.numpy()}


def described(expression: str) -> list:
    """Return [expression, repr, {name in state_dict: shape}] of a layer."""
    layer = eval(f"nn.{expression}", {"nn": nn})
    return [expression, repr(layer), {name: list(value.shape) for name, value in layer.state_dict().items()}]


def main() -> None:
    """Write nn_breadth.npz beside this file."""
    warnings.simplefilter("ignore")
    arrays: dict[str, np.ndarray] = {}
    listing = []
    for name, (function, shapes, kwargs) in CASES.items():
        run(arrays, name, function, shapes, kwargs)
        listing.append([name, function, kwargs, len(shapes)])
    arrays["cases"] = np.asarray(json.dumps(listing))
    arrays["layers"] = np.asarray(json.dumps([described(expression) for expression in LAYERS]))
    np.savez_compressed(Path(__file__).with_name("nn_breadth.npz"), **arrays)


if __name__ == "__main__":
    main()
