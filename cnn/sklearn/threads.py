"""How many threads a fit or a prediction may use, so that those of all workers are no more than the processors."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from contextlib import AbstractContextManager
from typing import Any

from joblib.parallel import get_active_backend

from ..backends import checks
from ..backends.processors import usable_processors
from ..backends.threads import MOST, at_most, get_num_threads


def limited_threads(n_jobs: Any) -> AbstractContextManager[None]:
    """A context in which what this thread computes takes so many threads at most.

    Parameters
    ----------
    n_jobs : int or None
        The estimator's argument. None stands for 1, as in scikit-learn, -1 for all that `share` gives, -2 for one less.

    Raises
    ------
    TypeError, ValueError
        What is neither, or 0.
    """
    if n_jobs is None:
        return at_most(1)
    n = checks.integer("n_jobs", n_jobs, minimum=-MOST, maximum=MOST)
    if n == 0:
        raise ValueError("n_jobs must be an integer other than 0, or None, got 0")
    return at_most(n if n > 0 else max(1, share() + 1 + n))


def share() -> int:
    """The threads that whoever runs this thread may use, and leave enough for others.

    A worker's thread of joblib or Dask cannot know how many others there are, and takes one. Processes that loky and
    Dask start find their share in OMP_NUM_THREADS, which the package follows; in others of `multiprocessing`, as those
    of a process pool, it is not set.
    """
    in_pool = multiprocessing.parent_process() is not None and "OMP_NUM_THREADS" not in os.environ
    return 1 if in_pool or _is_worker_thread() else min(usable_processors(), get_num_threads())


def _is_worker_thread() -> bool:
    """Whether this is one of several threads that joblib or Dask compute with in this process."""
    if threading.current_thread() is threading.main_thread():  # also of joblib's worker processes
        return False
    return bool(get_active_backend()[0].nesting_level) or _is_task_of_dask()


def _is_task_of_dask() -> bool:
    distributed = sys.modules.get("distributed")  # of whose tasks this is none if nobody has imported it
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True
