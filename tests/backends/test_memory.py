"""Memory: none is left behind, and where there is none left, no parameter is changed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import cnn
import cnn.models

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit on the address space")


@LINUX
def test_steps_and_predictions_leave_no_memory_behind(python):
    program = """
        import cnn, cnn.models, numpy as np
        import resource

        def used():
            return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

        cnn.set_num_threads(2)
        x, y = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), dtype=np.uint8), np.arange(1000) % 10
        net = cnn.models.two_conv(seed=0)
        optimizer = cnn.Adam()

        def all_of_it():
            for n in (1, 30, 31, 200):  # each with memory of its own, of some megabytes
                net.train_on_batch(x[:n], y[:n], optimizer)
                net.predict(x[:n])
            net.fit(x, y, batch_size=50, optimizer=optimizer, progress=False)
            try:
                net.train_on_batch(x[:40] * np.nan, y[:40], optimizer)
            except FloatingPointError:
                pass

        for _ in range(5):
            all_of_it()
        before = used()
        for _ in range(30):
            all_of_it()
        # The allocator moves by a megabyte; what thirty rounds would leave is a hundred.
        assert used() - before < 4 * 2**20, (before, used())
    """
    python(program)


@LINUX
@pytest.mark.parametrize("call", ["net.train_on_batch(x, y, optimizer)", "net.fit(x, y, batch_size=n, progress=False)"])
def test_out_of_memory_in_a_step_is_a_memory_error_and_changes_no_parameter(python, call):
    # Limits from nothing left to enough, so that each allocation of a step is the first to fail once.
    program = f"""
        import resource
        import cnn, cnn.models, numpy as np

        n = 1500
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n)
        cnn.set_num_threads(2)
        optimizer = cnn.SGD(0.1, momentum=0.9)
        net, untouched = (cnn.models.two_conv(seed=0) for _ in range(2))
        net.train_on_batch(x[:4], y[:4], cnn.SGD(0.0))  # starts the threads and imports what is imported late
        net.fit(x[:4], y[:4], optimizer=cnn.SGD(0.0), progress=False)

        def bits(net):
            return b"".join(value.tobytes() for value in net.parameters().values())

        expected = bits(net)
        assert expected == bits(untouched)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        failures = 0
        for spare in range(0, 100_000_000, 100_000):
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + spare, hard))
            try:
                {call}
                break
            except MemoryError:
                failures += 1
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            assert bits(net) == expected, spare
        assert failures > 30, failures
        assert bits(net) != expected
        assert np.isfinite(net.evaluate(x, y).loss)
        print(failures)
    """
    python(program, MALLOC_ARENA_MAX="1")  # memory that glibc keeps for other threads would be used, too


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_batch_that_fits_no_memory_is_a_memory_error(backend):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], input_shape=(64, 64, 1), seed=0, backend=backend)
    x = np.broadcast_to(np.uint8(0), (2**42, 64, 64, 1))  # one byte
    before = net.parameters()["dense_1.weights"].copy()
    with pytest.raises(MemoryError):
        net.predict(x)
    assert np.array_equal(net.parameters()["dense_1.weights"], before)
    assert net.predict(x[:3]).shape == (3,)
