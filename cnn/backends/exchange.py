"""`Exchange`: what the processes that train one net give each other in a step.

Every rank has a part of a batch's chunks. Sums over all of them are made by the same tree of additions, whatever the
number of ranks: chunks in pairs, then pairs of pairs and so on. A rank adds up its own chunks as far up as they reach;
then all give each other these sums of subtrees (`subtree_sums.py`).
"""

from __future__ import annotations

import numpy as np

from .program import Plan
from .python_calls import LossCall
from .ranks import FAILED, FINE, Ranks
from .shares import Shares, shares_of
from .subtree_sums import subtree_sums

_MOMENTS, _GRADIENT_MOMENTS, _OUTPUTS, _SUMS, _NOTHING = range(5)  # as `What` in src/cnn_c/step/steps.pxd


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
        self._sums = subtree_sums(ranks, memory["sums"][0].reshape(plan.chunks, plan.sums))
        self._moments = memory["moments"][0].view(np.float64).reshape(plan.chunks, plan.moments)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._ranks!r})"

    def __call__(self, what: int, k: int, n: int, chunks: int, status: int) -> int:
        """Exchange something of operation k, or of all; the worst status of all ranks, which share nothing then."""
        if self._ranks.has_failed:  # which all know: the step goes on to its end, and nothing is exchanged any more
            return FAILED
        with self._ranks.exchanging():
            shares = shares_of(n, chunks, self.ranks)
            if what == _SUMS:
                self._sums.offer(shares)
            worst = self._ranks.worst(status)
            if worst == FINE and self.ranks > 1:
                if what == _SUMS:
                    self._sums.add_up(shares)
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
