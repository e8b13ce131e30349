"""Make transformer.npz: PyTorch's encoder and decoder layers and stacks, with gradients, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_transformer.py`. float64, no dropout. Parameters are
normal numbers, so that a bias or a norm that is left out shows.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from flat_file import write
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(9)
CASES: dict[str, dict[str, Any]] = {}
DATA: dict[str, np.ndarray] = {}
SIZES = {"d_model": 4, "nhead": 2, "dim_feedforward": 3, "dropout": 0.0}


def build(kind: str, settings: dict) -> nn.Module:
    """Return a module of `kind`; stacks have two layers and a last norm."""
    if kind.endswith("Layer"):
        return getattr(nn, kind)(**SIZES, **settings)
    if kind == "Transformer":
        return nn.Transformer(**SIZES, **settings, num_encoder_layers=1, num_decoder_layers=2)
    layer = getattr(nn, kind + "Layer")(**SIZES, **settings)
    return getattr(nn, kind)(layer, 2, nn.LayerNorm(4))


def freeze(kind: str, inputs: list[tuple], masks: dict[str, np.ndarray], **settings: Any) -> None:
    """Compute one case."""
    key, module = str(len(CASES)), build(kind, settings)
    given = [torch.randn(*shape, requires_grad=True) for shape in inputs]
    for p in module.parameters():
        nn.init.normal_(p, std=0.5)
    out = module(*given, **{name: torch.tensor(mask) for name, mask in masks.items()})
    weight = torch.randn(out.shape)
    (out * weight).sum().backward()
    for i, x in enumerate(given):
        DATA[f"{key}/input{i}"], DATA[f"{key}/grad/input{i}"] = x.detach().numpy(), x.grad.numpy()
    for name, p in module.named_parameters():
        DATA[f"{key}/param/{name}"], DATA[f"{key}/grad/{name}"] = p.detach().numpy(), p.grad.numpy()
    DATA.update({f"{key}/mask/{name}": mask for name, mask in masks.items()})
    DATA[f"{key}/output"], DATA[f"{key}/weight"] = out.detach().numpy(), weight.numpy()
    CASES[key] = {"kind": kind, "settings": settings, "inputs": len(inputs), "masks": list(masks)}


def main() -> None:
    """Write all cases."""
    future = np.triu(np.ones((3, 3), bool), 1)
    added = np.where(future, -np.inf, 0.0)
    padding, other = np.array([[False, False, True], [False, False, False]]), np.array([[False, True], [False, False]])
    source, target = (2, 2, 4), (3, 2, 4)
    for norm_first in (False, True):
        first = {"norm_first": norm_first}
        freeze("TransformerEncoderLayer", [target], {"src_mask": future, "src_key_padding_mask": padding}, **first)
        masks = {"tgt_mask": future, "memory_key_padding_mask": other}
        freeze("TransformerDecoderLayer", [target, source], masks, **first)
        freeze("TransformerEncoder", [(2, 3, 4)], {"mask": added}, batch_first=True, activation="gelu", **first)
    freeze("TransformerEncoderLayer", [target], {}, bias=False)
    freeze("TransformerDecoder", [target, source], {"tgt_mask": added, "tgt_key_padding_mask": padding})
    masks = {"tgt_mask": future, "src_key_padding_mask": other, "memory_key_padding_mask": other}
    freeze("Transformer", [source, target], masks)
    write(Path(__file__).with_name("transformer.npz"), CASES, DATA)


if __name__ == "__main__":
    main()
