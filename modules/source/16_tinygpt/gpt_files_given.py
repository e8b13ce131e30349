"""A TinyGPT on disk: weights, sizes and tokenizer in one file. Nothing is ever unpickled."""

from __future__ import annotations

import os
from typing import Any

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.gpt_config import config_of, differences
from tinytorch.given.serialization import load, save
from tinytorch.given.tokenizer_base import Tokenizer, describe, tokenizer_of

FORMAT = "tinygpt 1"


def save_gpt(path: str | os.PathLike[str], model: Any, tokenizer: Tokenizer) -> None:
    """Write a model and its tokenizer to one file."""
    if tokenizer.vocab_size != model.config.vocab_size:
        raise TinyTorchError(
            f"save_gpt: expected a tokenizer of {model.config.vocab_size} tokens, as the model has, found one of "
            f"{tokenizer.vocab_size}."
        )
    parts = {"config": model.config.as_dict(), "tokenizer": describe(tokenizer), "model": model.state_dict()}
    save({"format": FORMAT, **parts}, path)


def read_gpt(path: str | os.PathLike[str], build: Any, expected: Any = None) -> tuple[Any, Tokenizer]:
    """Return the model and the tokenizer that `save_gpt` wrote; `build` makes a model of a GPTConfig.

    expected: the GPTConfig that the file must hold, if only that one will do.
    """
    content = load(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
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
    return model.eval(), tokenizer_of(content["tokenizer"], str(path))
