"""Make spatial.npz: what PyTorch's convolution, pooling and normalisation give, forward and backward.

Run with a Python that has PyTorch: `python tests/data/make_spatial.py`. Everything is float64, so that only real
differences show. A case NAME has arrays NAME/in0, NAME/in1, … (missing for None), NAME/out, NAME/g (the gradient of
out), NAME/grad0, …; "cases" is a JSON list of [name, function, keyword arguments, number of inputs].
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

X, CONV = (2, 4, 7, 6), (6, 4, 3, 2)
CASES: dict[str, tuple[str, list, dict]] = {
    "conv2d": ("conv2d", [X, CONV, (6,)], {}),
    "conv2d_stride_padding": ("conv2d", [X, CONV, (6,)], {"stride": [2, 1], "padding": [1, 2]}),
    "conv2d_dilation": ("conv2d", [X, CONV, None], {"dilation": [2, 3], "padding": 1}),
    "conv2d_groups": ("conv2d", [X, (6, 2, 3, 2), (6,)], {"groups": 2, "stride": 2}),
    "conv2d_depthwise": ("conv2d", [X, (8, 1, 3, 3), (8,)], {"groups": 4, "padding": 1}),
    "conv2d_same": ("conv2d", [X, (6, 4, 4, 3), (6,)], {"padding": "same", "dilation": [1, 2]}),
    "conv2d_one_by_one": ("conv2d", [(1, 4, 3, 3), (5, 4, 1, 1), (5,)], {}),
    "max_pool2d": ("max_pool2d", [X], {"kernel_size": 2}),
    "max_pool2d_overlapping": ("max_pool2d", [X], {"kernel_size": 3, "stride": 2, "padding": 1}),
    "max_pool2d_ceil": ("max_pool2d", [X], {"kernel_size": [2, 3], "stride": 2, "dilation": [2, 1], "ceil_mode": True}),
    "avg_pool2d": ("avg_pool2d", [X], {"kernel_size": [2, 3]}),
    "avg_pool2d_padding": ("avg_pool2d", [X], {"kernel_size": 3, "stride": 2, "padding": 1}),
    "avg_pool2d_inside": ("avg_pool2d", [X], {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    "avg_pool2d_ceil": ("avg_pool2d", [X], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    "adaptive_avg_pool2d": ("adaptive_avg_pool2d", [X], {"output_size": [3, 4]}),
    "adaptive_avg_pool2d_one": ("adaptive_avg_pool2d", [X], {"output_size": 1}),
    "layer_norm": ("layer_norm", [(3, 4, 5), (5,), (5,)], {"normalized_shape": [5], "eps": 1e-3}),
    "layer_norm_two_axes": ("layer_norm", [(3, 4, 5), (4, 5), (4, 5)], {"normalized_shape": [4, 5]}),
    "pad": ("pad", [X], {"pad": [1, -1, 0, 2], "value": 1.5}),
    "unfold": ("unfold", [X], {"kernel_size": [3, 2], "dilation": [1, 2], "padding": 1, "stride": [2, 1]}),
}


def run(arrays: dict, name: str, function: str, inputs: list, kwargs: dict) -> None:
    """Add the arrays of one case: inputs, output, a gradient of the output, and those of the inputs."""
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in kwargs.items()}
    if function == "layer_norm":
        out = F.layer_norm(inputs[0], weight=inputs[1], bias=inputs[2], **settings)
    else:
        out = getattr(F, function)(*inputs, **settings)
    g = torch.tensor(np.random.default_rng(len(name)).normal(size=out.shape))
    out.backward(g)
    arrays |= {f"{name}/out": out.detach().numpy(), f"{name}/g": g.numpy()}
    for i, x in enumerate(inputs):
        if x is not None:
            arrays |= {f"{name}/in{i}": x.detach().numpy(), f"{name}/grad{i}": x.grad.numpy()}


def batch_norm(arrays: dict, rng: np.random.Generator) -> None:
    """Add BatchNorm2d: two training batches (the second short), one in evaluation, the running statistics between."""
    for name, momentum in (("batch_norm", 0.3), ("batch_norm_cumulative", None)):
        layer = torch.nn.BatchNorm2d(3, momentum=momentum, eps=1e-3, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([0.5, 1.0, -2.0]))
            layer.bias.copy_(torch.tensor([1.0, 0.0, 3.0]))
        for step, n in enumerate((5, 1, 4)):
            layer.train(step < 2)
            x = torch.tensor(rng.normal([[[[3.0]], [[0.0]], [[-1.0]]]], 2.0, (n, 3, 4, 5)), requires_grad=True)
            out = layer(x)
            g = torch.tensor(rng.normal(size=out.shape))
            layer.zero_grad()
            out.backward(g)
            key = f"{name}/{step}"
            arrays |= {f"{key}/x": x.detach().numpy(), f"{key}/out": out.detach().numpy(), f"{key}/g": g.numpy()}
            arrays |= {f"{key}/mean": layer.running_mean.numpy().copy(), f"{key}/var": layer.running_var.numpy().copy()}
            arrays |= {
                f"{key}/dx": x.grad.numpy(),
                f"{key}/dw": layer.weight.grad.numpy(),
                f"{key}/db": layer.bias.grad.numpy(),
            }


def main() -> None:
    """Write spatial.npz beside this file."""
    rng = np.random.default_rng(6)
    arrays: dict[str, np.ndarray] = {}
    listing = []
    for name, (function, shapes, kwargs) in CASES.items():
        inputs = [None if s is None else torch.tensor(rng.normal(size=s), requires_grad=True) for s in shapes]
        run(arrays, name, function, inputs, kwargs)
        listing.append([name, function, kwargs, len(inputs)])
    batch_norm(arrays, rng)
    arrays["cases"] = np.asarray(json.dumps(listing))
    np.savez_compressed(Path(__file__).with_name("spatial.npz"), **arrays)


if __name__ == "__main__":
    main()
