"""(i) The network of (h) writes 127 characters behind one, with a cache of keys and values; batch 1, the likeliest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.libraries import Library
from benchmarks.workloads.gpt import CONTEXT, HEADS, LAYERS, WIDTH, network

FIRST = 1


def prepare(library: Library) -> Callable[[], float]:
    """Write a text; its value is a sum that no other text is likely to have."""
    model = library.network(network(library)).eval()
    write = partial(_in_pytorch, library.torch) if library.is_pytorch else _ours
    return lambda: float(sum(place * token for place, token in enumerate(write(model), 1)))


def _ours(model: Any) -> list[int]:
    text: list[int] = model.generate([[FIRST]], CONTEXT - 1, temperature=0)[0]
    return text


def _in_pytorch(torch: Any, model: Any) -> list[int]:
    shape = (1, HEADS, CONTEXT, WIDTH // HEADS)
    with torch.inference_mode():
        caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(LAYERS)]
        token, text = torch.tensor([[FIRST]]), [FIRST]
        for place in range(CONTEXT - 1):
            token = model(token, caches, place)[:, -1].argmax(-1, keepdim=True)
            text.append(int(token))
    return text
