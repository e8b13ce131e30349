"""Network, optimizer and schedule of a recipe, and how many epochs fit into a budget of time."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any

from tito.training.child.images import Images
from tito.training.child.report import StopRequest
from tito.training.recipes import Recipe
from tito.training.runs import Job

TRIAL_STEPS = 6
TEST_BATCH = 500
SPARE = 0.9  # of the budget: the rest is for saving, for the final evaluation and for a machine that slows down


@dataclass
class Kit:
    """All that is trained, and with what."""

    model: Any
    loss: Any
    optimizer: Any
    scheduler: Any
    train_loader: Any
    test_loader: Any


def steps_per_epoch(images: Images, recipe: Recipe) -> int:
    """Batches in an epoch, a short last one included."""
    return math.ceil(len(images.train) / recipe.batch_size)


def build(job: Job[Recipe], images: Images, epochs: int) -> Kit:
    """Everything of a run at its start: the same for the same job, images and number of epochs."""
    from tinytorch import Generator, manual_seed
    from tinytorch.nn import CrossEntropyLoss
    from tinytorch.optim import SGD
    from tinytorch.optim.lr_scheduler import OneCycleLR
    from tinytorch.utils.data import DataLoader

    recipe = job.recipe
    manual_seed(job.seed)
    model = _network(images)
    optimizer = SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )
    total = epochs * steps_per_epoch(images, recipe)
    scheduler = OneCycleLR(
        optimizer, max_lr=recipe.lr, total_steps=total, pct_start=recipe.warmup, cycle_momentum=False
    )
    order = Generator(job.seed)
    return Kit(
        model=model,
        loss=CrossEntropyLoss(label_smoothing=recipe.label_smoothing),
        optimizer=optimizer,
        scheduler=scheduler,
        train_loader=DataLoader(images.train, batch_size=recipe.batch_size, shuffle=True, generator=order),
        test_loader=DataLoader(images.test, batch_size=TEST_BATCH),
    )


def _network(images: Images) -> Any:
    from tinytorch.models import SmallCNN

    channels, size = images.shape
    return SmallCNN(in_channels=channels, num_classes=len(images.train.classes), image_size=size)


def describe_optimizer(recipe: Recipe) -> str:
    """The optimizer in words."""
    name = "SGD with Nesterov momentum" if recipe.momentum else "SGD"
    return f"{name}, one cycle up to a learning rate of {recipe.lr:g}"


def epochs_that_fit(job: Job[Recipe], images: Images, stop: StopRequest) -> tuple[int, str]:
    """How many epochs to plan for, and why not as many as the recipe has ("" if it is as many).

    The time of a step is measured on a network that is thrown away; the run itself starts from its seed afterwards.
    """
    real = images.source == job.recipe.dataset
    wanted = job.recipe.epochs if real else job.recipe.fallback_epochs
    if job.minutes is None:
        return wanted, ""
    step, check = _measure(job, images, stop)
    epoch = step * steps_per_epoch(images, job.recipe) + check * math.ceil(len(images.test) / TEST_BATCH)
    fitting = int(job.minutes * 60 * SPARE / epoch)
    count = max(1, min(wanted, fitting))
    if fitting >= wanted:
        return count, ""
    measured = f"an epoch takes about {epoch:.0f} s here"
    if fitting == 0:
        return 1, f"{measured}, so not even one fits into {job.minutes:g} minutes; one is trained all the same."
    return count, f"{measured}, so {count} of {wanted} fit into {job.minutes:g} minutes."


def _measure(job: Job[Recipe], images: Images, stop: StopRequest) -> tuple[float, float]:
    """Median seconds of a training step, and of a batch of the evaluation."""
    from tinytorch import no_grad

    kit = build(job, images, 1)
    steps: list[float] = []
    batches = iter(kit.train_loader)
    for _ in range(min(TRIAL_STEPS, len(kit.train_loader))):
        stop.check()
        start = time.perf_counter()
        x, y = next(batches)
        kit.optimizer.zero_grad()
        kit.loss(kit.model(x), y).backward()
        kit.optimizer.step()
        steps.append(time.perf_counter() - start)
    kit.model.eval()
    start = time.perf_counter()
    with no_grad():
        x, _ = next(iter(kit.test_loader))
        kit.model(x)
    return statistics.median(steps), time.perf_counter() - start
