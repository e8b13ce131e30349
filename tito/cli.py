"""The `tito` command: one application; every error is one sentence, Ctrl-C is one line, only success exits with 0."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from tito import __version__, console, streams
from tito.commands import bench, checkpoint, course, data, generate, milestone, module, system, train
from tito.errors import TitoError

INTERRUPTED = 130
USAGE = 2

app = typer.Typer(
    name="tito",
    no_args_is_help=True,
    rich_markup_mode="rich" if console.is_terminal() else None,
    pretty_exceptions_enable=False,
    help="Build a deep-learning framework, module by module, and put it to work.",
)
app.add_typer(system.app, name="system", help="Check the installation; protect the generated package.")
app.add_typer(module.app, name="module", help="Test, export and complete the modules you write.")
app.add_typer(checkpoint.app, name="checkpoint", help="Ask what your framework can do: “Can I …?”")
app.add_typer(data.app, name="data", help="Get and check the data sets.")
app.add_typer(train.app, name="train", help="Train real models with the framework you built.")
app.command(name="generate", help="Let a trained TinyGPT write on where your prompt stops.")(generate.generate)
app.add_typer(milestone.app, name="milestone", help="Rebuild the milestones of the field, from 1957 on.")
app.add_typer(bench.app, name="bench", help="Measure what your kernels bring on this machine.")
app.add_typer(course.app, name="course", help="Check the course's own files.")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tito {__version__}")
        raise typer.Exit


@app.callback()
def tito(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show tracebacks and full output; may stand anywhere.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that every command shares."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    verbose = "--verbose" in given
    if verbose:
        given = ["--verbose", *(argument for argument in given if argument != "--verbose")]
    _end_like_ctrl_c("SIGTERM", "SIGHUP")
    sys.exit(_run(given, verbose))


def _end_like_ctrl_c(*names: str) -> None:
    """A closed terminal or `kill` leaves things as Ctrl-C does: children ended, nothing half done."""
    for name in names:
        number = getattr(signal, name, None)  # Windows has fewer
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _run(arguments: list[str], verbose: bool) -> int:
    try:
        code = _command(arguments, verbose)
        streams.finish()
        return code
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except BrokenPipeError:
        streams.abandon()
        return 1  # nobody reads our output any more, and nobody is told
    except OSError as problem:  # the output itself cannot be written
        streams.abandon()
        console.error(f"expected to print the result, {_found(problem)}")
        return 1


def _command(arguments: list[str], verbose: bool) -> int:
    try:
        code = app(arguments, prog_name="tito", standalone_mode=False)
    except TitoError as problem:
        return _fail(str(problem), arguments, verbose, problem.exit_code, problem.detail)
    except typer.Abort:
        return _interrupted(arguments)
    except BrokenPipeError:
        raise
    except OSError as problem:
        return _fail(f"expected to read and write files, {_found(problem)}", arguments, verbose)
    except Exception as problem:
        if hasattr(problem, "format_message"):  # the parser's: a wrong option or argument, or none at all
            return _wrong_usage(problem, arguments)
        cause = f"{type(problem).__name__}: {problem}".rstrip(": ")
        return _fail(
            f"tito met an error that it did not expect ({cause}); add --verbose to see where.", arguments, verbose
        )
    if code == INTERRUPTED:
        return _interrupted(arguments)
    return code if isinstance(code, int) else 0


def _fail(sentence: str, arguments: list[str], verbose: bool, code: int = 1, detail: str = "") -> int:
    if verbose:
        traceback.print_exc()
        print(detail, file=sys.stderr)
    _fail_json(sentence, arguments)
    console.error(sentence)
    return code


def _found(problem: OSError) -> str:
    from tito.files import explain_os_error

    return explain_os_error(problem)


def _wrong_usage(problem: Any, arguments: list[str]) -> int:
    """What the parser says, and where to look; without any argument it is the help itself."""
    if type(problem).__name__ == "NoArgsIsHelpError":
        problem.show()
        return USAGE
    command = problem.ctx.command_path if getattr(problem, "ctx", None) else "tito"
    sentence = f"{problem.format_message().rstrip('.')}: see `{command} --help`."
    return _fail(sentence, arguments, verbose=False, code=USAGE)


def _fail_json(sentence: str, arguments: list[str]) -> None:
    if "--json" in arguments:
        console.json_line({"event": "error", "error": sentence})


def _interrupted(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C has nothing left to stop
    sentence = "Interrupted: what was finished is kept, what was under way is left as it was before."
    _fail_json(sentence, arguments)
    console.error(sentence)
    return INTERRUPTED
