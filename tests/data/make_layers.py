"""Make layers.npz: what PyTorch's layers give, the names in its state_dict, its gains and bounds, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_layers.py`. Weights and inputs are drawn once, in float64.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SHAPES = {"vector": (5,), "batch": (4, 5), "sequence": (2, 3, 5)}
GAINS = [("linear", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("leaky_relu", None), ("leaky_relu", 0.3)]


class Reader(nn.Module):
    """A small model with every kind of part: embedding, linear layers, a shared weight, buffers saved and not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 5, padding_idx=0)
        self.body = nn.Module()
        self.body.first = nn.Linear(5, 6)
        self.body.second = nn.Linear(6, 5, bias=False)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.body.second(F.gelu(self.body.first(self.embed(tokens)))))


def main() -> None:
    """Write layers.npz beside this file."""
    rng = np.random.default_rng(4)
    weight, bias = rng.normal(size=(6, 5)), rng.normal(size=6)
    arrays = {"weight": weight, "bias": bias}
    for name, shape in SHAPES.items():
        x = rng.normal(size=shape)
        arrays[f"{name}/x"] = x
        arrays[f"{name}/plain"] = F.linear(torch.tensor(x), torch.tensor(weight)).numpy()
        arrays[f"{name}/biased"] = F.linear(torch.tensor(x), torch.tensor(weight), torch.tensor(bias)).numpy()
    arrays["gains"] = np.array([nn.init.calculate_gain(*gain) for gain in GAINS])

    model = Reader().double()
    state = model.state_dict()
    for value in state.values():
        if value.dtype.is_floating_point:
            value.copy_(torch.tensor(rng.normal(size=value.shape)))
    tokens = rng.integers(0, 7, (3, 4))
    arrays.update({f"state/{name}": value.numpy() for name, value in state.items()})
    arrays["names"] = np.array(list(state))
    arrays["parameters"] = np.array([name for name, _ in model.named_parameters()])
    arrays["repr"] = np.array(repr(model))
    arrays["tokens"], arrays["scores"] = tokens, model(torch.tensor(tokens)).detach().numpy()
    np.savez_compressed(Path(__file__).with_name("layers.npz"), **arrays)


if __name__ == "__main__":
    main()
