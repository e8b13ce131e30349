"""`python -m tito.training.child FOLDER`: train the run that lies in FOLDER, from its start or from its last save."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any, cast

from tito.files import atomic_write
from tito.training.child.problem import sentence
from tito.training.child.report import Report, Stopped, StopRequest
from tito.training.recipes import AnyRecipe, Recipe, TextRecipe
from tito.training.runs import PLAN, STATE, Job, read_job, read_plan


def main(folder: Path) -> int:
    """Train, and report how it ended. The exit code is 0 also for a run that was stopped: the last event says so."""
    stop = StopRequest()
    report = Report(stop)
    try:
        _run(read_job(folder), folder, report, stop)
    except Stopped:
        report("stopped", step=0, steps=0)
    except KeyboardInterrupt:  # the second one: the user does not want to wait for the end of the step
        return 130
    except Exception as problem:
        report("error", error=sentence(problem), detail=traceback.format_exc())
        return 1
    return 0


def _run(job: Job[AnyRecipe], folder: Path, report: Report, stop: StopRequest) -> None:
    """Train on images or on a text."""
    if isinstance(job.recipe, TextRecipe):
        from tito.training.child.text_run import run_text

        run_text(cast("Job[TextRecipe]", job), folder, report, stop)
    else:
        run(cast("Job[Recipe]", job), folder, report, stop)


def run(job: Job[Recipe], folder: Path, report: Report, stop: StopRequest) -> None:
    """Images, plan, training, outcome."""
    from tito.training.child.images import choose_images
    from tito.training.child.network import build, describe_optimizer, steps_per_epoch
    from tito.training.child.outcome import conclude, texts, write_result

    started = time.monotonic()
    plan = read_plan(folder, "source", "epochs", "why", "baseline", "neighbours")
    images = choose_images(job, report, stop, plan["source"] if plan else None)
    count = {"train": len(images.train), "test": len(images.test)}
    report("data", source=images.source, title=images.title, why=images.why, **count)
    plan = plan or _plan(job, images, folder, stop)
    if plan["baseline"] is not None:
        report("baseline", accuracy=plan["baseline"], k=plan["neighbours"])
    steps, epochs = steps_per_epoch(images, job.recipe), plan["epochs"]
    kit = build(job, images, epochs)
    trainer, follow = _trainer(job, kit, folder, report, stop, started)
    report(
        "plan",
        epochs=epochs,
        why=plan["why"],
        steps_per_epoch=steps,
        network=type(kit.model).__name__,
        parameters=sum(p.numel() for p in kit.model.parameters()),
        optimizer=describe_optimizer(job.recipe),
        start=trainer.steps,
    )
    stop.check()
    trainer.fit(kit.train_loader, kit.test_loader, epochs=epochs)
    if trainer.epoch < epochs:
        report("stopped", step=trainer.steps, steps=epochs * steps)
        return
    result = conclude(kit, images, trainer, follow, folder) | {"baseline": plan["baseline"], "seconds": follow.seconds}
    write_result(result, folder)
    report("result", **result, texts=texts(result))


def _plan(job: Job[Recipe], images: Any, folder: Path, stop: StopRequest) -> dict[str, Any]:
    """Decide what a resumed run must not decide anew, and write it down."""
    from tito.training.child.images import NEIGHBOURS, neighbour_baseline
    from tito.training.child.network import epochs_that_fit

    baseline = None if images.source == job.recipe.dataset else neighbour_baseline(images)
    stop.check()
    epochs, why = epochs_that_fit(job, images, stop)
    plan = {
        "source": images.source,
        "epochs": epochs,
        "why": why,
        "baseline": baseline,
        "neighbours": NEIGHBOURS,
    }
    atomic_write(folder / PLAN, json.dumps(plan, indent=2) + "\n")
    return plan


def _trainer(
    job: Job[Recipe], kit: Any, folder: Path, report: Report, stop: StopRequest, started: float
) -> tuple[Any, Any]:
    """The Trainer of a run, taken up where the run was saved last; and the callback that follows it."""
    from tinytorch.training import Trainer
    from tito.training.child.follow import Follow, Save

    follow = Follow(report, stop, started)
    trainer = Trainer(
        kit.model,
        kit.optimizer,
        kit.loss,
        scheduler=kit.scheduler,
        scheduler_interval="step",
        clip_norm=job.recipe.clip_norm,
        callbacks=[follow, Save(folder / STATE)],
    )
    if (folder / STATE).is_file():
        trainer.load(folder / STATE)
    return trainer, follow


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
