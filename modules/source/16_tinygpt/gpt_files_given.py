"""A TinyGPT on disk: weights, sizes and tokenizer in one file. Nothing is ever unpickled."""

from __future__ import annotations

import os
from typing import Any

from tinytorch.core.engine import DTypeError, TinyTorchError
from tinytorch.given.gpt_config import GPTConfig, config_of, differences, expect_config
from tinytorch.given.serialization import load, save
from tinytorch.given.tokenizer_base import Tokenizer, describe, tokenizer_of

FORMAT = "tinygpt 1"
PARTS = {"config", "tokenizer", "model"}


def save_gpt(path: str | os.PathLike[str], model: Any, tokenizer: Tokenizer) -> None:
    """Write a model and its tokenizer to one file."""
    config = getattr(model, "config", None)
    if not isinstance(config, GPTConfig):
        raise DTypeError(f"save_gpt: expected a TinyGPT, found {type(model).__name__}.")
    if not isinstance(tokenizer, Tokenizer):
        raise DTypeError(f"save_gpt: expected the model's tokenizer, found {type(tokenizer).__name__}.")
    if tokenizer.vocab_size != config.vocab_size:
        raise TinyTorchError(
            f"save_gpt: expected a tokenizer of {config.vocab_size} tokens, as the model has, found one of "
            f"{tokenizer.vocab_size}."
        )
    parts = {"config": config.as_dict(), "tokenizer": describe(tokenizer), "model": model.state_dict()}
    save({"format": FORMAT, **parts}, path)


def read_gpt(path: str | os.PathLike[str], build: Any, expected: Any = None) -> tuple[Any, Tokenizer]:
    """Return the model and the tokenizer that `save_gpt` wrote; `build` makes a model of a GPTConfig.

    expected: the GPTConfig that the file must hold, if only that one will do.
    """
    if expected is not None:
        expect_config(expected, "load_gpt's config")
    content = load(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT or not set(content) >= PARTS:
        raise TinyTorchError(
            f"load_gpt: expected a file written by save_gpt, found something else in {path}: is it the state of a "
            "training run, or another kind of model?"
        )
    config = config_of(content["config"], str(path))
    if expected is not None and config != expected:
        raise TinyTorchError(
            f"load_gpt: expected the architecture asked for, found another in {path}: {differences(expected, config)}."
        )
    model = build(config)
    model.load_state_dict(content["model"])
    tokenizer = tokenizer_of(content["tokenizer"], str(path))
    if tokenizer.vocab_size != config.vocab_size:
        raise TinyTorchError(
            f"load_gpt: expected a tokenizer of {config.vocab_size} tokens, as the model has, found one of "
            f"{tokenizer.vocab_size} in {path}."
        )
    return model.eval(), tokenizer
