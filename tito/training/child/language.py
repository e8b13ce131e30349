"""Tokenizer, model, optimizer and schedule of a text recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from tito.errors import UsageError
from tito.training.child.text import Text
from tito.training.recipes import TextRecipe
from tito.training.runs import Job

Module: Any = import_module("tinytorch.nn").Module
HELD_OUT = 10  # one in ten characters, the last ones, is for validation
SAMPLED = 200  # windows of the validation text that a check in between looks at
CHECK_BATCH = 50


class ByClass(Module):  # type: ignore[misc]
    """A GPT with its logits as (N, classes, L), where the Trainer looks for classes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Any) -> Any:
        """Logits (N, vocab_size, L)."""
        return self.model(tokens).transpose(1, 2)


def loss_by_class(logits: Any, targets: Any) -> Any:
    """The loss of such logits."""
    from tinytorch.text import next_token_loss

    return next_token_loss(logits.transpose(1, 2), targets)


@dataclass
class TextKit:
    """All that is trained, and with what. `bytes_per_token`: of the validation text."""

    tokenizer: Any
    model: Any
    network: Any
    optimizer: Any
    scheduler: Any
    train_loader: Any
    check_loader: Any
    final_loader: Any
    train: Any
    held_out: Any
    bytes_per_token: float


def build(job: Job[TextRecipe], text: Text) -> TextKit:
    """Everything of a run at its start: the same for the same job and text."""
    import numpy as np

    from tinytorch import Generator, manual_seed
    from tinytorch.datasets import TokenDataset
    from tinytorch.optim.lr_scheduler import LambdaLR
    from tinytorch.text import warmup_cosine
    from tinytorch.utils.data import DataLoader, RandomSampler

    recipe = job.recipe
    cut = len(text.text) - len(text.text) // HELD_OUT
    tokenizer = _tokenizer(recipe, text.text, text.text[:cut])
    train, held_out = (np.array(tokenizer.encode(part)) for part in (text.text[:cut], text.text[cut:]))
    _check_length(recipe, text, len(held_out))
    manual_seed(job.seed)
    model = _model(recipe, tokenizer.vocab_size)
    optimizer = _optimizer(recipe, model)
    windows = TokenDataset(train, recipe.context)
    final = TokenDataset(held_out, recipe.context, stride=recipe.context)
    check = TokenDataset(held_out, recipe.context, stride=max(recipe.context, len(held_out) // SAMPLED))
    draws = recipe.steps // recipe.checks * recipe.batch_size
    sampler = RandomSampler(windows, replacement=True, num_samples=draws, generator=Generator(job.seed))
    return TextKit(
        tokenizer=tokenizer,
        model=model,
        network=ByClass(model),
        optimizer=optimizer,
        scheduler=LambdaLR(optimizer, partial(warmup_cosine, warmup=recipe.warmup, steps=recipe.steps)),
        train_loader=DataLoader(windows, batch_size=recipe.batch_size, sampler=sampler),
        check_loader=DataLoader(check, batch_size=CHECK_BATCH),
        final_loader=DataLoader(final, batch_size=CHECK_BATCH),
        train=train,
        held_out=held_out,
        bytes_per_token=len(text.text[cut:].encode("utf-8", "surrogatepass")) / len(held_out),
    )


def _check_length(recipe: TextRecipe, text: Text, held_out: int) -> None:
    """Refuse a text of which byte pairs leave too little; there is more to train on than to validate with."""
    if held_out <= recipe.context:
        raise UsageError(
            f"expected more than {recipe.context} tokens of {text.title} for validation, as the context is, found "
            f"{held_out}: name a longer text, a smaller --context, or a smaller --vocab-size"
        )


def _tokenizer(recipe: TextRecipe, text: str, train: str) -> Any:
    """Characters of the whole text, or byte pairs learned from its first part."""
    from tinytorch.text import BPETokenizer, CharTokenizer

    return CharTokenizer(text) if recipe.tokenizer == "characters" else BPETokenizer.train(train, recipe.vocab_size)


def _model(recipe: TextRecipe, vocab_size: int) -> Any:
    from tinytorch.models import GPTConfig, TinyGPT

    own = ("context", "layers", "heads", "width", "dropout", "positions", "norm", "bias")
    return TinyGPT(GPTConfig(vocab_size, **{name: getattr(recipe, name) for name in own}))


def _optimizer(recipe: TextRecipe, model: Any) -> Any:
    """AdamW; matrices decay, biases and the weights of normalisations do not."""
    from tinytorch.optim import AdamW

    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99))
