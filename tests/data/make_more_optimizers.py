"""Make more_optimizers.npz: PyTorch's further optimizers and schedulers, and what they do together.

Run with a Python that has PyTorch: `python tests/data/make_more_optimizers.py`. Optimizers take 12 steps in float64 on
two parameters with gradients drawn once. For schedulers the learning rate and momentum of two groups are written down
step by step; a case is a list of schedulers that step one after the other, or are put into a composed one.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.optim import lr_scheduler, swa_utils

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.data import flat_file

STEPS = 12
SHAPES = ((3, 4), (4,))

OPTIMIZERS: dict[str, tuple[str, dict]] = {
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad_all": (
        "Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.3,
                    "maximize": True}
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta_all": ("Adadelta", {"lr": 0.7, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.05, "maximize": True}),
    "adamax": ("Adamax", {"lr": 0.02}),
    "adamax_all": (
        "Adamax", {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1, "maximize": True}
    ),
    "nadam": ("NAdam", {"lr": 0.02}),
    "nadam_all": ("NAdam", {"lr": 0.02, "betas": [0.8, 0.95], "weight_decay": 0.1, "momentum_decay": 0.3}),
    "nadam_apart": ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "radam": ("RAdam", {"lr": 0.02}),
    "radam_all": ("RAdam", {"lr": 0.02, "betas": [0.8, 0.9], "weight_decay": 0.1, "eps": 1e-3}),
    "radam_apart": ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
}

FUNCTIONS = {"slow": lambda t: 0.95**t, "wave": lambda t: 1 + 0.5 * (-1) ** t, "half": lambda t: 0.5}

# name -> (how, schedulers, steps); "together": each is stepped in order; "touched": the user changes the rate at step 5
SCHEDULES: dict[str, tuple[str, list, int]] = {
    "multi": ("together", [("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.5})], 12),
    "exponential": ("together", [("ExponentialLR", {"gamma": 0.9})], 8),
    "constant": ("together", [("ConstantLR", {"factor": 0.25, "total_iters": 4})], 8),
    "linear": ("together", [("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 6})], 9),
    "linear_default": ("together", [("LinearLR", {})], 8),
    "polynomial": ("together", [("PolynomialLR", {"total_iters": 6, "power": 2.0})], 9),
    "lambda": ("together", [("LambdaLR", {"lr_lambda": "wave"})], 6),
    "lambda_two": ("together", [("LambdaLR", {"lr_lambda": ["slow", "wave"]})], 6),
    "multiplicative": ("together", [("MultiplicativeLR", {"lr_lambda": "wave"})], 6),
    "restarts": ("together", [("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01})], 24),
    "restarts_equal": ("together", [("CosineAnnealingWarmRestarts", {"T_0": 4})], 14),
    "cyclic": (
        "together", [("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 5})], 20,
    ),
    "cyclic_halving": (
        "together",
        [("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": [0.5, 0.9], "step_size_up": 3, "mode": "triangular2"})], 20,
    ),
    "cyclic_range": (
        "together",
        [("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9,
                       "base_momentum": 0.6, "max_momentum": 0.95})], 20,
    ),
    "swa": ("together", [("SWALR", {"swa_lr": 0.05, "anneal_epochs": 5})], 9),
    "swa_line": ("together", [("SWALR", {"swa_lr": [0.05, 0.3], "anneal_epochs": 4, "anneal_strategy": "linear"})], 8),
    "two_factors": (
        "together",
        [("LinearLR", {"total_iters": 4}), ("MultiStepLR", {"milestones": [3, 7], "gamma": 0.1})], 11,
    ),
    "step_and_exponential": (
        "together", [("StepLR", {"step_size": 3, "gamma": 0.3}), ("ExponentialLR", {"gamma": 0.9})], 11,
    ),
    "warm_cosine": (
        "together",
        [("ConstantLR", {"factor": 0.5, "total_iters": 3}), ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01})], 10,
    ),
    "multiplied_polynomial": (
        "together",
        [("PolynomialLR", {"total_iters": 20}), ("MultiplicativeLR", {"lr_lambda": "slow"})], 12,
    ),
    "chained": (
        "chained",
        [("ConstantLR", {"factor": 0.1, "total_iters": 2}), ("ExponentialLR", {"gamma": 0.9}), ("LinearLR", {})], 10,
    ),
    "touched": ("touched", [("StepLR", {"step_size": 3, "gamma": 0.5})], 11),
    "touched_linear": ("touched", [("LinearLR", {"start_factor": 0.2, "total_iters": 9})], 11),
    "sequential": (
        "sequential 3 8",
        [("LinearLR", {"start_factor": 0.1, "total_iters": 3}), ("ExponentialLR", {"gamma": 0.8}),
         ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.02})], 15,
    ),
    "sequential_restarts": (
        "sequential 4",
        [("ConstantLR", {"factor": 0.1, "total_iters": 2}), ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2})],
        16,
    ),
    "sequential_multiplied": (
        "sequential 4", [("ExponentialLR", {"gamma": 0.8}), ("MultiplicativeLR", {"lr_lambda": "half"})], 8,
    ),
    "sequential_lambda": (
        "sequential 2", [("PolynomialLR", {"total_iters": 4}), ("LambdaLR", {"lr_lambda": "slow"})], 8,
    ),
}

MEASURES = [1.0, 0.9, 0.95, 0.9, 0.91, 0.89995, 0.92, 0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59, 0.6]
PLATEAUS: dict[str, dict] = {
    "plain": {"patience": 2},
    "cooling": {"patience": 1, "cooldown": 2, "factor": 0.5},
    "bounded": {"patience": 0, "factor": 0.5, "min_lr": [0.03, 0.06]},
    "absolute": {"patience": 1, "threshold": 0.2, "threshold_mode": "abs"},
    "growing": {"mode": "max", "patience": 1, "factor": 0.5},
    "growing_absolute": {"mode": "max", "patience": 1, "threshold": 0.05, "threshold_mode": "abs", "eps": 0.005},
}


def trajectory(kind: str, settings: dict, start: list[np.ndarray], grads: list[np.ndarray]) -> list[np.ndarray]:
    """Return, for each parameter, its values after every step."""
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


def optimizer_of_two_groups() -> torch.optim.Optimizer:
    """Return SGD with the rates 0.1 and 0.2."""
    first, second = ([torch.zeros(1, requires_grad=True)] for _ in range(2))
    return torch.optim.SGD([{"params": first}, {"params": second, "lr": 0.2}], lr=0.1, momentum=0.9)


def make(optimizer: torch.optim.Optimizer, kind: str, settings: dict) -> object:
    """Return a scheduler; functions are given by name."""
    settings = dict(settings)
    if "lr_lambda" in settings:
        named = settings["lr_lambda"]
        settings["lr_lambda"] = [FUNCTIONS[n] for n in named] if isinstance(named, list) else FUNCTIONS[named]
    return getattr(swa_utils if kind == "SWALR" else lr_scheduler, kind)(optimizer, **settings)


def schedule(how: str, parts: list, steps: int) -> np.ndarray:
    """Return (steps + 1, 4): lr and momentum of both groups, before the first step and after each."""
    optimizer = optimizer_of_two_groups()
    made = [make(optimizer, kind, settings) for kind, settings in parts]
    if how == "chained":
        made = [lr_scheduler.ChainedScheduler(made)]
    elif how.startswith("sequential"):
        made = [lr_scheduler.SequentialLR(optimizer, made, [int(m) for m in how.split()[1:]])]
    rows = [[g[key] for g in optimizer.param_groups for key in ("lr", "momentum")]]
    for step in range(steps):
        optimizer.step()
        if how == "touched" and step == 5:
            optimizer.param_groups[0]["lr"] *= 3
        for scheduler in made:
            scheduler.step()
        rows.append([g[key] for g in optimizer.param_groups for key in ("lr", "momentum")])
    return np.array(rows, float)


def plateau(settings: dict) -> np.ndarray:
    """Return the rates of both groups after each of the MEASURES."""
    optimizer = optimizer_of_two_groups()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    rows = []
    for measure in MEASURES:
        optimizer.step()
        scheduler.step(measure)
        rows.append([g["lr"] for g in optimizer.param_groups])
    return np.array(rows)


def averages() -> dict[str, np.ndarray]:
    """Return weights and buffers of averaged models after four updates, and batch-norm statistics from update_bn."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4, 2, 3))
    batches = rng.normal(size=(3, 5, 3)) * 2 + 1
    found = {"weights": values, "batches": batches}
    for name, settings in (
        ("swa", {}),
        ("ema", {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.7)}),
        ("ema_single", {"avg_fn": swa_utils.get_ema_avg_fn(0.9)}),
    ):
        model = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64)
        averaged = swa_utils.AveragedModel(model, **settings)
        for value in values:
            with torch.no_grad():
                model.weight.copy_(torch.tensor(value))
            averaged.update_parameters(model)
        found[name] = averaged.module.weight.detach().numpy()
    norm = torch.nn.BatchNorm1d(3, dtype=torch.float64)
    swa_utils.update_bn([torch.tensor(b) for b in batches], norm)
    found["mean"], found["var"] = norm.running_mean.numpy(), norm.running_var.numpy()
    return found


def main() -> None:
    """Write more_optimizers.npz beside this file."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(11)
    start = [rng.normal(size=s) for s in SHAPES]
    grads = [rng.normal(size=(STEPS, *s)) for s in SHAPES]
    arrays = {f"start{i}": s for i, s in enumerate(start)} | {f"grad{i}": g for i, g in enumerate(grads)}
    for name, (kind, settings) in OPTIMIZERS.items():
        arrays |= {f"{name}/{i}": v for i, v in enumerate(trajectory(kind, settings, start, grads))}
    arrays |= {f"schedule/{name}": schedule(*case) for name, case in SCHEDULES.items()}
    arrays |= {f"plateau/{name}": plateau(settings) for name, settings in PLATEAUS.items()}
    arrays |= {f"average/{name}": values for name, values in averages().items()}
    cases = {
        "optimizers": OPTIMIZERS, "schedules": SCHEDULES, "plateaus": PLATEAUS, "measures": MEASURES,
        "torch": torch.__version__,
    }
    flat_file.write(Path(__file__).with_name("more_optimizers.npz"), cases, arrays)


if __name__ == "__main__":
    main()
