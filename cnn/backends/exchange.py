"""`Exchange`: what the processes that train one net give each other in a step.

Every rank has a part of a batch's chunks. Sums over all of them are made by the same tree of additions, whatever the
number of ranks: chunks in pairs, then pairs of pairs and so on. A rank adds up its own chunks as far up as they reach;
then all give each other these sums of subtrees, a segment of all gradients to each, which adds up its segment to the
top of the tree, and gives that to all others. So 2 (ranks - 1) / ranks gradients pass to and from each of them.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .program import Plan
from .python_calls import LossCall
from .ranks import FAILED, FINE, Ranks, shares

_MOMENTS, _GRADIENT_MOMENTS, _OUTPUTS, _SUMS, _NOTHING = range(5)  # as `What` in src/cnn_c/step/steps.pxd
_LINE = 16  # elements: segments begin with a cache line


class Shares(NamedTuple):
    """How the chunks of a batch are shared out, and in which order their sums are added up."""

    chunks: list[int]  # where those of each rank begin, and the end
    images: list[int]  # likewise
    subtrees: list[list[int]]  # of each rank: the first chunks of the largest sums that it makes alone
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
    return Shares(bounds, [images * bound // chunks for bound in bounds], subtrees, additions)


def _subtrees(begin: int, end: int, chunks: int) -> list[int]:
    result = []
    while begin < end:
        result.append(begin)
        size = 1
        while size < chunks and begin % (2 * size) == 0 and min(begin + 2 * size, chunks) <= end:
            size *= 2
        begin = min(begin + size, chunks)
    return result


class Exchange:
    """Called by a compiled step, in one thread while the others wait.

    Parameters
    ----------
    ranks : Ranks
    plan : Plan
        Made for several processes.
    memory : dict
        Of the runner that has this plan.
    loss_call : LossCall or None
        Of the net.

    Attributes
    ----------
    rank, ranks : int
    """

    def __init__(
        self, ranks: Ranks, plan: Plan, memory: dict[str, list[np.ndarray]], loss_call: LossCall | None
    ) -> None:
        self._ranks, self._plan, self._loss_call = ranks, plan, loss_call
        self.rank, self.ranks = ranks.rank, ranks.ranks
        self._sums = memory["sums"][0].reshape(plan.chunks, plan.sums)
        self._moments = memory["moments"][0].view(np.float64).reshape(plan.chunks, plan.moments)
        segments = shares(plan.sums // _LINE, self.ranks)
        self._segments = [segment * _LINE for segment in segments]
        self._got = np.empty(0, self._sums.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._ranks!r})"

    def __call__(self, what: int, k: int, n: int, chunks: int, status: int) -> int:
        """Exchange something of operation k, or of all; the worst status of all ranks, which share nothing then."""
        if self._ranks.has_failed:  # which all know: the step goes on to its end, and nothing is exchanged any more
            return FAILED
        with self._ranks.exchanging():
            worst = self._ranks.worst(status)
            if worst == FINE and self.ranks > 1:
                shares = shares_of(n, chunks, self.ranks)
                if what == _SUMS:
                    self._add_up(shares)
                elif what == _OUTPUTS and self._loss_call is not None:
                    self._ranks.share_rows(self._loss_call.outputs, shares.images)
                elif what != _NOTHING:
                    self._share_moments(k, what == _MOMENTS, shares)
        return worst

    def _share_moments(self, k: int, forward: bool, shares: Shares) -> None:
        """Let all have the moments of all chunks, or what a layer in Python takes of all images."""
        operation = self._plan.operations[k]
        if operation.kind == "python":
            call = operation.geometry
            self._ranks.share_rows(call.x if forward else call.dy, shares.images)
            return
        half = operation.moments.size // 2
        at = operation.moments.at + (0 if forward else half)
        moments = self._moments[: shares.chunks[-1], at : at + half]
        rows = np.ascontiguousarray(moments)
        self._ranks.share_rows(rows, shares.chunks)
        moments[...] = rows

    def _add_up(self, shares: Shares) -> None:
        """Replace the first chunk's sums by those of all chunks."""
        segments, own = self._segments, shares.subtrees[self.rank]
        sizes = np.diff(segments)
        begin, end = segments[self.rank], segments[self.rank + 1]
        if len(own) == 1:
            sent = self._sums[own[0]]
        else:
            sent = np.concatenate([self._sums[own, a:b].ravel() for a, b in pairwise(segments)])
        counts = [len(part) for part in shares.subtrees]
        if self._got.size < sum(counts) * (end - begin):  # kept, for fresh memory costs as much as the exchange
            self._got = np.empty(sum(counts) * (end - begin), self._sums.dtype)
        got = self._got[: sum(counts) * (end - begin)].reshape(sum(counts), end - begin)
        self._ranks.exchange(
            sent, (len(own) * sizes).tolist(), got.reshape(-1), [count * (end - begin) for count in counts]
        )
        of_chunk = dict(zip((first for part in shares.subtrees for first in part), got, strict=True))
        for to, more in shares.additions:
            of_chunk[to] += of_chunk[more]
        self._ranks.share_parts(of_chunk[0], self._sums[0], sizes.tolist())
