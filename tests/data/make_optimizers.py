"""Make optimizers.npz: trajectories of PyTorch's optimizers, schedulers and clipping, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_optimizers.py`. Everything is float64, so that only real
differences show. Each optimizer takes 20 steps on two parameters with gradients drawn once; each scheduler's learning
rate (and momentum) is written down step by step.
"""

import json
from pathlib import Path

import numpy as np
import torch

STEPS = 20
SHAPES = ((3, 4), (4,))

OPTIMIZERS: dict[str, tuple[str, dict]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd_dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "sgd_maximize": ("SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.01, "maximize": True}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop_momentum": ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.7, "weight_decay": 0.02}),
    "rmsprop_centered": ("RMSprop", {"lr": 0.01, "alpha": 0.95, "centered": True, "eps": 1e-6}),
    "rmsprop_centered_momentum": ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "maximize": True}),
    "adam": ("Adam", {"lr": 0.02}),
    "adam_l2": ("Adam", {"lr": 0.02, "betas": [0.8, 0.99], "weight_decay": 0.1, "eps": 1e-6}),
    "adam_amsgrad": ("Adam", {"lr": 0.02, "betas": [0.9, 0.9], "amsgrad": True}),
    "adam_maximize": ("Adam", {"lr": 0.02, "weight_decay": 0.1, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.02}),
    "adamw_decay": ("AdamW", {"lr": 0.02, "betas": [0.8, 0.95], "weight_decay": 0.3}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True, "betas": [0.9, 0.9]}),
}

SCHEDULERS: dict[str, tuple[str, dict, int]] = {
    "step": ("StepLR", {"step_size": 3, "gamma": 0.5}, 10),
    "step_default": ("StepLR", {"step_size": 4}, 13),
    "cosine": ("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}, 20),
    "one_cycle": ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20}, 20),
    "one_cycle_epochs": (
        "OneCycleLR",
        {
            "max_lr": 0.3,
            "epochs": 3,
            "steps_per_epoch": 7,
            "pct_start": 0.2,
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
        21,
    ),
    "one_cycle_linear": (
        "OneCycleLR",
        {"max_lr": 0.3, "total_steps": 15, "anneal_strategy": "linear", "base_momentum": 0.7, "max_momentum": 0.9},
        15,
    ),
    "one_cycle_still": ("OneCycleLR", {"max_lr": 0.3, "total_steps": 15, "cycle_momentum": False}, 15),
    "one_cycle_three_phase": ("OneCycleLR", {"max_lr": 0.3, "total_steps": 20, "three_phase": True}, 20),
}


def trajectory(kind: str, settings: dict, start: list[np.ndarray], grads: list[np.ndarray]) -> list[np.ndarray]:
    """Return, for each parameter, its values after every step: (STEPS, *shape)."""
    params = [torch.tensor(s, requires_grad=True) for s in start]
    optimizer = getattr(torch.optim, kind)(params, **settings)
    seen: list[list[np.ndarray]] = [[] for _ in params]
    for step in range(STEPS):
        for p, g in zip(params, grads, strict=True):
            p.grad = torch.tensor(g[step])
        optimizer.step()
        for values, p in zip(seen, params, strict=True):
            values.append(p.detach().numpy().copy())
    return [np.stack(values) for values in seen]


def schedule(kind: str, settings: dict, steps: int) -> np.ndarray:
    """Return (steps + 1, 4): lr and momentum of two groups, before the first step and after each."""
    groups = [
        {"params": [torch.zeros(1, requires_grad=True)]},
        {"params": [torch.zeros(1, requires_grad=True)], "lr": 0.2},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = getattr(torch.optim.lr_scheduler, kind)(optimizer, **settings)
    rows = []
    for _ in range(steps + 1):
        rows.append([g[key] for g in optimizer.param_groups for key in ("lr", "momentum")])
        if len(rows) <= steps:
            optimizer.step()
            scheduler.step()
    return np.array(rows)


def adam_one_cycle() -> np.ndarray:
    """Return (11, 2): lr and beta1 of Adam under OneCycleLR."""
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, total_steps=10)
    rows = []
    for step in range(11):
        rows.append([optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"][0]])
        if step < 10:
            optimizer.step()
            scheduler.step()
    return np.array(rows)


def clipped(grads: list[np.ndarray], max_norm: float, norm_type: float) -> tuple[float, list[np.ndarray]]:
    """Return the total norm and the gradients after clip_grad_norm_."""
    params = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.tensor(g)
    total = torch.nn.utils.clip_grad_norm_(params, max_norm, norm_type)
    return total.item(), [p.grad.numpy() for p in params]


def main() -> None:
    """Write optimizers.npz beside this file."""
    rng = np.random.default_rng(10)
    start = [rng.normal(size=s) for s in SHAPES]
    grads = [rng.normal(size=(STEPS, *s)) for s in SHAPES]
    arrays: dict[str, np.ndarray] = {f"start{i}": s for i, s in enumerate(start)} | {
        f"grad{i}": g for i, g in enumerate(grads)
    }
    for name, (kind, settings) in OPTIMIZERS.items():
        for i, values in enumerate(trajectory(kind, settings, start, grads)):
            arrays[f"{name}/{i}"] = values
    for name, (kind, settings, steps) in SCHEDULERS.items():
        arrays[f"schedule/{name}"] = schedule(kind, settings, steps)
    arrays["schedule/adam"] = adam_one_cycle()
    for name, max_norm, norm_type in (
        ("two", 0.7, 2.0),
        ("loose", 100.0, 2.0),
        ("one", 0.7, 1.0),
        ("inf", 0.7, float("inf")),
    ):
        total, after = clipped([g[0] for g in grads], max_norm, norm_type)
        arrays[f"clip/{name}"] = np.array([max_norm, norm_type, total])
        arrays |= {f"clip/{name}/{i}": a for i, a in enumerate(after)}
    cases = {"optimizers": OPTIMIZERS, "schedulers": SCHEDULERS, "torch": torch.__version__}
    np.savez_compressed(Path(__file__).with_name("optimizers.npz"), cases=json.dumps(cases), **arrays)


if __name__ == "__main__":
    main()
