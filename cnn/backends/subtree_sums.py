"""How ranks give each other sums of subtrees: in memory that they have in common, or by messages.

Of the flat gradients each rank has a segment, which it adds up to the top of the tree and gives to all others. So
2 (ranks - 1) / ranks gradients pass to and from each rank. The additions and their order are the same either way.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np

from .common_memory import CommonMemory, common_memory
from .ranks import Ranks
from .shares import Shares, shares, shares_of

_LINE = 16  # elements: segments begin with a cache line
_LARGEST = 1 << 26  # bytes of common memory; more would save little, for the time is that of copying


class SubtreeSums(Protocol):
    """A way to add up the sums of all ranks. Between the two calls all ranks meet."""

    def offer(self, shares: Shares) -> None:
        """Have this rank's sums ready for the others."""

    def add_up(self, shares: Shares) -> None:
        """Replace the first chunk's sums by those of all chunks."""


def subtree_sums(ranks: Ranks, sums: np.ndarray) -> SubtreeSums:
    """The faster way that these ranks have, for sums (chunks, size)."""
    chunks, size = sums.shape
    rows = max(len(shares_of(n, n, ranks.ranks).firsts) for n in range(1, chunks + 1))
    needed = 2 * rows * size * sums.itemsize
    if ranks.ranks == 1 or needed > _LARGEST:
        return ByMessages(ranks, sums)
    if needed not in ranks.memories:  # kept, for a rank may need other sums alone, with more threads
        ranks.memories[needed] = common_memory(ranks, needed)
    memory = ranks.memories[needed]
    return ByMessages(ranks, sums) if memory is None else InMemory(ranks, sums, memory)


def _segments(size: int, ranks: int) -> list[int]:
    return [bound * _LINE for bound in shares(size // _LINE, ranks)]


class InMemory:
    """Every rank writes its sums into common memory, adds up its segment there, and copies what all have added up.

    Steps take turns with two halves of the memory: while a rank still reads one, another may already write the other.
    """

    def __init__(self, ranks: Ranks, sums: np.ndarray, memory: CommonMemory) -> None:
        self._ranks, self._sums, self._memory = ranks, sums, memory
        self._halves = memory.bytes.view(sums.dtype).reshape(2, -1, sums.shape[1])
        begin, end = _segments(sums.shape[1], ranks.ranks)[ranks.rank : ranks.rank + 2]
        self._segment = slice(begin, end)

    def offer(self, shares: Shares) -> None:
        self._memory.turn = 1 - self._memory.turn
        for first in shares.subtrees[self._ranks.rank]:
            self._halves[self._memory.turn, shares.firsts.index(first)] = self._sums[first]

    def add_up(self, shares: Shares) -> None:
        rows = self._halves[self._memory.turn]
        of_chunk = {first: rows[row, self._segment] for row, first in enumerate(shares.firsts)}
        for to, more in shares.additions:
            of_chunk[to] += of_chunk[more]
        self._ranks.meet()
        self._sums[0] = rows[0]


class ByMessages:
    """Every rank sends each other one its segment of the sums, and then all the segment that it has added up."""

    def __init__(self, ranks: Ranks, sums: np.ndarray) -> None:
        self._ranks, self._sums = ranks, sums
        self._segments = _segments(sums.shape[1], ranks.ranks)
        self._got = np.empty(0, sums.dtype)

    def offer(self, shares: Shares) -> None:
        pass

    def add_up(self, shares: Shares) -> None:
        segments, rank = self._segments, self._ranks.rank
        sizes, own = np.diff(segments), shares.subtrees[rank]
        size, counts = int(sizes[rank]), [len(part) for part in shares.subtrees]
        got = self._room(sum(counts) * size)
        self._ranks.exchange(self._sent(own), (len(own) * sizes).tolist(), got, [count * size for count in counts])
        of_chunk = dict(zip(shares.firsts, got.reshape(sum(counts), size), strict=True))
        for to, more in shares.additions:
            of_chunk[to] += of_chunk[more]
        self._ranks.share_parts(of_chunk[0], self._sums[0], sizes.tolist())

    def _sent(self, own: list[int]) -> np.ndarray:
        if len(own) == 1:
            return self._sums[own[0]]
        return np.concatenate([self._sums[own, a:b].ravel() for a, b in pairwise(self._segments)])

    def _room(self, size: int) -> np.ndarray:
        """Memory that is kept: fresh memory costs as much as the exchange."""
        if self._got.size < size:
            self._got = np.empty(size, self._sums.dtype)
        return self._got[:size]
