"""The number of threads: of the environment, of the cores, or as it was set."""

from __future__ import annotations

import os

import numpy as np
import pytest

import cnn
import cnn.models

from .programs import OPENMP, PREDICTION


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@OPENMP
@pytest.mark.parametrize(
    ("given", "threads"), [("1", 1), ("3", 3), ("7,2", 7), (" 5 ", 5), ("", None), ("0", None), ("many", None)]
)
def test_omp_num_threads_is_honoured(python, given, threads):
    program = "import cnn; print(cnn.get_num_threads())"
    assert int(python(program, OMP_NUM_THREADS=given)) == (threads or usable_cores())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be bound to a core here")
def test_a_process_bound_to_one_core_uses_one_thread(python):
    program = """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import cnn
        print(cnn.get_num_threads())
    """
    assert int(python(program)) == 1


@pytest.mark.parametrize("changes", [{"OMP_NUM_THREADS": "4"}, {"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true"}])
def test_fewer_or_more_threads_than_asked_for_give_the_same_bits(python, changes):
    loss = python(PREDICTION).split()[2]
    assert python(PREDICTION, **changes).split()[2] == loss


@OPENMP
def test_the_number_of_threads_is_what_was_set():
    before = cnn.get_num_threads()
    try:
        for n in (1, 3, np.int64(2)):
            cnn.set_num_threads(n)
            assert cnn.get_num_threads() == n
    finally:
        cnn.set_num_threads(before)


@OPENMP
def test_a_batch_gets_a_thread_an_image_at_most_and_one_at_least():
    before = cnn.get_num_threads()
    try:
        cnn.set_num_threads(3, fixed=True)
        assert [cnn.backends.threads.threads_for(images) for images in range(5)] == [1, 1, 2, 3, 3]
    finally:
        cnn.set_num_threads(before)


@pytest.mark.parametrize(
    ("bad", "error"),
    [(0, ValueError), (-1, ValueError), (1025, ValueError), (1.5, TypeError), ("2", TypeError), (None, TypeError)],
)
def test_a_number_of_threads_that_is_none_is_an_error_and_changes_nothing(bad, error):
    before = cnn.get_num_threads()
    with pytest.raises(error, match=r"^n must be"):
        cnn.set_num_threads(bad)
    assert cnn.get_num_threads() == before
