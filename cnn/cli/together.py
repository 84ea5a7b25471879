"""A command that one process runs, or several together that `mpiexec -n 4 python -m mpi4py -m cnn ...` has started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from .common import print_error

if TYPE_CHECKING:
    from ..backends.ranks import Ranks

T = TypeVar("T")


class Together:
    """The processes that run a command; rank 0 alone prints and writes files.

    Attributes
    ----------
    comm : mpi4py.MPI.Intracomm or None
    is_root : bool
    """

    def __init__(self, comm: Any, ranks: Ranks | None) -> None:
        self.comm, self._ranks = comm, ranks
        self.is_root = ranks is None or ranks.is_root

    def on_root(self, function: Callable[[], T]) -> T:
        """What the function returns on rank 0, where alone it is called."""
        return function() if self._ranks is None else self._ranks.on_root(function)

    def agree(self, function: Callable[[], T]) -> T:
        """What it returns on each rank; where it raises on one, all end."""
        return function() if self._ranks is None else self._ranks.agree(function)


@contextmanager
def together(mpi: bool, debug: bool) -> Iterator[Together]:
    """The processes of this run, or with `mpi` false this one; an error of one ends all, and is told by rank 0."""
    if not mpi:
        yield Together(None, None)
        return
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError("--mpi needs mpi4py and an MPI library: pip install 'cnn-c[mpi]'") from error
    from ..backends.ranks import Ranks

    ranks = Ranks(MPI.COMM_WORLD)
    try:
        with ranks:
            yield Together(MPI.COMM_WORLD, ranks)
    except Exception as error:
        if debug:
            raise
        if ranks.is_root:
            print_error(error)
        MPI.COMM_WORLD.Barrier()  # one that leaves with an error ends the others, before they have told theirs
        raise typer.Exit(1) from None
