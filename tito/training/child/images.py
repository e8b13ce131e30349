"""Which images a run trains on: the real ones where they can be had, else embedded ones that stand in for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tito.training.child.report import Report, StopRequest
from tito.training.recipes import Recipe
from tito.training.runs import Job

TITLES = {"cifar10": "CIFAR-10", "mnist": "MNIST", "synthetic": "generated images", "digits": "scikit-learn's digits"}
NEIGHBOURS = 5


@dataclass
class Images:
    """Training and test images. `source` is a key of TITLES; `why` says why it is not the one the recipe asks for."""

    source: str
    why: str
    train: Any
    test: Any

    @property
    def title(self) -> str:
        """What people call the data set."""
        return TITLES[self.source]

    @property
    def shape(self) -> tuple[int, int]:
        """Channels, and height (the images are square)."""
        return self.train.images.shape[1], self.train.images.shape[2]


def choose_images(job: Job[Recipe], report: Report, stop: StopRequest, source: str | None) -> Images:
    """The images of a run, ready for training: shortened, standardised, and varied where the recipe says so.

    `source`: what the run used before it was stopped; it must be had again. Raises TinyTorchError if it cannot.
    """
    images = _found(job.recipe, report, stop, source)
    stop.check()
    _shorten(images.train, job.subset)
    _prepare(images, job.recipe)
    return images


def _found(recipe: Recipe, report: Report, stop: StopRequest, source: str | None) -> Images:
    from tinytorch import TinyTorchError

    title = TITLES[recipe.dataset]
    if source == recipe.fallback:
        return _embedded(recipe, "as before the stop")
    real = _real(recipe, report, stop)
    if isinstance(real, Images):
        return real
    if source is not None:
        raise TinyTorchError(
            f"Expected {title}, on which this run was started, found that it cannot be had any more ({real}): bring it "
            "back, or start a new run."
        )
    return _embedded(recipe, f"{title} could not be had: {real}")


def _real(recipe: Recipe, report: Report, stop: StopRequest) -> Images | str:
    """The recipe's own data set, downloaded if need be; or the sentence that says why it cannot be had."""
    from tinytorch.datasets import CIFAR10, MNIST
    from tinytorch.given.downloads import fetch
    from tinytorch.given.image_files import DataCorrupt
    from tinytorch.given.transfer import DownloadError

    def progress(file: str, done: int, total: int) -> None:
        stop.check()
        report.live("download", file=file, done=done, total=total, last=done == total)

    dataset = {"cifar10": CIFAR10, "mnist": MNIST}[recipe.dataset]
    try:
        fetch(recipe.dataset, progress=progress)
        return Images(recipe.dataset, "", dataset(train=True), dataset(train=False))
    except (DownloadError, DataCorrupt) as problem:
        return str(problem)


def _embedded(recipe: Recipe, why: str) -> Images:
    """The data set that needs no file and no network."""
    from tinytorch.datasets import Digits, SyntheticImages

    if recipe.fallback == "digits":
        return Images("digits", why, Digits(train=True), Digits(train=False))
    return Images("synthetic", why, SyntheticImages(train=True), SyntheticImages(train=False))


def _shorten(dataset: Any, count: int | None) -> None:
    """Keep the first `count` images."""
    if count is not None:
        dataset.images, dataset.labels = dataset.images[:count], dataset.labels[:count]


def _prepare(images: Images, recipe: Recipe) -> None:
    """Standardise all images by the statistics of the training images; shift and mirror those only.

    The shift comes after the standardising, so that what it moves in is the mean colour and not black.
    """
    from tinytorch.core.dataloader import channel_statistics
    from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToFloat

    standardise = [ToFloat(), Normalize(*channel_statistics(images.train.images))]
    vary = []
    if recipe.crop:
        vary.append(RandomCrop(images.shape[1], padding=recipe.crop))
    if recipe.flip:
        vary.append(RandomHorizontalFlip())
    images.train.transform = Compose(standardise + vary)
    images.test.transform = Compose(standardise)


def neighbour_baseline(images: Images) -> float:
    """The accuracy of nearest neighbours on the test images: what any network must beat."""
    from tinytorch.given.neighbours import nearest_neighbour_accuracy

    train, test = images.train, images.test
    return float(nearest_neighbour_accuracy(train.images, train.labels, test.images, test.labels, NEIGHBOURS))
