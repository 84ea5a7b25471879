"""`Ranks`: the processes that train a net together, over MPI, and what each of them does when one has failed.

All ranks do the same exchanges in the same order. Before each they tell each other how they are, so that one that has
failed, wherever it was, stops all at their next exchange: none waits for it, and each knows why. One that fails in the
middle of an exchange ends all processes at once.
"""

from __future__ import annotations

import atexit
import pickle
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from .held_interrupts import HeldInterrupts
from .processors import processors_of_process

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

FINE, NOT_FINITE, FAILED = 0, 1, 2  # how a rank is; the compiled step knows the numbers
PATIENCE = 20.0  # seconds that ranks wait for one that may have failed before it calls `fit`
PRECEDENCE = 0.5  # seconds in which the one that has failed prints why before the others do


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
    memories : dict
        By its size, what memory they have in common, as `common_memory` found out.

    Raises
    ------
    TypeError
        `comm` is no communicator of mpi4py.
    RuntimeError
        Another rank does not come, and would not end this one if it had failed.
    """

    def __init__(self, comm: Any) -> None:
        if not all(hasattr(comm, name) for name in ("Dup", "Ibarrier", "Allgather", "Alltoallv", "bcast")):
            raise TypeError(f"comm must be a communicator such as mpi4py.MPI.COMM_WORLD, got {type(comm).__name__}")
        _meet(comm)
        self._comm = comm.Dup()
        self.rank, self.ranks = self._comm.Get_rank(), self._comm.Get_size()
        self._mine, self._all = np.zeros(1, np.uint8), np.zeros(self.ranks, np.uint8)
        self.has_failed = self._is_told = False
        self.memories: dict[int, Any] = {}
        self._interrupts = HeldInterrupts()  # one that came in the middle of an exchange would end all others

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank={self.rank}, ranks={self.ranks})"

    @property
    def is_root(self) -> bool:
        """Whether this is the rank that prints, saves, and calls callbacks."""
        return self.rank == 0

    def __enter__(self) -> Ranks:
        if self.ranks > 1:
            self._interrupts.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            self._leave(error)
        finally:
            self._interrupts.stop()

    def _leave(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail(error)
        elif not self.has_failed:
            with self._interrupts.held():
                self.check()
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
        with self._interrupts.held():
            if self.has_failed or self.worst(FINE) == FAILED:
                raise self._failure("")

    def fail(self, error: BaseException) -> None:
        """Let the others know that this rank ends, as soon as they ask."""
        if self._is_told:  # what they have told this one
            return
        cause = traceback.format_exception_only(error)[-1].strip()
        if isinstance(error, SystemExit) and self.ranks > 1:  # of which Python prints nothing
            print(f"rank {self.rank} has left with {cause}, which ends all others", file=sys.stderr)
        with self._interrupts.held():
            if not self.has_failed:
                self.worst(FAILED)
            self._failure(cause)

    def _failure(self, text: str) -> RuntimeError:
        self._is_told = True
        told = self._comm.allgather(text)
        causes = [f"rank {rank} failed with {cause}" for rank, cause in enumerate(told) if cause]
        if not text:  # under `python -m mpi4py` the first one that has printed an error ends all
            time.sleep(PRECEDENCE)
        return RuntimeError("; ".join(causes) or "the ranks have lost each other")

    @contextmanager
    def exchanging(self) -> Iterator[None]:
        """In it all ranks exchange something; one that cannot go on with it ends all, who would wait for it."""
        with self._interrupts.held():
            try:
                yield
            except BaseException:
                if self.ranks > 1 and not self._is_told:
                    traceback.print_exc()
                    print(f"rank {self.rank} failed in the middle of an exchange, and ends all others", file=sys.stderr)
                    _end_all(self._comm)
                raise

    # ---- objects ----

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, on each of them; all raise where one cannot be sent."""
        packed = self._packed(value)
        with self.exchanging():
            self.check()
            return [pickle.loads(each) for each in self._comm.allgather(packed)]

    def from_root(self, value: T | None) -> T:
        """The root's value, on all ranks; all raise where it cannot be sent."""
        packed = self._packed(value if self.is_root else None)
        with self.exchanging():
            self.check()
            result: T = pickle.loads(self._comm.bcast(packed))
        return result

    def _packed(self, value: Any) -> bytes:
        try:
            return pickle.dumps(value)
        except Exception as error:
            self.fail(error)
            raise

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
        if not self.is_root:
            time.sleep(PRECEDENCE)
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

    def meet(self) -> None:
        """Wait for all ranks."""
        self._comm.Barrier()

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


def _meet(comm: Any) -> None:
    """Wait until all ranks are here.

    Where `python -m mpi4py` runs the program, a rank that fails before it comes here ends all; elsewhere they would
    wait for ever, and so do not wait for long.
    """
    request, begin, pause = comm.Ibarrier(), time.monotonic(), 1e-5
    while not request.Test():
        time.sleep(pause)
        pause = min(2 * pause, 0.01)
        if "mpi4py.run" not in sys.modules and time.monotonic() - begin > PATIENCE:
            atexit.register(_end_all, comm)  # the end of a program waits for all ranks, too
            raise RuntimeError(
                f"rank {comm.Get_rank()} has waited {PATIENCE:g} s for all {comm.Get_size()} to call fit: one of them "
                "may have failed. run the program by `mpiexec -n N python -m mpi4py program.py`, where one that fails "
                "ends all, and they wait as long as it takes"
            )


def _end_all(comm: Any) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    comm.Abort(1)


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)
