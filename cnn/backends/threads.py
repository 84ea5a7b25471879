"""How many threads the kernels use: `set_num_threads`, else `OMP_NUM_THREADS`, else one for each usable core."""

from __future__ import annotations

import os

import cnn_c

from . import checks

MOST = 1024  # each has some megabytes of memory, and a process that can make no more of them ends


def _default() -> int:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first) > 0:
        return min(int(first), MOST)
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)


_serial = not cnn_c.KERNELS["f"].openmp  # then the number of threads stays 1, whatever is set
_threads = 1 if _serial else _default()


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on; results do not depend on it.

    Without effect where the build has no OpenMP, and in a forked child.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        `n` is no integer, below 1 or above 1024.
    """
    global _threads
    n = checks.integer("n", n, minimum=1, maximum=MOST)
    _threads = 1 if _serial else n


def get_num_threads() -> int:
    """The number of threads in use; 1 where the build has no OpenMP, and in a forked child."""
    return _threads


def threads_for(images: int) -> int:
    """Threads for a batch: no more than images, so that a single image opens no parallel region."""
    return _threads if images >= _threads else images or 1


def _after_fork_in_child() -> None:
    # GNU OpenMP's threads do not survive a fork, and waiting for them would hang: the child computes serially.
    global _serial, _threads
    _serial, _threads = True, 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
