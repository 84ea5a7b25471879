"""The number of threads: of the environment, of the cores, or as it was set."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import cnn
import cnn.models
from cnn.backends.processors import usable_processors
from cnn.backends.threads import threads_for

from .programs import OPENMP, PREDICTION


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@OPENMP
@pytest.mark.parametrize(
    ("given", "threads"),
    [("1", 1), ("3", 3), ("7,2", 7), (" 5 ", 5), ("", None), ("0", None), ("many", None), ("²", None)],
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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be bound to a core here")
def test_a_process_that_is_bound_to_one_core_later_uses_one_thread(monkeypatch):
    cores = os.sched_getaffinity(0)
    cnn.set_num_threads(2)
    try:
        os.sched_setaffinity(0, {min(cores)})
        monkeypatch.setattr("cnn.backends.threads._asked_at", -1e9)
        assert threads_for(32) == 1
        cnn.set_num_threads(2, fixed=True)
        assert threads_for(32) == 2
    finally:
        os.sched_setaffinity(0, cores)
        cnn.set_num_threads(len(cores))
        monkeypatch.setattr("cnn.backends.threads._asked_at", -1e9)


@pytest.mark.parametrize(
    ("quota", "processors"), [("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2), ("max 100000", None)]
)
def test_a_quota_of_the_control_group_or_of_one_above_bounds_the_threads(monkeypatch, tmp_path, quota, processors):
    group = tmp_path / "outer" / "inner"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("max 100000\n")
    (group.parent / "cpu.max").write_text(f"{quota}\n")
    (tmp_path / "cgroup").write_text("1:name=systemd:/elsewhere\n0::/outer/inner\n")
    monkeypatch.setattr("cnn.backends.processors.GROUPS", tmp_path)
    monkeypatch.setattr("cnn.backends.processors.OWN_GROUP", tmp_path / "cgroup")
    assert usable_processors() == min(usable_cores(), processors or usable_cores())


@OPENMP
def test_a_limit_of_threadpoolctl_is_respected():
    cnn.set_num_threads(2)
    try:
        with threadpool_limits(1):
            assert threads_for(32) == 1
        assert threads_for(32) == min(2, usable_cores())
    finally:
        cnn.set_num_threads(usable_cores())


@OPENMP
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the processes of a user")
def test_at_the_limit_of_processes_there_are_fewer_threads_and_the_same_bits(python):
    alone = """
        import os, resource
        import cnn
        cnn.set_num_threads(1)
    """
    limited = """
        if os.getuid() == 0:  # whom no limit holds; all is imported, which another user may not be allowed to read
            os.setgid(65534), os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        cnn.set_num_threads(2, fixed=True)
    """
    first, second = python(alone, PREDICTION, limited, PREDICTION).splitlines()
    assert first.split()[2] == second.split()[2]


@OPENMP
def test_threads_are_tried_in_turn_and_do_not_change_the_bits_of_a_fit():
    x, y = np.random.default_rng(0).integers(0, 256, (2000, 28, 28), dtype=np.uint8), np.arange(2000) % 10
    nets = [cnn.models.lenet5(seed=0) for _ in range(2)]
    try:
        for net, (threads, fixed) in zip(nets, [(2, False), (1, True)], strict=True):
            cnn.set_num_threads(threads, fixed=fixed)
            net.fit(x, y, epochs=4, seed=0, progress=False)
            net.predict(x)
        times, threads = nets[0].executor.trainer.measured
        assert threads in (1, 2)
        assert usable_cores() == 1 or (times.keys() == {1, 2} and all(0 < time < 1e9 for time in times.values()))
        (one, two) = ([value.tobytes() for value in net.state().values()] for net in nets)
        assert one == two
    finally:
        cnn.set_num_threads(usable_cores())


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
