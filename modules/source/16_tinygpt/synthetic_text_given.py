"""A text that needs no file: small plays from a grammar, with rules that no pair of letters can show.

Who speaks is named before the line, and again at its end; a question is answered with its own verb. A model that sees
only the last letter cannot know these; one that looks back can.
"""

from __future__ import annotations

from typing import Any

from tinytorch.given.random import Generator
from tinytorch.given.settings import whole

#| face datasets: synthetic_text

SPEAKERS = ("Ada", "Blaise", "Carl", "Emmy", "Kurt", "Sofya")
VERBS = (("sing", "sang"), ("swim", "swam"), ("write", "wrote"), ("speak", "spoke"), ("ride", "rode"), ("draw", "drew"))
PLACES = ("by the river", "under the old oak", "in the tower", "at the market", "behind the mill", "on the bridge")
TIMES = ("at noon", "in the evening", "before dawn", "all night", "on Sunday", "once a year")
THINGS = ("a small boat", "the grey horse", "seven letters", "an empty cup", "the long road", "a borrowed lamp")


class _Author:
    """Chooses with one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self.generator = Generator(seed)

    def one_of(self, choices: Any) -> Any:
        """Return one of the choices."""
        return choices[int(self.generator.integers(0, len(choices), (1,))[0])]

    def scene(self) -> str:
        """Return a question, its answer and a line that ends with its speaker's name."""
        asks, answers = self.one_of(SPEAKERS), self.one_of(SPEAKERS)
        (now, past), place, time = self.one_of(VERBS), self.one_of(PLACES), self.one_of(TIMES)
        thing, last = self.one_of(THINGS), self.one_of(SPEAKERS)
        return (
            f"{asks}: Did you {now} {place} {time}?\n"
            f"{answers}: I {past} {place}, {asks}, {time}.\n"
            f"{last}: We saw {thing} {place}, said {last}.\n\n"
        )


def synthetic_text(characters: int = 100_000, seed: int = 0) -> str:
    """Return a text of so many characters; the same for the same seed."""
    count, author = whole(characters, "synthetic_text's characters", 1), _Author(seed)
    parts, length = [], 0
    while length < count:
        parts.append(author.scene())
        length += len(parts[-1])
    return "".join(parts)[:count]
