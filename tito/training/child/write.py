"""`python -m tito.training.child.write MODEL SETTINGS`: a trained model writes, piece by piece.

SETTINGS is a JSON object: prompt (may be null), tokens, temperature, top_k, top_p, seed. Events: "start" with the
prompt when the first piece is there, "text" for each piece, at the end "result", or "stopped" if a stop was asked for.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tito.errors import UsageError
from tito.training.child.problem import sentence
from tito.training.child.report import Report, StopRequest


def main(model: Path, settings: dict[str, Any]) -> int:
    """Write until all tokens are there or a stop is asked for."""
    stop = StopRequest()
    report = Report(stop)
    try:
        _write(model, settings, report, stop)
    except KeyboardInterrupt:
        return 130
    except Exception as problem:
        report("error", error=sentence(problem), detail=traceback.format_exc())
        return 1
    return 0


def _write(path: Path, settings: dict[str, Any], report: Report, stop: StopRequest) -> None:
    os.environ.setdefault("TINYTORCH_BACKEND", "numpy")  # to load compiled kernels takes longer than to read a prompt
    from tinytorch.text import load_gpt

    model, tokenizer = load_gpt(path)
    prompt = _beginning(tokenizer, settings["prompt"])
    begun = tokenizer.decode(prompt)
    chosen = {name: settings[name] for name in ("temperature", "top_k", "top_p", "seed")}
    written: list[str] = []
    tokens, started, first = 0, time.perf_counter(), 0.0

    def counted() -> Any:
        nonlocal tokens, first
        for token in model.stream(prompt, settings["tokens"], **chosen):
            tokens += 1
            first = first or time.perf_counter()
            yield token
            if stop.made:
                return

    for text in tokenizer.stream(counted()):
        if not written:
            report("start", prompt=begun)
        written.append(text)
        report("text", text=text)
    ended = time.perf_counter()
    rate = (tokens - 1) / (ended - first) if tokens > 1 else None  # the first token waits for kernels to be loaded
    times = {"seconds": ended - started, "tokens_per_second": rate}
    end = "stopped" if tokens < settings["tokens"] else "result"
    report(end, prompt=begun, text="".join(written), tokens=tokens, **times)


def _beginning(tokenizer: Any, prompt: str | None) -> list[int]:
    """The tokens of the prompt; without one a new line, or the first token there is where the text had no lines."""
    from tinytorch import TinyTorchError

    if prompt == "":
        raise UsageError('expected a prompt of at least one character, found an empty one: add --prompt "ROMEO:"')
    if prompt is not None:
        return list(tokenizer.encode(prompt))
    try:
        return list(tokenizer.encode("\n"))
    except TinyTorchError:  # a character that this tokenizer has not
        return [0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
