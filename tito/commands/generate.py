"""`tito generate`: let a trained TinyGPT write."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from tito.commands.context import project_and_course
from tito.console import Json, is_terminal, json_line, printable, say

INTERRUPTED = 130
ENDS = ("result", "stopped", "killed")


def generate(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run's folder (default: the newest).")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="What the text begins with.")] = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="How many tokens to write.")] = 300,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0: always the likeliest token.")] = 0.8,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Of the likeliest K tokens only.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", min=0.0, max=1.0, help="Of the likeliest share P.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Same seed, same text (default: another).")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processors to use.")] = 1,
    as_json: Json = False,
) -> None:
    """Write on where the prompt stops, with the model that `tito train gpt` trained. Ctrl-C ends the text early."""
    from secrets import randbelow

    from tito.training.recipes import TextRecipe
    from tito.training.runs import finished_run
    from tito.training.session import check_modules, write

    project, course = project_and_course()
    check_modules(project, course, TextRecipe)
    model = finished_run(project, "gpt", run)
    chosen = randbelow(2**32) if seed is None else seed
    settings = {"prompt": prompt, "tokens": tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    with closing(write(project, model, {**settings, "seed": chosen}, threads)) as events:
        last = ""
        for event in events:
            last = event["event"]
            if as_json:
                json_line(event | ({"seed": chosen} if last in ENDS else {}))
            else:
                _show(event)
    if last in ("stopped", "killed"):
        raise SystemExit(INTERRUPTED)


def _show(event: dict[str, Any]) -> None:
    """Print the text as it comes; at the end, on a terminal, how fast it came."""
    if event["event"] == "start":
        _put(event["prompt"])
    elif event["event"] == "text":
        _put(event["text"])
    elif event["event"] == "printed":
        print(event["text"], file=sys.stderr)
    elif event["event"] in ENDS:
        _put("\n")
        if is_terminal():
            say((_told(event), "dim"))


def _told(event: dict[str, Any]) -> str:
    """How much was written and how fast, and whether it was stopped."""
    parts = ["stopped"] if event["event"] != "result" else []
    if "tokens" in event:
        parts.append(f"{event['tokens']} tokens")
    if event.get("tokens_per_second"):
        parts.append(f"{event['tokens_per_second']:.0f} a second")
    return ", ".join(parts)


def _put(text: str) -> None:
    """Write text at once; what the output cannot show becomes a question mark, and nothing steers a terminal."""
    encoding = sys.stdout.encoding or "utf-8"
    text = printable(text) if is_terminal() else text
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
