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


@dataclass(frozen=True)
class TextRecipe:
    """A text and the settings with which a TinyGPT is trained on it.

    `text`: "tinyshakespeare", which generated plays replace when it cannot be had, or the path of a text file.
    `tokenizer`: "characters", or "bytes" for byte pairs, at most `vocab_size` of them. `layers` … `norm`: as in
    GPTConfig. The learning rate climbs to `lr` in `warmup` steps, then falls along a cosine to a tenth.
    """

    name: str
    text: str
    tokenizer: str
    vocab_size: int
    context: int
    layers: int
    heads: int
    width: int
    dropout: float
    positions: str
    norm: str
    bias: bool
    steps: int
    batch_size: int
    lr: float
    warmup: int
    weight_decay: float
    clip_norm: float

    @property
    def checks(self) -> int:
        """How often the validation loss is measured: at most eight times, at equal distances."""
        return max(count for count in range(1, 9) if self.steps % count == 0)


AnyRecipe = Recipe | TextRecipe

RECIPES: dict[str, AnyRecipe] = {
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
        # Four blocks of width 128 on 64 characters: two thousand steps, a few minutes.
        TextRecipe(
            name="gpt",
            text="tinyshakespeare",
            tokenizer="characters",
            vocab_size=512,
            context=64,
            layers=4,
            heads=4,
            width=128,
            dropout=0.0,
            positions="rotary",
            norm="rms",
            bias=False,
            steps=2000,
            batch_size=12,
            lr=2e-3,
            warmup=100,
            weight_decay=0.1,
            clip_norm=1.0,
        ),
    )
}


def recipe(name: str) -> AnyRecipe:
    """The recipe called `name`. Raises UsageError with the known names."""
    if name not in RECIPES:
        raise UsageError(f"expected a recipe out of {', '.join(RECIPES)}, found {name!r}: see `tito train --help`")
    return RECIPES[name]


def adjusted(base: AnyRecipe, given: Mapping[str, int | float | str]) -> AnyRecipe:
    """The recipe with those of its numbers replaced that were given; other settings of a run are passed over."""
    own = {field.name for field in fields(base)}
    changes: dict[str, Any] = {key: value for key, value in given.items() if key in own}
    if "epochs" in given and isinstance(base, Recipe):
        changes["fallback_epochs"] = given["epochs"]
    if "steps" in changes and "warmup" not in changes and isinstance(base, TextRecipe):
        changes["warmup"] = min(base.warmup, changes["steps"] // 10)  # a short run must not end while the rate climbs
    return replace(base, **changes)
