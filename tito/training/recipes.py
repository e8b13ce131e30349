"""What `tito train` trains, and how: numbers only, so that a run can be written down and repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from tito.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """A data set and the settings with which the reference CNN is trained on it.

    `fallback`: the embedded data set that stands in when the real one cannot be had. `lr`: the highest learning
    rate of a one-cycle schedule, reached after `warmup` of all steps. `clip_norm`: longer gradients are shortened
    to it; in a run of few steps the rate rises fast, and without that the weights are thrown far off at the start.
    `crop`: pixels by which a training image is shifted at most (0: none). `flip`: whether it may be mirrored.
    """

    name: str
    dataset: str
    fallback: str
    epochs: int
    fallback_epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    label_smoothing: float
    warmup: float
    clip_norm: float
    crop: int
    flip: bool


RECIPES = {
    recipe.name: recipe
    for recipe in (
        # Five epochs of SGD with Nesterov momentum and one learning-rate cycle (Smith and Topin, "Super-convergence",
        # 2018). The numbers were found on the 50,000 real images: see docs/decisions/0009-the-cifar10-recipe.md.
        Recipe(
            name="cifar10",
            dataset="cifar10",
            fallback="synthetic",
            epochs=5,
            fallback_epochs=5,
            batch_size=128,
            lr=0.1,
            momentum=0.9,
            weight_decay=5e-4,
            label_smoothing=0.1,
            warmup=0.3,
            clip_norm=2.0,
            crop=2,
            flip=True,
        ),
        # Digits must not be mirrored, and lie well centred: no augmentation.
        Recipe(
            name="mnist",
            dataset="mnist",
            fallback="digits",
            epochs=2,
            fallback_epochs=20,  # of a fortieth of the images
            batch_size=128,
            lr=0.1,
            momentum=0.9,
            weight_decay=5e-4,
            label_smoothing=0.0,
            warmup=0.3,
            clip_norm=2.0,
            crop=0,
            flip=False,
        ),
    )
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`. Raises UsageError with the known names."""
    if name not in RECIPES:
        raise UsageError(f"expected a recipe out of {', '.join(RECIPES)}, found {name!r}: see `tito train --help`")
    return RECIPES[name]


def adjusted(base: Recipe, given: Mapping[str, int | float]) -> Recipe:
    """The recipe with those of its numbers replaced that were given; other settings of a run are passed over."""
    own = {field.name for field in fields(base)}
    changes: dict[str, Any] = {key: value for key, value in given.items() if key in own}
    if "epochs" in given:
        changes["fallback_epochs"] = given["epochs"]
    return replace(base, **changes)
