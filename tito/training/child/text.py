"""Which text a run trains on: Shakespeare, the user's own file, or generated plays that stand in for Shakespeare."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tito.errors import UsageError
from tito.training.child.report import Report, StopRequest
from tito.training.recipes import TextRecipe

SHAKESPEARE, GENERATED = "tinyshakespeare", "generated"
TITLES = {SHAKESPEARE: "tinyshakespeare", GENERATED: "generated plays"}
GENERATED_CHARACTERS = 400_000


@dataclass(frozen=True)
class Text:
    """A text. `source`: a key of TITLES, or the path of a file; `why` says why it is not the one asked for."""

    source: str
    why: str
    text: str

    @property
    def title(self) -> str:
        """What people call it."""
        return TITLES.get(self.source, Path(self.source).name)

    @property
    def sha256(self) -> str:
        """By which a resumed run knows it again."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def choose_text(recipe: TextRecipe, report: Report, stop: StopRequest, source: str | None) -> Text:
    """The text of a run. `source`: what the run used before it was stopped. Raises UsageError, TinyTorchError."""
    if recipe.text != SHAKESPEARE:
        return Text(recipe.text, "", _file(Path(recipe.text)))
    if source == GENERATED:
        return _generated("as before the stop")
    real = _shakespeare(report, stop)
    if isinstance(real, Text):
        return real
    if source is not None:
        raise UsageError(
            f"expected {TITLES[SHAKESPEARE]}, on which this run was started, found that it cannot be had any more "
            f"({real}): bring it back, or start a new run"
        )
    return _generated(f"{TITLES[SHAKESPEARE]} could not be had: {real}")


def _shakespeare(report: Report, stop: StopRequest) -> Text | str:
    """The real text, downloaded if need be; or the sentence that says why it cannot be had."""
    from tinytorch.given.downloads import fetch
    from tinytorch.given.image_files import DataCorrupt
    from tinytorch.given.text_files import read_tinyshakespeare
    from tinytorch.given.transfer import DownloadError

    def progress(file: str, done: int, total: int) -> None:
        stop.check()
        report.live("download", file=file, done=done, total=total, last=done == total)

    try:
        return Text(SHAKESPEARE, "", read_tinyshakespeare(fetch(SHAKESPEARE, progress=progress)))
    except (DownloadError, DataCorrupt) as problem:
        return str(problem)


def _generated(why: str) -> Text:
    from tinytorch.datasets import synthetic_text

    return Text(GENERATED, why, synthetic_text(GENERATED_CHARACTERS))


def _file(path: Path) -> str:
    """A text file of the user's, without the mark that some editors put in front."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"expected a text file at {path}, found: {error.strerror}: name another one") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"expected a text in UTF-8 in {path}, found byte {error.object[error.start]:#04x} at {error.start}: "
            "convert the file first"
        ) from error
