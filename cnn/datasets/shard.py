"""A part of a data set for each process of a fit on several: `net.fit(shard(images, labels, comm), comm=comm)`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backends.shares import shares
from ..backends.tables import call
from .idx import load_idx

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..backends.ranks import Ranks


class Shard(NamedTuple):
    """Images of one process, and the targets of all.

    The parts of all ranks, in their order, are the data set. One may be empty.

    Parameters
    ----------
    x : array (m, ...)
        Images `first` to `first + m` of the data set.
    y : array (n,) or (n, outputs)
        Targets of all images of the data set.
    first : int
    """

    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]
    first: int

    def __repr__(self) -> str:
        return call(type(self), self._asdict())


def shard(images: str | os.PathLike[str] | ArrayLike, labels: str | os.PathLike[str] | ArrayLike, comm: Any) -> Shard:
    """The part of a data set that this process holds, of about as many images as every other one.

    Parameters
    ----------
    images : path or array (n, ...)
        An IDX file, of which this process reads its own part alone unless the file is compressed; or an array, such as
        a memory map, of which its part is copied.
    labels : path or array (n,)
        Likewise; all of them are kept.
    comm : mpi4py.MPI.Intracomm
        All of its processes call this function.

    Returns
    -------
    Shard
        What `Sequential.fit` takes for x, with the same `comm`. For every epoch the images are shuffled as if each
        process held all: before its steps, a process gets those that it needs from the others.

    Raises
    ------
    ValueError
        There are not as many labels as images; a file that is no whole IDX file.
    OSError
        A file cannot be read.
    RuntimeError
        One of this has happened on another rank.
    """
    from ..backends.ranks import Ranks  # few have other processes

    with Ranks(comm) as ranks:
        return ranks.agree(lambda: _part(images, labels, ranks))


def _part(images: Any, labels: Any, ranks: Ranks) -> Shard:
    x = load_idx(images, mapped=True) if isinstance(images, str | os.PathLike) else np.asanyarray(images)
    y = load_idx(labels) if isinstance(labels, str | os.PathLike) else np.asarray(labels)
    if len(x) != len(y):
        raise ValueError(f"labels must be as many as images, got {len(y)} labels of {len(x)} images")
    bounds = shares(len(y), ranks.ranks)
    first, end = bounds[ranks.rank], bounds[ranks.rank + 1]
    return Shard(np.array(x[first:end], x.dtype.newbyteorder("=")), y, first)
