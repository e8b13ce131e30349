"""Make more_losses.npz: PyTorch's losses beside MSE, cross-entropy and BCE with logits, with their gradients.

Run with a Python that has PyTorch: `python tests/data/make_more_losses.py`. Everything is float64. A case has inputs
0, 1, …, the loss, and the gradient of (loss · its own shape of weights).sum() in each floating input; name of the
function, settings, and which inputs are differentiated stand in `cases`.
"""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flat_file import write
from torch.nn import functional as F

RNG = np.random.default_rng(21)
REDUCTIONS = ("mean", "sum", "none")
CASES: dict[str, dict[str, Any]] = {}
DATA: dict[str, np.ndarray] = {}


def normal(*shape: int) -> np.ndarray:
    """Return normal numbers."""
    return RNG.normal(size=shape)


def signs(*shape: int) -> np.ndarray:
    """Return -1 and 1."""
    return RNG.choice([-1.0, 1.0], size=shape)


def freeze(function: str, inputs: list, wanted: list[int], tensors: dict | None = None, **settings: Any) -> None:
    """Compute one case with PyTorch."""
    key, tensors = str(len(CASES)), tensors or {}
    given = [torch.tensor(x).requires_grad_(i in wanted) for i, x in enumerate(inputs)]
    more = {name: torch.tensor(value) for name, value in tensors.items()}
    loss = getattr(F, function)(*given, **settings, **more)
    g = torch.tensor(RNG.normal(size=tuple(loss.shape)))
    if wanted:
        (loss * g).sum().backward()
    for i, x in enumerate(given):
        DATA[f"{key}/input{i}"] = x.detach().numpy()
        if i in wanted:
            DATA[f"{key}/grad{i}"] = x.grad.numpy()
    DATA.update({f"{key}/{name}": value for name, value in tensors.items()})
    DATA[f"{key}/loss"], DATA[f"{key}/g"] = loss.detach().numpy(), g.numpy()
    CASES[key] = {
        "function": function, "settings": settings, "tensors": list(tensors), "inputs": len(inputs), "wanted": wanted
    }


def regression(reduction: str) -> None:
    """Freeze the losses of predicted numbers."""
    x, y = normal(3, 4) * 2, normal(3, 4)
    freeze("l1_loss", [x, y], [0, 1], reduction=reduction)
    freeze("l1_loss", [x, y], [0], {"weight": RNG.uniform(0.1, 2, (3, 4))}, reduction=reduction)
    for beta in (0.0, 0.5, 1.0):
        freeze("smooth_l1_loss", [x, y], [0, 1], reduction=reduction, beta=beta)
    for delta in (0.7, 1.0):
        freeze("huber_loss", [x, y], [0, 1], reduction=reduction, delta=delta)
    freeze("huber_loss", [x, y], [0], {"weight": RNG.uniform(0.1, 2, (3, 4))}, reduction=reduction, delta=0.7)
    counts = RNG.poisson(2.0, (3, 4)).astype(float)
    for log_input, full in product((True, False), repeat=2):
        rates = normal(3, 4) if log_input else RNG.uniform(0.2, 3, (3, 4))
        freeze("poisson_nll_loss", [rates, counts], [0], log_input=log_input, full=full, reduction=reduction)
    for shape in ((3, 4), (3, 1), (3,)):
        var = np.where(RNG.uniform(size=shape) < 0.2, 0.0, RNG.uniform(0.2, 2, shape))
        freeze("gaussian_nll_loss", [x, y, var], [0, 1, 2], full=shape == (3,), eps=0.1, reduction=reduction)


def classes(reduction: str) -> None:
    """Freeze the losses of classes and probabilities."""
    weights = {"weight": np.array([0.5, 2.0, 1.0, 3.0])}
    for shape, weighted in product(((5, 4), (4,), (2, 4, 3)), (False, True)):
        log_p = torch.log_softmax(torch.tensor(normal(*shape)), 1 if len(shape) > 1 else 0).numpy()
        target = RNG.integers(0, 4, (shape[:1] + shape[2:]) if len(shape) > 1 else ())
        freeze("nll_loss", [log_p, target], [0], weights if weighted else {}, reduction=reduction, ignore_index=1)
    for shape, (p, weighted) in product(((5, 4), (4,)), ((1, False), (2, True))):
        target = RNG.integers(0, 4, shape[:-1])
        scores = [normal(*shape), target]
        freeze("multi_margin_loss", scores, [0], weights if weighted else {}, p=p, margin=0.8, reduction=reduction)
    q = RNG.dirichlet(np.ones(4), 3)
    q[0, 1] = 0.0
    log_p = np.log(RNG.dirichlet(np.ones(4), 3))
    for how in (reduction, "batchmean"):
        freeze("kl_div", [log_p, q], [0], reduction=how)
        freeze("kl_div", [log_p, np.log(RNG.dirichlet(np.ones(4), 3))], [0, 1], reduction=how, log_target=True)
    p = RNG.uniform(0.05, 0.95, (3, 4))
    p[0, 0], p[0, 1] = 0.0, 1.0
    y = RNG.uniform(size=(3, 4))
    y[0, 0], y[0, 1] = 1.0, 1.0
    freeze("binary_cross_entropy", [p, y], [0], reduction=reduction)
    freeze("binary_cross_entropy", [p, y], [0], {"weight": RNG.uniform(size=(4,))}, reduction=reduction)
    freeze("soft_margin_loss", [normal(3, 4), signs(3, 4)], [0], reduction=reduction)
    labels = (RNG.uniform(size=(3, 4)) < 0.5).astype(float)
    freeze("multilabel_soft_margin_loss", [normal(3, 4), labels], [0], reduction=reduction)
    freeze("multilabel_soft_margin_loss", [normal(3, 4), labels], [0], weights, reduction=reduction)


def distances(reduction: str) -> None:
    """Freeze the losses of pairs and triples."""
    for shape, margin in product(((5, 3), (3,)), (0.0, 0.3)):
        pair = [normal(*shape), normal(*shape), signs(*shape[:-1])]
        freeze("cosine_embedding_loss", pair, [0, 1], margin=margin, reduction=reduction)
    for margin in (0.0, 0.4):
        pair = [normal(4, 2), normal(4, 2), signs(4, 2)]
        freeze("margin_ranking_loss", pair, [0, 1], margin=margin, reduction=reduction)
        freeze("hinge_embedding_loss", [normal(4, 3), signs(4, 3)], [0], margin=margin + 0.5, reduction=reduction)
    for p, swap in ((2.0, False), (2.0, True), (1.0, True), (3.0, False), (float("inf"), False)):
        three = [normal(5, 3), normal(5, 3), normal(5, 3)]
        freeze("triplet_margin_loss", three, [0, 1, 2], margin=0.8, p=p, swap=swap, reduction=reduction)
    freeze("triplet_margin_loss", [normal(3), normal(3), normal(3)], [0], margin=4.0, reduction=reduction)


def main() -> None:
    """Write all cases."""
    for reduction in REDUCTIONS:
        regression(reduction)
        classes(reduction)
        distances(reduction)
    for p, keepdim in product((0.0, 1.0, 2.0, 2.5, float("inf")), (False, True)):
        pair = [normal(4, 3), normal(1, 3)]
        freeze("pairwise_distance", pair, [0, 1] if p else [], p=p, keepdim=keepdim, eps=1e-3)
    write(Path(__file__).with_name("more_losses.npz"), CASES, DATA)


if __name__ == "__main__":
    main()
