"""Children: limits, a module's tests, stubs in place of solutions, and what a run reports."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.tito.toy import Toy
from tito.course.solutions import find_regions, stub_out
from tito.errors import SourceError
from tito.run.child import run_python
from tito.run.module_tests import TestReport, run_module_file, run_module_tests


def report_on(toy: Toy, name: str, find: str = "", replace: str = "", timeout: float = 60.0) -> TestReport:
    """The report on a module in which one place was changed, in memory only."""
    text = toy.dev(name).read_text(encoding="utf-8")
    assert find in text
    return run_module_tests(toy.project, toy.module(name), source=text.replace(find, replace, 1), timeout=timeout)


def test_a_child_reports_its_streams_and_exit_code() -> None:
    result = run_python(["-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"])
    assert (result.returncode, result.stdout, result.stderr, result.ok) == (3, "out\n", "err\n", False)


def test_a_child_gets_no_input() -> None:
    assert "EOFError" in run_python(["-c", "input()"]).stderr


def test_warnings_can_be_errors() -> None:
    code = "import warnings; warnings.warn('x')"
    assert run_python(["-c", code]).ok and not run_python(["-c", code], warnings_as_errors=True).ok


def test_endless_output_is_cut_in_the_middle() -> None:
    result = run_python(["-c", "print('first'); print('x' * 5_000_000); print('last')"], output_limit=10_000)
    assert result.truncated and len(result.stdout) < 11_000
    assert result.stdout.startswith("first") and result.stdout.endswith("last\n") and "dropped" in result.stdout


def test_a_time_limit_kills_the_child_and_its_children(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(60)"
    )
    result = run_python(["-c", code], timeout=2.0)
    assert result.timed_out and not result.ok and result.returncode == -signal.SIGKILL and result.seconds < 20
    assert _gone(int((tmp_path / "pid").read_text()))


def test_a_process_left_behind_does_not_hold_the_parent() -> None:
    code = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('done')"
    )
    result = run_python(["-c", code], timeout=30.0)
    assert result.ok and result.stdout == "done\n" and result.seconds < 20


def _gone(pid: int) -> bool:
    """The process has ended (or is a zombie nobody has waited for) within ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
    return False


def test_tests_run_in_file_order_and_pass(toy: Toy) -> None:
    report = run_module_tests(toy.project, toy.module("alpha"))
    assert report.passed and report.problem == ""
    assert [outcome.name for outcome in report.outcomes] == ["test_table", "test_box", "test_double", "test_module"]


def test_the_main_block_runs_as_a_script(toy: Toy) -> None:
    result = run_module_file(toy.project, toy.module("beta"))
    assert result.ok and result.stdout == "45\nbeta done\n", result.stderr


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
def test_every_stub_fails_by_name_on_every_route(toy: Toy, name: str) -> None:
    module = toy.module(name)
    text = toy.dev(name).read_text(encoding="utf-8")
    for region in find_regions(text, module.dev_name):
        message = f"{region.qualname}: not implemented yet"
        stubbed = stub_out(text, region)
        report = run_module_tests(toy.project, module, source=stubbed)
        assert not report.passed and not report.problem
        assert report.failures[0].exception == "NotImplementedError" and report.failures[0].message == message
        script = run_module_file(toy.project, module, source=stubbed)
        assert script.returncode == 1 and f"NotImplementedError: {message}" in script.stderr
    assert toy.dev(name).read_text(encoding="utf-8") == text


def test_a_failure_says_which_test_why_and_where(toy: Toy) -> None:
    report = report_on(toy, "gamma", "Box(-box.value)", "Box(box.value)")
    failure = report.failures[0]
    line = toy.dev("gamma").read_text(encoding="utf-8").split("assert minus")[0].count("\n") + 1
    assert str(failure) == f"test_minus: AssertionError: minus: of 2 is -2 (gamma_dev.py:{line})"
    assert "assert minus(Box(2)).value == -2" in failure.traceback and "child_tests.py" not in failure.traceback
    assert [outcome.passed for outcome in report.outcomes] == [False, False]


def test_the_exported_copy_never_stands_in(toy: Toy) -> None:
    from tito.export import export

    export(toy.project, toy.course, toy.course.modules)
    text = toy.dev("alpha").read_text(encoding="utf-8")
    for region in find_regions(text, "alpha_dev.py"):
        stubbed = stub_out(text, region)
        assert not run_module_tests(toy.project, toy.module("alpha"), source=stubbed).passed
        assert not run_module_file(toy.project, toy.module("alpha"), source=stubbed).ok
    report = report_on(toy, "alpha", "class Box:", "from tinytorch.core.alpha import Box\n\n\nclass Mine:")
    assert report.exception == "ModuleNotFoundError" and "No module named 'tinytorch.core'" in report.problem


@pytest.mark.parametrize(
    ("statement", "exception", "message"),
    [
        ("import os; os._exit(0)", "SystemExit", r"ended in test_minus\(\) \(exit code 0\)"),
        ("import os; os.kill(os.getpid(), 11)", "SystemExit", r"ended in test_minus\(\) \(signal 11\)"),
        ("raise SystemExit(0)", "SystemExit", "^0$"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "^$"),
        ("raise ValueError('one\\ntwo')", "ValueError", "^one$"),
    ],
)
def test_a_test_cannot_end_the_run_unseen(toy: Toy, statement: str, exception: str, message: str) -> None:
    import re

    report = report_on(toy, "gamma", "    assert minus", f"    {statement}\n    assert minus")
    assert not report.passed
    failure = report.failures[0]
    assert failure.name == "test_minus" and failure.exception == exception and re.search(message, failure.message)


def test_a_loop_without_end_names_the_test_that_runs(toy: Toy) -> None:
    report = report_on(
        toy, "gamma", "    assert minus", "    while True: print('x' * 1000)\n    assert minus", timeout=5.0
    )
    assert report.problem.startswith("expected the tests to end within 5 s, found test_minus() still running")
    assert report.failures[0].exception == "TimeoutError"


def test_a_module_that_ends_python_while_imported(toy: Toy) -> None:
    report = report_on(toy, "gamma", "def analyze", "import os\n\nos._exit(0)\n\n\ndef analyze")
    assert not report.passed and "ended in importing the module (exit code 0)" in report.problem
    report = report_on(toy, "gamma", "def analyze", "raise SystemExit(0)\n\n\ndef analyze")
    assert not report.passed and "found SystemExit at gamma_dev.py:" in report.problem


def test_no_tests_are_no_success(toy: Toy) -> None:
    report = run_module_tests(toy.project, toy.module("gamma"), source="x = 1\n")
    assert not report.passed and report.problem.endswith("found none: restore the test cells")


def test_imported_tests_do_not_count(toy: Toy) -> None:
    (toy.dev("gamma").parent / "other.py").write_text("def test_other():\n    pass\n")
    report = run_module_tests(toy.project, toy.module("gamma"), source="from other import test_other\n")
    assert not report.passed and "found none" in report.problem


def test_a_syntax_error_is_a_failed_import(toy: Toy) -> None:
    report = report_on(toy, "gamma", "def minus(box):", "def minus(box:")
    assert report.exception == "SyntaxError" and "gamma_dev.py:" in report.problem and not report.passed


def test_a_broken_earlier_module_is_named(toy: Toy) -> None:
    toy.edit("alpha", "def add_kernel(a, b):", "def add_kernel(a, b:")
    with pytest.raises(SourceError, match=r"modules/source/01_alpha/alpha_dev.py, line \d+"):
        run_module_tests(toy.project, toy.module("gamma"))


def test_what_a_test_prints_is_kept_apart(toy: Toy) -> None:
    report = report_on(toy, "gamma", "    assert minus", "    print('seen')\n    assert minus")
    assert report.passed and report.outcomes[0].output == "seen\n" and report.output == ""


def test_student_code_is_never_imported_here(toy: Toy) -> None:
    before = set(sys.modules)                  # tests of the framework in this process may have imported it themselves
    run_module_tests(toy.project, toy.module("alpha"))
    new = set(sys.modules) - before
    assert not {name for name in new if name.split(".")[0] in ("alpha_dev", "tinytorch")}, sorted(new)
