"""How the chunks of a batch are shared out over ranks, and by which tree their sums are added up."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


def shares(total: int, ranks: int) -> list[int]:
    """Where the parts of `total` items begin that the ranks have in order, and where the last one ends."""
    return [total * rank // ranks for rank in range(ranks + 1)]


class Shares(NamedTuple):
    """How the chunks of a batch are shared out, and in which order their sums are added up."""

    chunks: list[int]  # where those of each rank begin, and the end
    images: list[int]  # likewise
    subtrees: list[list[int]]  # of each rank: the first chunks of the largest sums that it makes alone
    firsts: list[int]  # the same of all ranks
    additions: list[tuple[int, int]]  # of these sums, by their first chunks: what is added to what


@lru_cache(maxsize=64)
def shares_of(images: int, chunks: int, ranks: int) -> Shares:
    """The shares of a batch; as `end_of_subtree` in src/cnn_c/step/program.pxd has them."""
    bounds = shares(chunks, ranks)
    subtrees = [_subtrees(bounds[r], bounds[r + 1], chunks) for r in range(ranks)]
    rest, additions, step = {first for part in subtrees for first in part}, [], 1
    while step < chunks:
        for first in range(0, chunks - step, 2 * step):
            if first + step in rest:
                additions.append((first, first + step))
                rest.remove(first + step)
        step *= 2
    firsts = [first for part in subtrees for first in part]
    return Shares(bounds, [images * bound // chunks for bound in bounds], subtrees, firsts, additions)


def _subtrees(begin: int, end: int, chunks: int) -> list[int]:
    result = []
    while begin < end:
        result.append(begin)
        size = 1
        while size < chunks and begin % (2 * size) == 0 and min(begin + 2 * size, chunks) <= end:
            size *= 2
        begin = min(begin + size, chunks)
    return result
