"""Forked and spawned processes compute the same."""

from __future__ import annotations

import os
import textwrap

import pytest

from .programs import OPENMP

FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

PARENT = """
    import os, signal, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forks of a process with threads
    import cnn, numpy as np

    def run(seed=0):
        "Bits of a training and a prediction; 64 images, so that every thread has some."
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 256, (64, 28, 28), dtype=np.uint8), rng.integers(0, 10, 64)
        net = cnn.models.two_conv(seed=seed)
        net.fit(x, y, seed=seed, progress=False)
        return net.predict_proba(x).tobytes()

    cnn.set_num_threads(2)
    expected = run()
"""


@OPENMP
@FORK
@pytest.mark.parametrize("threads", [None, 4])
def test_a_forked_child_computes_the_same_serially(python, threads):
    program = f"""
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that hangs is ended by this
        if {threads}:
            cnn.set_num_threads({threads})
        os._exit(0 if cnn.get_num_threads() == 1 and run() == expected else 1)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 0, os.waitstatus_to_exitcode(status)
    assert cnn.get_num_threads() == 2 and run() == expected
    """
    python(PARENT, program)


@OPENMP
@FORK
def test_a_forked_child_goes_on_with_the_net_of_its_parent(python):
    program = """
    def go_on():
        net.fit(x, y, optimizer=cnn.SGD(0.1, momentum=0.9), seed=1, progress=False)
        return net.predict_proba(x).tobytes() + net.executor.learned.parameters.tobytes()

    x, y = np.random.default_rng(0).integers(0, 256, (90, 28, 28), dtype=np.uint8), np.arange(90) % 10
    net = cnn.models.two_conv(seed=0)
    go_on()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(20)
        result = go_on()
        os.close(reader)
        with open(writer, "wb") as pipe:
            pipe.write(result)
        os._exit(0 if cnn.get_num_threads() == 1 else 1)
    os.close(writer)
    with open(reader, "rb") as pipe:
        from_child = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert from_child == go_on()
    """
    python(PARENT, program)


@FORK
def test_a_child_of_a_forked_child_computes_too(python):
    program = """
    if (child := os.fork()) == 0:
        signal.alarm(20)
        run()
        if (grandchild := os.fork()) == 0:
            signal.alarm(20)
            os._exit(0 if run() == expected else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    python(PARENT, program)


@FORK
def test_a_pool_of_forked_processes_computes_the_same(python):
    program = """
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2, signal.alarm, [20]) as pool:
        assert pool.map(run, [0, 1, 0], chunksize=1) == [expected, run(1), expected]
    """
    python(PARENT, program)


@OPENMP
def test_a_spawned_process_computes_the_same_in_parallel(python, tmp_path):
    (tmp_path / "work.py").write_text(textwrap.dedent(PARENT))
    program = """
        import multiprocessing, signal
        import work, cnn
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1, signal.alarm, [20]) as pool:
                assert pool.apply(work.run) == work.expected
                assert pool.apply(cnn.get_num_threads) == 2
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(program))
    python("import runpy; runpy.run_path('main.py', run_name='__main__')", OMP_NUM_THREADS="2")
