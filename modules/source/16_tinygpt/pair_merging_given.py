"""Learning byte pairs fast: a merge changes only the words that hold the pair, so only these are counted anew.

The plain way counts all pairs of all words before every merge. Here the counts are kept: for each pair its number and
the words it occurs in; and a heap says which pair leads. A merge visits the words of its pair, takes their old pairs
out and puts their new ones in. Entries of the heap grow old; what it says is believed only if the count still agrees.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise

Pair = tuple[int, int]
BYTES = 256


def fast_merges(words: Mapping[bytes, int], merges: int) -> list[Pair]:
    """Return at most `merges` pairs, most frequent first; a tie goes to the smaller pair. Pairs seen once are none.

    words: how often each occurs. The n-th pair becomes the token 256 + n.
    """
    learning = _Learning(words)
    learned: list[Pair] = []
    while len(learned) < merges:
        best = learning.most_frequent()
        if best is None:
            break
        learning.merge(best, BYTES + len(learned))
        learned.append(best)
    return learned


class _Learning:
    """The words as tokens, how often each pair occurs, and where."""

    def __init__(self, words: Mapping[bytes, int]) -> None:
        self.words = [list(word) for word in words]
        self.times = list(words.values())
        self.counts: defaultdict[Pair, int] = defaultdict(int)
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        for number in range(len(self.words)):
            self._enter(number)
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def _enter(self, number: int) -> set[Pair]:
        """Count the pairs of a word; return them."""
        word, times = self.words[number], self.times[number]
        found = set(pairwise(word))
        for pair in pairwise(word):
            self.counts[pair] += times
        for pair in found:
            self.places[pair].add(number)
        return found

    def _take_out(self, number: int) -> set[Pair]:
        """Forget the pairs of a word; return them."""
        word, times = self.words[number], self.times[number]
        found = set(pairwise(word))
        for pair in pairwise(word):
            self.counts[pair] -= times
        for pair in found:
            self.places[pair].discard(number)
        return found

    def most_frequent(self) -> Pair | None:
        """Return the pair that occurs most often, at least twice; None if there is none."""
        while self.heap:
            count, pair = self.heap[0]
            if -count == self.counts.get(pair, 0):
                return pair if -count > 1 else None
            heapq.heappop(self.heap)  # of earlier: the present count has its own entry
        return None

    def merge(self, pair: Pair, token: int) -> None:
        """Write `token` in place of every occurrence of the pair."""
        changed: set[Pair] = set()
        for number in list(self.places[pair]):
            changed |= self._take_out(number)
            self.words[number] = _merged(self.words[number], pair, token)
            changed |= self._enter(number)
        for each in changed:
            if self.counts[each] > 0:
                heapq.heappush(self.heap, (-self.counts[each], each))
            else:
                del self.counts[each], self.places[each]


def _merged(word: list[int], pair: Pair, token: int) -> list[int]:
    """Return the word with `token` in place of the pair, from left to right."""
    merged: list[int] = []
    position, last = 0, len(word) - 1
    first, second = pair
    while position <= last:
        if position < last and word[position] == first and word[position + 1] == second:
            merged.append(token)
            position += 2
        else:
            merged.append(word[position])
            position += 1
    return merged
