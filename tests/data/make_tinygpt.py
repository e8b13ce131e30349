"""Make tinygpt.npz: logits, loss and gradients of small GPTs written in PyTorch, and rotary positions.

Run with a Python that has PyTorch: `python tests/data/make_tinygpt.py`. Everything is float64. "cases" is a JSON dict
of the settings of each model. A case NAME has its parameters NAME/state/…, NAME/tokens, /targets, /logits, /loss and
the gradients NAME/grad/…. "rotary/x", "rotary/start_3": vectors, and the same turned by their positions from 3 on.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(16)
CASES = {
    "gpt2": {"context": 7, "layers": 2, "heads": 2, "width": 8},
    "llama": {
        "context": 7, "layers": 2, "heads": 4, "width": 8, "kv_heads": 2, "bias": False, "positions": "rotary",
        "norm": "rms", "tied": False,
    },
}  # fmt: skip
VOCABULARY = 11


def parameters(c):
    """Random parameters under the names that TinyGPT gives them."""
    width, heads = c["width"], c["heads"]
    joined = width + 2 * c.get("kv_heads", heads) * width // heads
    shapes = {"tokens.weight": (VOCABULARY, width)}
    if c.get("positions") != "rotary":
        shapes["positions.weight"] = (c["context"], width)
    for i in range(c["layers"]):
        for name, rows, columns in (("attention.qkv", joined, width), ("attention.out", width, width),
                                    ("mlp.0", 4 * width, width), ("mlp.2", width, 4 * width)):  # fmt: skip
            shapes[f"blocks.{i}.{name}.weight"] = (rows, columns)
            if c.get("bias", True):
                shapes[f"blocks.{i}.{name}.bias"] = (rows,)
    for norm in [f"blocks.{i}.norm{n}" for i in range(c["layers"]) for n in (1, 2)] + ["norm"]:
        shapes[f"{norm}.weight"] = (width,)
        if c.get("norm") != "rms":
            shapes[f"{norm}.bias"] = (width,)
    if not c.get("tied", True):
        shapes["head.weight"] = (VOCABULARY, width)
    return {name: (0.4 * torch.randn(shape)).requires_grad_() for name, shape in shapes.items()}


def normalise(x, p, name):
    """Layer norm or RMS norm."""
    bias = p.get(f"{name}.bias")
    size, weight = x.shape[-1:], p[f"{name}.weight"]
    return F.rms_norm(x, size, weight, 1e-5) if bias is None else F.layer_norm(x, size, weight, bias)


def turn(x, start):
    """Rotary positions by complex numbers: feature i is the real part, feature i + half the imaginary one."""
    half = x.shape[-1] // 2
    rates = 10000.0 ** (-torch.arange(half) / half)
    angles = torch.arange(start, start + x.shape[-2])[:, None] * rates
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1)


def attend(x, p, name, c):
    """Causal self-attention with shared heads."""
    n, length, width = x.shape
    heads = c["heads"]
    size, shared = width // heads, c.get("kv_heads", heads)
    joined = F.linear(x, p[f"{name}.qkv.weight"], p.get(f"{name}.qkv.bias"))
    q, k, v = joined.split([width, shared * size, shared * size], -1)
    q, k, v = (t.view(n, length, -1, size).transpose(1, 2) for t in (q, k, v))
    if c.get("positions") == "rotary":
        q, k = turn(q, 0), turn(k, 0)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return F.linear(out.transpose(1, 2).reshape(n, length, width), p[f"{name}.out.weight"], p.get(f"{name}.out.bias"))


def forward(tokens, p, c):
    """Logits."""
    x = F.embedding(tokens, p["tokens.weight"])
    if "positions.weight" in p:
        x = x + p["positions.weight"][: tokens.shape[1]]
    for i in range(c["layers"]):
        block = f"blocks.{i}"
        x = x + attend(normalise(x, p, f"{block}.norm1"), p, f"{block}.attention", c)
        y = F.linear(normalise(x, p, f"{block}.norm2"), p[f"{block}.mlp.0.weight"], p.get(f"{block}.mlp.0.bias"))
        x = x + F.linear(F.gelu(y), p[f"{block}.mlp.2.weight"], p.get(f"{block}.mlp.2.bias"))
    return F.linear(normalise(x, p, "norm"), p.get("head.weight", p["tokens.weight"]))


def main() -> None:
    """Write the file."""
    arrays = {"cases": np.array(json.dumps(CASES))}
    for name, c in CASES.items():
        p = parameters(c)
        tokens, targets = (torch.randint(0, VOCABULARY, (2, 6)) for _ in range(2))
        logits = forward(tokens, p, c)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        parts = {"tokens": tokens, "targets": targets, "logits": logits, "loss": loss}
        parts |= {f"state/{key}": value for key, value in p.items()} | {f"grad/{key}": v.grad for key, v in p.items()}
        arrays |= {f"{name}/{key}": value.detach().numpy() for key, value in parts.items()}
    x = torch.randn(2, 3, 5, 8)
    arrays |= {"rotary/x": x.numpy(), "rotary/start_3": turn(x, 3).numpy()}
    np.savez_compressed(Path(__file__).with_name("tinygpt.npz"), **arrays)


if __name__ == "__main__":
    main()
