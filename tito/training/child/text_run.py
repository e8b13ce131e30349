"""The run of a text: from its folder to its result, with a sample at every check."""

from __future__ import annotations

import json
import math
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tito.errors import UsageError
from tito.files import atomic_write
from tito.training.child.best import Best
from tito.training.child.follow import Follow, Save
from tito.training.child.language import TextKit, build, loss_by_class
from tito.training.child.report import Report, StopRequest
from tito.training.child.text import Text, choose_text
from tito.training.recipes import TextRecipe
from tito.training.runs import MODEL, PLAN, RESULT, STATE, Job, read_plan

CURVE = "loss_curve.png"
SAMPLE_TOKENS, SAMPLE_TEMPERATURE = 160, 0.8


def run_text(job: Job[TextRecipe], folder: Path, report: Report, stop: StopRequest) -> None:
    """Text, plan, training, outcome."""
    started = time.monotonic()
    plan = read_plan(folder, "source", "sha256", "bigram_loss")
    text = choose_text(job.recipe, report, stop, plan["source"] if plan else None)
    _check_text(text, plan, job.recipe)
    stop.check()
    kit = build(job, text)
    counts = {"train": len(kit.train), "test": len(kit.held_out), "vocabulary": kit.tokenizer.vocab_size}
    report("data", source=text.source, title=text.title, why=text.why, characters=len(text.text), **counts)
    plan = plan or _plan(kit, text, folder)
    report("baseline", loss=plan["bigram_loss"])
    trainer, follow, best = _trainer(job.recipe, kit, folder, report, stop, started)
    report(
        "plan",
        steps=job.recipe.steps,
        checks=job.recipe.checks,
        network=type(kit.model).__name__,
        parameters=sum(p.numel() for p in kit.model.parameters()),
        start=trainer.steps,
    )
    stop.check()
    trainer.fit(kit.train_loader, kit.check_loader, epochs=job.recipe.checks)
    if trainer.epoch < job.recipe.checks:
        report("stopped", step=trainer.steps, steps=job.recipe.steps)
        return
    kept = best.put_back(trainer)
    result = _conclude(kit, text, trainer, follow, folder) | {"kept_step": kept, "bigram_loss": plan["bigram_loss"]}
    result |= {"validation_loss": result.pop("final_loss"), "seconds": follow.seconds}
    atomic_write(folder / RESULT, json.dumps(result, indent=1) + "\n")
    best.path.unlink(missing_ok=True)
    report("result", **result, texts=_texts(result))


def _check_text(text: Text, plan: dict[str, Any] | None, recipe: TextRecipe) -> None:
    """Refuse a text that is too short, or another one than before the stop."""
    least = 20 * (recipe.context + 1)
    if len(text.text) < least:
        raise UsageError(
            f"expected a text of at least {least:,} characters for a context of {recipe.context}, found "
            f"{len(text.text):,} in {text.title}: name a longer one, or a smaller --context"
        )
    if plan is not None and plan["sha256"] != text.sha256:
        raise UsageError(
            f"expected {text.title} as it was when this run was started, found that it has changed: bring it back, or "
            "start a new run"
        )


def _plan(kit: TextKit, text: Text, folder: Path) -> dict[str, Any]:
    """Write down what a resumed run must find again."""
    from tinytorch.text import bigram_loss

    loss = float(bigram_loss(kit.train, kit.held_out, kit.tokenizer.vocab_size))
    plan = {"source": text.source, "sha256": text.sha256, "bigram_loss": loss}
    atomic_write(folder / PLAN, json.dumps(plan, indent=2) + "\n")
    return plan


class FollowText(Follow):
    """Reports steps and checks of a language model, and what it writes at each check."""

    def __init__(self, report: Report, stop: StopRequest, started: float, kit: TextKit) -> None:
        super().__init__(report, stop, started)
        self.kit = kit

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Report the losses, and a sample."""
        self.epoch_seconds.append(self.running)
        self.running = 0.0
        names = ("train_loss", "validation_loss", "lr")
        losses = {name: metrics[name] for name in names}
        self.report("check", step=trainer.steps, steps=trainer.epochs * trainer.batches, **losses)
        self.report("sample", step=trainer.steps, text=sample(self.kit))


def sample(kit: TextKit) -> str:
    """What the model writes after the first lines of the validation text; the same for the same weights."""
    prompt = kit.held_out[: min(16, kit.model.config.context)].tolist()
    settings = {"temperature": SAMPLE_TEMPERATURE, "seed": 0}
    return str(kit.tokenizer.decode([*prompt, *kit.model.stream(prompt, SAMPLE_TOKENS, **settings)]))


def _trainer(
    recipe: TextRecipe, kit: TextKit, folder: Path, report: Report, stop: StopRequest, started: float
) -> tuple[Any, FollowText, Best]:
    """The Trainer of a run, taken up where the run was saved last; and the callbacks that follow it."""
    from tinytorch.training import Trainer

    follow, best = FollowText(report, stop, started, kit), Best(folder)
    trainer = Trainer(
        kit.network,
        kit.optimizer,
        loss_by_class,
        scheduler=kit.scheduler,
        scheduler_interval="step",
        clip_norm=recipe.clip_norm,
        callbacks=[follow, best, Save(folder / STATE)],
    )
    if (folder / STATE).is_file():
        trainer.load(folder / STATE)
    return trainer, follow, best


def _conclude(kit: TextKit, text: Text, trainer: Any, follow: FollowText, folder: Path) -> dict[str, Any]:
    """Judge the model on the whole validation text, save it and draw the curve; all that there is to say."""
    from tinytorch.text import save_gpt
    from tinytorch.training import evaluate_model

    found = evaluate_model(kit.network, kit.final_loader, loss_by_class)
    save_gpt(folder / MODEL, kit.model, kit.tokenizer)
    pictures = _draw(trainer.history, folder)
    return {
        "source": text.source,
        "title": text.title,
        "steps": trainer.steps,
        "final_loss": found["loss"],
        "bits_per_byte": found["loss"] / math.log(2) / kit.bytes_per_token,
        "history": trainer.history,
        "losses": follow.losses,
        "sample": sample(kit),
        "files": [MODEL, RESULT, *pictures],
    }


def _draw(history: dict[str, list[float]], folder: Path) -> list[str]:
    """The losses as a picture, if matplotlib is installed; the names of the files."""
    from tinytorch.training import plot_training_history

    if find_spec("matplotlib") is None:
        return []
    plot_training_history({key: history[key] for key in ("train_loss", "validation_loss", "lr")}, folder / CURVE)
    return [CURVE]


def _texts(result: dict[str, Any]) -> list[str]:
    """The loss curve for a terminal, and a sample."""
    from tinytorch.given.text_plots import text_curve

    return [text_curve(result["losses"], label="Training loss, step by step"), result["sample"]]
