"""`Ranks`: the processes that train a net together, over MPI, and what each of them does when one has failed.

All ranks do the same exchanges in the same order. Before each they tell each other how they are, so that one that has
failed, wherever it was, stops all at their next exchange: none waits for it, and each knows why.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .processors import processors_of_process

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

FINE, NOT_FINITE, FAILED = 0, 1, 2  # how a rank is; the compiled step knows the numbers


class Ranks:
    """The ranks of a communicator.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        It is duplicated: what others send over it does not matter here.

    Attributes
    ----------
    rank, ranks : int
        The number of this process, and how many there are.
    has_failed : bool
        Whether one of them has failed, which all know then.

    Raises
    ------
    TypeError
        `comm` is no communicator of mpi4py.
    """

    def __init__(self, comm: Any) -> None:
        if not all(hasattr(comm, name) for name in ("Dup", "Allgather", "Alltoallv", "allgather", "bcast")):
            raise TypeError(f"comm must be a communicator such as mpi4py.MPI.COMM_WORLD, got {type(comm).__name__}")
        self._comm = comm.Dup()
        self.rank, self.ranks = self._comm.Get_rank(), self._comm.Get_size()
        self._mine, self._all = np.zeros(1, np.uint8), np.zeros(self.ranks, np.uint8)
        self.has_failed = self._is_told = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank={self.rank}, ranks={self.ranks})"

    @property
    def is_root(self) -> bool:
        """Whether this is the rank that prints, saves, and calls callbacks."""
        return self.rank == 0

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None:
            self.fail(error)
        elif not self.has_failed:
            self._comm.Free()

    def beside(self) -> int:
        """How many ranks, this one among them, may run on the same processors."""
        own = socket.gethostname(), processors_of_process()
        return self.gather(own).count(own)

    # ---- how the ranks are ----

    def worst(self, status: int) -> int:
        """The worst status of all; this rank's is `status`."""
        self._mine[0] = status
        self._comm.Allgather(self._mine, self._all)
        worst = int(self._all.max())
        self.has_failed = worst == FAILED
        return worst

    def check(self) -> None:
        """RuntimeError, with the cause, where a rank has failed."""
        if self.has_failed or self.worst(FINE) == FAILED:
            raise self._failure("")

    def fail(self, error: BaseException) -> None:
        """Let the others know that this rank ends, as soon as they ask."""
        if self._is_told:  # what they have told this one
            return
        if not self.has_failed:
            self.worst(FAILED)
        self._failure(f"{type(error).__name__}: {error}")

    def _failure(self, text: str) -> RuntimeError:
        self._is_told = True
        told = self._comm.allgather(text)
        causes = [f"rank {rank} failed with {cause}" for rank, cause in enumerate(told) if cause]
        return RuntimeError("; ".join(causes) or "the ranks have lost each other")

    # ---- objects ----

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, on each of them."""
        self.check()
        values: list[T] = self._comm.allgather(value)
        return values

    def from_root(self, value: T | None) -> T:
        """The root's value, on all ranks."""
        self.check()
        result: T = self._comm.bcast(value)
        return result

    def agree(self, function: Callable[[], T]) -> T:
        """What `function()` returns; where it raises on one rank, all raise: the others a RuntimeError."""
        try:
            result = function()
        except Exception as error:
            self.fail(error)
            raise
        self.check()
        return result

    def on_root(self, function: Callable[[], T]) -> T:
        """What `function()` returns on the root, where alone it is called; where it raises there, all raise."""
        return self.from_root(self.agree(lambda: function() if self.is_root else None))

    def told(self, error: E) -> E:
        """An error that all ranks raise alike, of which none need tell the others."""
        self.has_failed = self._is_told = True
        return error

    # ---- arrays ----

    def share_rows(self, array: np.ndarray, bounds: Sequence[int]) -> None:
        """Let all ranks have all rows of an array, of which rank r has those from bounds[r] to bounds[r + 1]."""
        rows = array[: bounds[-1]].reshape(bounds[-1], -1)
        size = rows.shape[1] * rows.itemsize
        own = rows[bounds[self.rank] : bounds[self.rank + 1]].copy()
        counts = [(bounds[r + 1] - bounds[r]) * size for r in range(self.ranks)]
        starts = [bound * size for bound in bounds[:-1]]
        self._comm.Allgatherv(_bytes(own), [_bytes(rows), counts, starts, self._byte])

    def send_rows(self, sent: Sequence[np.ndarray], counts: Sequence[int]) -> np.ndarray:
        """Give every rank r the rows `sent[r]`; get `counts[r]` rows from each, one rank's after the other's."""
        size = int(np.prod(sent[0].shape[1:], dtype=np.int64)) * sent[0].itemsize
        given = np.concatenate(sent)
        got = np.empty((sum(counts), *given.shape[1:]), given.dtype)
        self.exchange(_bytes(given), [len(part) * size for part in sent], _bytes(got), [n * size for n in counts])
        return got

    def exchange(self, sent: np.ndarray, sent_sizes: list[int], got: np.ndarray, got_sizes: list[int]) -> None:
        """From `sent` so many elements to each rank, into `got` so many from each."""
        self._comm.Alltoallv([sent, sent_sizes], [got, got_sizes])

    def share_parts(self, own: np.ndarray, whole: np.ndarray, sizes: list[int]) -> None:
        """Into `whole`, of every rank so many elements."""
        self._comm.Allgatherv(own, [whole, sizes])

    @property
    def _byte(self) -> Any:
        from mpi4py import MPI

        return MPI.BYTE


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


def shares(total: int, ranks: int) -> list[int]:
    """Where the parts of `total` items begin that the ranks have in order, and where the last one ends."""
    return [total * rank // ranks for rank in range(ranks + 1)]
