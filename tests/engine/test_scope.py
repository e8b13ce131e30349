"""Who watches: a default of the process, and an overlay of the running context that always ends."""

import contextvars
import threading

import pytest

from tinytorch import tensor
from tinytorch.core.engine import WATCHERS, Watcher, overlay, phase, watchers


class Diary(Watcher):
    """Writes down name and phase of every operation."""

    def __init__(self):
        self.seen = []

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
        self.seen.append((primitive.name, phase))


@pytest.fixture
def default():
    diary = WATCHERS["scope_test"] = Diary()
    yield diary
    del WATCHERS["scope_test"]


def add_one() -> None:
    tensor([1.0]) + 1.0


def in_thread(function) -> list:
    """Run it in a new thread; return what it returned, or raise what it raised."""
    found: list = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found


def test_the_default_sees_every_thread(default) -> None:
    add_one()
    in_thread(add_one)
    assert default.seen == [("add", "forward")] * 2


def test_an_overlay_adds_switches_off_and_ends(default) -> None:
    extra = Diary()
    with overlay(extra=extra):
        add_one()
        with overlay(scope_test=None, phase="recompute"):
            add_one()
            assert phase() == "recompute" and watchers()["scope_test"] is None
        add_one()
    add_one()
    assert default.seen == [("add", "forward")] * 3
    assert extra.seen == [("add", "forward"), ("add", "recompute"), ("add", "forward")]
    assert phase() == "forward" and watchers() is WATCHERS


def test_an_error_ends_the_overlay(default) -> None:
    with pytest.raises(ZeroDivisionError), overlay("backward", scope_test=None):
        raise ZeroDivisionError
    add_one()
    assert default.seen == [("add", "forward")] and watchers() is WATCHERS


def test_one_overlay_object_may_be_entered_several_times(default) -> None:
    off = overlay(scope_test=None)
    with off, off:
        add_one()
    with off:
        add_one()
    add_one()
    assert default.seen == [("add", "forward")]


def test_a_new_thread_starts_with_the_default(default) -> None:
    with overlay("backward", scope_test=None):
        add_one()
        assert in_thread(phase) == ["forward"]
        in_thread(add_one)
    assert default.seen == [("add", "forward")]


def test_an_overlay_stays_in_its_thread(default) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def elsewhere() -> None:
        with overlay(scope_test=None):
            inside.set()
            go_on.wait(timeout=10)
            add_one()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    inside.wait(timeout=10)
    add_one()
    go_on.set()
    thread.join()
    assert default.seen == [("add", "forward")]


def test_a_copied_context_takes_the_overlay_along(default) -> None:
    with overlay(scope_test=None):
        context = contextvars.copy_context()
    in_thread(lambda: context.run(add_one))
    assert default.seen == []


def test_a_second_watcher_of_one_key_replaces_the_first(default) -> None:
    second = WATCHERS["scope_test"] = Diary()
    add_one()
    assert default.seen == [] and second.seen == [("add", "forward")]
