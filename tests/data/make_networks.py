"""Make networks.npz: what PyTorch says about the size, the names and the scores of two networks, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_networks.py`. FLOPs are those of torch.utils.flop_counter.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIZES = (12, 16, 9, 5)


def mlp() -> nn.Sequential:
    """The layers that MLP(12, 16, 9, 5) must have."""
    layers: list[nn.Module] = []
    for n, m in pairwise(SIZES):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Mixer(nn.Module):
    """Blocks in a ModuleList, each added to its input; then a product with a matrix of similarities."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, 11), nn.GELU(), nn.Linear(11, 6)) for _ in range(3))
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.head(torch.softmax(x @ x.transpose(-2, -1), -1) @ x)


def main() -> None:
    """Write networks.npz beside this file."""
    rng = np.random.default_rng(5)
    arrays = {"sizes": np.array(SIZES)}
    for name, model, shape in (("mlp", mlp(), (12,)), ("mixer", Mixer(), (7, 6))):
        model = model.double()
        for value in model.state_dict().values():
            value.copy_(torch.tensor(rng.normal(size=value.shape)))
        x = rng.normal(size=(4, *shape))
        arrays[f"{name}/x"], arrays[f"{name}/scores"] = x, model(torch.tensor(x)).detach().numpy()
        arrays[f"{name}/names"] = np.array(list(model.state_dict()))
        arrays[f"{name}/count"] = np.array(sum(p.numel() for p in model.parameters()))
        arrays.update({f"{name}/state/{key}": value.numpy() for key, value in model.state_dict().items()})
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, *shape, dtype=torch.float64))
        arrays[f"{name}/flops"] = np.array(counter.get_total_flops())
    np.savez_compressed(Path(__file__).with_name("networks.npz"), **arrays)


if __name__ == "__main__":
    main()
