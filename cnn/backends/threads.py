"""How many threads the kernels use.

`set_num_threads` says how many at most; without it `OMP_NUM_THREADS`, or else one for each usable processor. There are
fewer where the processors are fewer (`processors.py`), where `threadpoolctl` sets a limit, or where the process cannot
start so many. Among these, a `Runner` takes as many as pay while other processes use the processors, too.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import SupportsIndex

import cnn_c

from . import checks
from .processors import usable_processors

MOST = 1024  # each has some megabytes of memory
_REFRESHED = 1.0  # seconds after which the number of usable processors is asked for again


def _default() -> int:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isascii() and first.isdigit() and int(first) > 0:
        return min(int(first), MOST)
    return min(usable_processors(), MOST)


class _Team(threading.local):
    """The last team of the thread that calls, for which OpenMP keeps threads, and how many it may have at most."""

    size = 1
    most = MOST


_openmp_limit = cnn_c.KERNELS["f"].openmp_limit  # threads that OpenMP would use; 1 where the build has no OpenMP
_first_limit = _openmp_limit()
_serial = not cnn_c.KERNELS["f"].openmp  # then the number of threads stays 1, whatever is set
_threads = 1 if _serial else _default()
_fixed = False
_processors, _asked_at = 1, -math.inf
_team = _Team()


def set_num_threads(n: SupportsIndex, fixed: bool = False) -> None:
    """Use `n` threads at most from now on; results do not depend on it.

    Fewer work where there are fewer processors, and while other processes use the processors, so that more threads
    would take longer.

    Without effect where the build has no OpenMP, and in a forked child.

    Parameters
    ----------
    n : int
        From 1 to 1024.
    fixed : bool
        Use just `n`, whether it pays or not: for measurements and tests.

    Raises
    ------
    TypeError, ValueError
        `n` is no integer, below 1 or above 1024.
    """
    global _threads, _fixed
    n = checks.integer("n", n, minimum=1, maximum=MOST)
    _threads, _fixed = 1 if _serial else n, bool(fixed)


def get_num_threads() -> int:
    """The most threads that may work; 1 where the build has no OpenMP, and in a forked child."""
    return min(_threads, _team.most)


@contextmanager
def at_most(n: int) -> Iterator[None]:
    """Use no more than `n` threads for what the thread that calls computes meanwhile."""
    before, _team.most = _team.most, min(n, _team.most)
    try:
        yield
    finally:
        _team.most = before


def is_fixed() -> bool:
    """Whether all threads work, even if they take longer than fewer would."""
    return _fixed


def threads_for(images: int) -> int:
    """Threads for a batch, as many as there may be now: no more than images, so that one opens no parallel region.

    Where threads share an image, the caller asks for `MOST`.
    """
    threads = min(_threads, _team.most, images)
    if threads <= 1:
        return 1
    if not _fixed:
        threads = _allowed(threads)
    if threads > _team.size:  # OpenMP has ended those of a larger team before, or never had so many
        threads = _startable(threads)
    _team.size = threads
    return threads


def _allowed(threads: int) -> int:
    """Of so many threads, those for which there are processors, and which a limit of OpenMP's leaves."""
    global _processors, _asked_at
    now = time.monotonic()
    if now - _asked_at > _REFRESHED:
        _processors, _asked_at = usable_processors(), now
    limit = _openmp_limit()
    if limit >= _first_limit:  # OMP_NUM_THREADS is no limit
        limit = threads
    return min(threads, _processors, limit)


def _startable(threads: int) -> int:
    """Of so many threads, how many can be alive at the same time: OpenMP ends the process where it cannot start one.

    Twice as many are started, for the system may count them for a moment after they have ended.
    """
    event = threading.Event()
    alive: list[threading.Thread] = []
    try:
        while len(alive) < 2 * (threads - 1):
            thread = threading.Thread(target=event.wait, daemon=True)
            thread.start()
            alive.append(thread)
    except RuntimeError:  # "can't start new thread"
        pass
    finally:
        event.set()
        for thread in alive:
            thread.join()
    return 1 + len(alive) // 2


def _after_fork_in_child() -> None:
    # GNU OpenMP's threads do not survive a fork, and waiting for them would hang: the child computes serially.
    global _serial, _threads
    _serial, _threads = True, 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
