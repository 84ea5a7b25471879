"""How many threads the kernels use: `set_num_threads`, else `OMP_NUM_THREADS`, else one for each usable core."""

from __future__ import annotations

import os

import cnn_c

from . import checks


def _default() -> int:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first) > 0:
        return int(first)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_threads = _default()
_forked = False


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on; results do not depend on it. Without effect in a forked child.

    Raises
    ------
    ValueError
        `n` below 1.
    """
    global _threads
    _threads = checks.integer("n", n, minimum=1)


def get_num_threads() -> int:
    """The number of threads in use; 1 where the build has no OpenMP, and in a forked child."""
    return _threads if cnn_c.KERNELS["f"].openmp and not _forked else 1


def threads_for(images: int) -> int:
    """Threads for a batch: no more than images, so that a single image opens no parallel region."""
    return 1 if images < 2 else min(get_num_threads(), images)


def _after_fork_in_child() -> None:
    # GNU OpenMP's threads do not survive a fork, and waiting for them would hang: the child computes serially.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
