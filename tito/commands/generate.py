"""`tito generate`: let a trained TinyGPT write."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from tito.commands.context import project_and_course
from tito.console import Json, is_terminal, json_line, printable, say


def generate(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run's folder (default: the newest).")] = None,
    prompt: Annotated[str, typer.Option("--prompt", help="What the text begins with.")] = "\n",
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="How many tokens to write.")] = 300,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0: always the likeliest token.")] = 0.8,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Of the likeliest K tokens only.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", min=0.0, max=1.0, help="Of the likeliest share P.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Same seed, same text (default: another).")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processors to use.")] = 1,
    as_json: Json = False,
) -> None:
    """Write on where the prompt stops, with the model that `tito train gpt` trained."""
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
        if as_json:
            for event in events:
                json_line(event | ({"seed": chosen} if event["event"] == "result" else {}))
            return
        _stream(prompt, events)


def _stream(prompt: str, events: Any) -> None:
    """Print the text as it comes; then how fast it came, on a terminal."""
    before = prompt
    for event in events:
        if event["event"] == "text":
            _put(before + event["text"])
            before = ""
        elif event["event"] == "printed":
            print(event["text"], file=sys.stderr)
        elif event["event"] == "result":
            _put("\n")
            if is_terminal() and event["tokens_per_second"]:
                say((f"{event['tokens']} tokens, {event['tokens_per_second']:.0f} a second", "dim"))


def _put(text: str) -> None:
    """Write text at once; what the output cannot show becomes a question mark, and nothing steers a terminal."""
    encoding = sys.stdout.encoding or "utf-8"
    text = printable(text) if is_terminal() else text
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
