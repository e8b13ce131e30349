"""Make recurrent.npz: PyTorch's RNN, LSTM, GRU and their cells, with all gradients, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_recurrent.py`. Everything is float64. A case has the input,
the first states, the parameters under their names, what came out, and the gradients of a weighted sum of all of it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from flat_file import write
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)
torch.manual_seed(8)
CASES: dict[str, dict[str, Any]] = {}
DATA: dict[str, np.ndarray] = {}
WIDE = {"num_layers": 2, "bidirectional": True}
LENGTHS = [2, 4, 1]


def freeze(kind: str, settings: dict, shape: tuple, *, hidden: bool, lengths: list[int] | None = None) -> None:
    """Compute one case: input of `shape`, first states given or not, packed by `lengths` or not."""
    key = str(len(CASES))
    module = getattr(nn, kind)(3, 2, **settings)
    x = torch.randn(*shape, requires_grad=True)
    if kind.endswith("Cell"):
        state_shape = (*shape[:-1], 2)
    else:
        count = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
        batch = () if len(shape) == 2 else (shape[0 if settings.get("batch_first") else 1],)
        state_shape = (count, *batch, 2)
    names = ("h", "c") if kind.startswith("LSTM") else ("h",)
    states = [torch.randn(*state_shape, requires_grad=True) for _ in names] if hidden else []
    hx = None if not hidden else tuple(states) if len(states) > 1 else states[0]
    first = settings.get("batch_first", False)
    given = x if lengths is None else pack_padded_sequence(x, torch.tensor(lengths), first, enforce_sorted=False)
    found = module(given, hx)
    outputs = []
    for part in found if isinstance(found, tuple) else (found,):
        if isinstance(part, nn.utils.rnn.PackedSequence):
            outputs.append(pad_packed_sequence(part, first)[0])
        else:
            outputs.extend(part if isinstance(part, tuple) else (part,))
    weights = [torch.randn(o.shape) for o in outputs]
    sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    tensors = {"input": x, **{f"state{i}": s for i, s in enumerate(states)}}
    for name, t in {**tensors, **{f"param/{n}": p for n, p in module.named_parameters()}}.items():
        DATA[f"{key}/{name}"], DATA[f"{key}/grad/{name}"] = t.detach().numpy(), t.grad.numpy()
    for i, (o, w) in enumerate(zip(outputs, weights, strict=True)):
        DATA[f"{key}/output{i}"], DATA[f"{key}/weight{i}"] = o.detach().numpy(), w.numpy()
    CASES[key] = {
        "kind": kind, "settings": settings, "states": len(states), "outputs": len(outputs), "lengths": lengths,
        "repr": repr(module),
    }


def main() -> None:
    """Write all cases."""
    for kind, more in (("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})):
        freeze(kind, more, (4, 3, 3), hidden=True)
        freeze(kind, {**more, **WIDE}, (4, 3, 3), hidden=True)
        freeze(kind, {**more, **WIDE, "batch_first": True}, (3, 4, 3), hidden=False)
        freeze(kind, {**more, "bias": False}, (1, 2, 3), hidden=False)
        freeze(kind, {**more, "bidirectional": True}, (4, 3), hidden=True)
        freeze(kind, {**more, **WIDE}, (4, 3, 3), hidden=True, lengths=LENGTHS)
        freeze(kind, {**more, **WIDE, "batch_first": True}, (3, 4, 3), hidden=False, lengths=LENGTHS)
        cell = kind + "Cell"
        freeze(cell, more, (3, 3), hidden=True)
        freeze(cell, {**more, "bias": False}, (3, 3), hidden=False)
        freeze(cell, more, (3,), hidden=True)
    write(Path(__file__).with_name("recurrent.npz"), CASES, DATA)


if __name__ == "__main__":
    main()
