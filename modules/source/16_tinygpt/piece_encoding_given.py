"""Encoding a long piece fast: a merge changes two pairs of neighbours, so only these are looked at anew.

The plain way looks at all neighbours before every merge: right for a word, too slow for a run of 100,000 letters or
blanks. Here the tokens are a chain, and a heap says which pair comes first: the one of lowest rank, of these the one
farthest left. A merge makes a token whose own pairs were all learned later, so what a pair's merges bring about never
comes before them: the tokens are those of the plain way.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from itertools import pairwise

from tinytorch.given.pair_merging import BYTES, Pair

GONE = -1  # in place of a token that was merged into the one before it


def fast_tokens(data: bytes, ranks: Mapping[Pair, int]) -> list[int]:
    """Return the tokens of some bytes: the pair of lowest rank is merged first, as long as there is a known pair."""
    tokens, end = list(data), len(data)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))
    heap = [(ranks[pair], place) for place, pair in enumerate(pairwise(tokens)) if pair in ranks]
    heapq.heapify(heap)
    while heap:
        rank, place = heapq.heappop(heap)
        right = after[place]
        if right == end or ranks.get((tokens[place], tokens[right])) != rank:
            continue  # of earlier: one of the two was merged since
        tokens[place], tokens[right] = BYTES + rank, GONE
        after[place] = right = after[right]
        if right < end:
            before[right] = place
        for left in (before[place], place):
            if left >= 0 and after[left] < end:
                pair = tokens[left], tokens[after[left]]
                if pair in ranks:
                    heapq.heappush(heap, (ranks[pair], left))
    return [token for token in tokens if token != GONE]
