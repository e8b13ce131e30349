"""Make attention.npz: what PyTorch's attention and Transformer layers give, forward and backward.

Run with a Python that has PyTorch: `python tests/data/make_attention.py`. Everything is float64. "functions" and
"layers" are JSON lists of the cases. A function case NAME has arrays NAME/q, /k, /v, /mask (where there is one),
/out, /g (the gradient of out), /dq, /dk, /dv, /dmask. A layer case has its parameters NAME/state/…, inputs, masks,
/out, /weights.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

RNG = np.random.default_rng(7)
ROWS = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=bool)

# name: (query, key, value shapes, mask, keyword arguments)
FUNCTIONS: dict[str, tuple] = {
    "plain": ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 2), None, {}),
    "two_axes": ((3, 4), (5, 4), (5, 4), None, {"scale": 0.7}),
    "causal_square": ((2, 5, 4), (2, 5, 4), (2, 5, 3), None, {"is_causal": True}),
    "causal_short_query": ((1, 3, 4), (1, 5, 4), (1, 5, 4), None, {"is_causal": True}),
    "causal_long_query": ((1, 5, 4), (1, 3, 4), (1, 3, 4), None, {"is_causal": True}),
    "bool_mask_with_empty_row": ((2, 3, 4), (2, 5, 4), (2, 5, 3), ROWS, {}),
    "bool_mask_by_batch": ((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3), RNG.random((2, 1, 3, 5)) < 0.7, {}),
    "additive_mask": ((2, 3, 4), (2, 5, 4), (2, 5, 3), RNG.normal(size=(2, 3, 5)), {}),
    "large_scores": ((1, 4, 8), (1, 4, 8), (1, 4, 2), None, {"scale": 300.0}),
}

# Grouped queries: fewer heads of keys and values than of queries.
HIDDEN = np.arange(120).reshape(2, 4, 3, 5) % 3 > 0
GROUPED: dict[str, tuple] = {
    "grouped": ((2, 6, 4, 8), (2, 2, 5, 8), (2, 2, 5, 3), None, {"enable_gqa": True}),
    "grouped_causal": ((1, 4, 5, 4), (1, 1, 5, 4), (1, 1, 5, 4), None, {"enable_gqa": True, "is_causal": True}),
    "grouped_mask": ((2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3), HIDDEN, {"enable_gqa": True}),
}

# name: (embed_dim, heads, layer arguments, query and key/value shapes (None: self-attention), masks, call arguments)
LAYERS: dict[str, tuple] = {
    "self": (8, 2, {"batch_first": True}, (2, 4, 8), None, {}, {}),
    "self_heads": (8, 4, {"batch_first": True}, (2, 4, 8), None, {}, {"average_attn_weights": False}),
    "sequence_first": (8, 2, {}, (4, 2, 8), (5, 2, 8), {}, {}),
    "single": (8, 2, {"bias": False}, (4, 8), (5, 8), {}, {}),
    "other_features": (8, 2, {"batch_first": True, "kdim": 3, "vdim": 5}, (2, 4, 8), ((2, 6, 3), (2, 6, 5)), {}, {}),
    "padding": (
        8,
        2,
        {"batch_first": True},
        (2, 4, 8),
        None,
        {"key_padding_mask": np.array([[0, 0, 0, 1], [0, 0, 1, 1]], bool)},
        {},
    ),
    "causal": (
        8,
        2,
        {"batch_first": True},
        (2, 4, 8),
        None,
        {"attn_mask": ~np.tri(4, dtype=bool)},
        {"is_causal": True},
    ),
    "mask_by_head": (8, 2, {"batch_first": True}, (2, 4, 8), None, {"attn_mask": RNG.normal(size=(4, 4, 4))}, {}),
    "both_masks": (
        8,
        2,
        {"batch_first": True},
        (2, 4, 8),
        None,
        {"attn_mask": RNG.normal(size=(4, 4)), "key_padding_mask": np.array([[0, 0, 0, 0], [0, 0, 0, 1]], bool)},
        {},
    ),
}


def leaf(shape: tuple) -> torch.Tensor:
    """Random numbers that want a gradient."""
    return torch.tensor(RNG.normal(size=shape), requires_grad=True)


def function_case(arrays: dict, name: str, shapes: tuple, mask: np.ndarray | None, kwargs: dict) -> None:
    """Add one case of scaled_dot_product_attention."""
    q, k, v = map(leaf, shapes)
    inputs = {"q": q, "k": k, "v": v}
    if mask is not None:
        inputs["mask"] = torch.tensor(mask, requires_grad=mask.dtype == np.float64)
    out = F.scaled_dot_product_attention(q, k, v, inputs.get("mask"), **kwargs)
    g = torch.tensor(RNG.normal(size=out.shape))
    out.backward(g)
    arrays |= {f"{name}/out": out.detach().numpy(), f"{name}/g": g.numpy()}
    for key, x in inputs.items():
        arrays[f"{name}/{key}"] = x.detach().numpy()
        if x.grad is not None:
            arrays[f"{name}/d{key}"] = x.grad.numpy()


def layer_case(arrays: dict, name: str, sizes: tuple, settings: dict, shapes: tuple, masks: dict, call: dict) -> None:
    """Add one case of MultiheadAttention, with random biases."""
    layer = torch.nn.MultiheadAttention(*sizes, **settings, dtype=torch.float64)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.tensor(RNG.normal(size=p.shape) * 0.5))
    query, others = leaf(shapes[0]), shapes[1]
    if others is None:
        key = value = query
    elif isinstance(others[0], tuple):
        key, value = leaf(others[0]), leaf(others[1])
    else:
        key = value = leaf(others)
    out, weights = layer(query, key, value, **{k: torch.tensor(m) for k, m in masks.items()}, **call)
    g = torch.tensor(RNG.normal(size=out.shape))
    out.backward(g)
    arrays |= {f"{name}/out": out.detach().numpy(), f"{name}/weights": weights.detach().numpy(), f"{name}/g": g.numpy()}
    arrays |= {f"{name}/query": query.detach().numpy(), f"{name}/key": key.detach().numpy()}
    arrays |= {f"{name}/value": value.detach().numpy(), f"{name}/dquery": query.grad.numpy()}
    for key_name, p in layer.named_parameters():
        arrays |= {f"{name}/state/{key_name}": p.detach().numpy(), f"{name}/grad/{key_name}": p.grad.numpy()}
    arrays |= {f"{name}/{k}": m for k, m in masks.items()}


def block_case(arrays: dict) -> None:
    """Add a pre-norm encoder layer with GELU: our TransformerBlock."""
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, F.gelu, batch_first=True, norm_first=True, dtype=torch.float64
    )
    x = leaf((2, 5, 8))
    mask = torch.triu(torch.full((5, 5), -torch.inf, dtype=torch.float64), 1)
    for name, settings in (("block", {}), ("block_causal", {"src_mask": mask, "is_causal": True})):
        x.grad = None
        layer.zero_grad()
        out = layer(x, **settings)
        g = torch.tensor(RNG.normal(size=out.shape))
        out.backward(g)
        arrays |= {f"{name}/x": x.detach().numpy(), f"{name}/out": out.detach().numpy(), f"{name}/g": g.numpy()}
        arrays[f"{name}/dx"] = x.grad.numpy()
        arrays |= {f"{name}/state/{k}": p.detach().numpy() for k, p in layer.named_parameters()}


def main() -> None:
    """Write attention.npz beside this file."""
    arrays: dict[str, np.ndarray] = {}
    for name, (*shapes, mask, kwargs) in FUNCTIONS.items():
        function_case(arrays, name, tuple(shapes), mask, kwargs)
    for name, (embed_dim, heads, settings, query, others, masks, call) in LAYERS.items():
        layer_case(arrays, name, (embed_dim, heads), settings, (query, others), masks, call)
    block_case(arrays)
    for name, (*shapes, mask, kwargs) in GROUPED.items():
        function_case(arrays, name, tuple(shapes), mask, kwargs)
    arrays["functions"] = np.asarray(json.dumps({name: case[-1] for name, case in (FUNCTIONS | GROUPED).items()}))
    layers = {
        name: {"sizes": case[:2], "settings": case[2], "masks": list(case[5]), "call": case[6]}
        for name, case in LAYERS.items()
    }
    arrays["layers"] = np.asarray(json.dumps(layers))
    np.savez_compressed(Path(__file__).with_name("attention.npz"), **arrays)


if __name__ == "__main__":
    main()
