"""The package inside a process: imports, environment, signals, forks, threads, memory, floating-point mode.

What could hang or end the tests runs in a process of its own, with a time limit that only a hang reaches. The process
keeps the limit itself, too: whoever ends the tests leaves none that computes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import cnn
import cnn.models
import cnn_c

TIME_LIMIT = 60  # seconds; each program takes one or two
ALARM = f"import signal; hasattr(signal, 'alarm') and signal.alarm({TIME_LIMIT})"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and forks are those of POSIX systems")
OPENMP = pytest.mark.skipif(not cnn_c.KERNELS["f"].openmp, reason="this build has no OpenMP, hence one thread")
FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit on the address space")


def environment(**changes: str | None) -> dict[str, str]:
    """Ours without what sets threads and level, and then `changes`; None takes a variable away."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "CNN_C_LEVEL"))}
    return {key: value for key, value in (ours | changes).items() if value is not None}


@pytest.fixture
def python(tmp_path):
    """Run a program elsewhere, so that it imports what is installed; its output, and its errors if it fails."""

    def run(*parts: str, **changes: str | None) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(map(textwrap.dedent, (ALARM, *parts)))],
            cwd=tmp_path, env=environment(**changes), capture_output=True, text=True, timeout=TIME_LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


# ---- import ------------------------------------------------------------------------------------------------


def test_importing_the_package_imports_nothing_but_numpy_and_the_standard_library(python):
    program = """
        import sys
        import numpy
        before = set(sys.modules)
        import cnn
        net = cnn.models.two_conv(seed=0)
        net.predict(numpy.zeros((2, 28, 28), numpy.uint8))
        for name in sorted({name.split(".")[0] for name in set(sys.modules) - before}):
            print(name)
    """
    new = set(python(program).split()) - set(sys.stdlib_module_names)
    # Cython's modules share their types through one of a name like this.
    assert {name for name in new if not name.startswith(("_cython", "cython_runtime"))} <= {"cnn", "cnn_c", "numpy"}


def test_what_is_imported_late_is_an_attribute_from_the_start(python):
    program = """
        import sys
        import cnn
        late = {"cnn.datasets", "cnn.reference"}
        assert not late & set(sys.modules), sys.modules.keys()
        assert {"datasets", "reference", "__version__"} <= set(dir(cnn))
        assert cnn.datasets.mnist.train_images and cnn.reference.Conv2D and cnn.__version__
        assert late <= set(sys.modules)
    """
    python(program)


def test_every_public_name_is_there():
    for name in cnn.__all__:
        assert getattr(cnn, name) is not None
    with pytest.raises(AttributeError, match="'cnn' has no attribute 'Conv4D'"):
        _ = cnn.Conv4D


# ---- level -------------------------------------------------------------------------------------------------

PREDICTION = """
    import cnn, cnn_c, numpy as np
    net = cnn.models.two_conv(seed=0)
    x = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    y = np.arange(20) % 10
    net.fit(x, y, epochs=2, seed=0, progress=False)
    print(cnn_c.LEVEL, cnn.get_num_threads(), net.evaluate(x, y).loss.hex())
"""


@pytest.mark.parametrize("level", cnn_c.LEVELS)
def test_a_level_can_be_forced_and_is_shown(python, level):
    first, *config = python(PREDICTION, "cnn.show_config()", CNN_C_LEVEL=level).splitlines()
    assert first.split()[0] == level
    shown = dict(line.split(maxsplit=1) for line in config)
    assert shown["level"].split()[0] == level
    assert all(possible in shown["level"] for possible in cnn_c.LEVELS)
    assert {"cnn-c", "lanes", "OpenMP", "threads", "Python", "NumPy", "platform"} <= shown.keys()


@pytest.mark.parametrize("given", [None, ""])
def test_without_a_wish_the_best_level_is_taken(python, given):
    assert python(PREDICTION, CNN_C_LEVEL=given).split()[0] == cnn_c.LEVELS[0]


@pytest.mark.parametrize("given", ["v5", "V3", "avx2", "../v3", "v3 "])
def test_an_unknown_level_is_an_import_error_that_lists_the_possible_ones(python, given):
    program = """
        try:
            import cnn
        except ImportError as error:
            print(error)
    """
    message = python(program, CNN_C_LEVEL=given)
    assert f"CNN_C_LEVEL={given}" in message
    assert message.rstrip().endswith(", ".join(cnn_c.LEVELS))


def test_an_unknown_level_leaves_the_one_in_use(level):
    kernels = dict(cnn_c.KERNELS)
    with pytest.raises(ImportError, match=", ".join(cnn_c.LEVELS)):
        cnn_c.use_level("v9")
    assert (level, kernels) == (cnn_c.LEVEL, cnn_c.KERNELS)


# ---- number of threads -------------------------------------------------------------------------------------


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
        cnn.set_num_threads(3)
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


# ---- interrupts --------------------------------------------------------------------------------------------

INTERRUPTED = """
    import cnn, numpy as np
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (30_000, 28, 28), dtype=np.uint8), rng.integers(0, 10, 30_000)
    net = {net}
    net.predict(x[:64])
    before = net.executor.learned.parameters.copy()
    try:
        print("begin", flush=True)
        while True:
            {call}
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    after = net.executor.learned.parameters.copy()
    assert np.isfinite(after).all()
    assert {unchanged} == np.array_equal(before, after)
    assert (np.full(9, np.float32(4e-45)) / 2 != 0).all()  # subnormal numbers work
    first = net.predict_proba(x[:64])
    assert np.allclose(first.sum(axis=1), 1, atol=1e-5)
    net.fit(x[:64], y[:64], seed=0, progress=False)
    assert not np.array_equal(first, net.predict_proba(x[:64]))
    print("usable")
"""


# Seconds of work for one step, in blocks of milliseconds.
LARGE_NET = """cnn.Sequential([
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(16, 3), cnn.ReLU(), cnn.Conv2D(96, 3), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(8, 3), cnn.MaxPool2D(4), cnn.Flatten(), cnn.Dense(10),
    ], (28, 28, 1), seed=0)"""


@POSIX
@pytest.mark.parametrize(
    ("net", "call", "unchanged"),
    [
        ("cnn.models.two_conv(seed=0)", "net.fit(x, y, epochs=1000, batch_size=32, progress=False)", False),
        ("cnn.models.two_conv(seed=0)", "net.fit(x, y, epochs=1000, batch_size=1, progress=False)", False),
        (LARGE_NET, "net.fit(x, y, epochs=1000, batch_size=len(x), progress=False)", True),
        (LARGE_NET, "net.train_on_batch(x, y, cnn.Adam())", True),
        ("cnn.models.two_conv(seed=0)", "net.predict(x)", True),
        ("cnn.models.two_conv(seed=0)", "net.evaluate(x, y)", True),
    ],
)
def test_an_interrupt_acts_at_once_and_leaves_the_net_usable(tmp_path, net, call, unchanged):
    program = f"{ALARM}\n{textwrap.dedent(INTERRUPTED.format(net=net, call=call, unchanged=unchanged))}"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE
    ) as child:
        try:
            assert child.stdout.readline() == "begin\n"
            time.sleep(0.3)  # into the call: each takes seconds
            sent = time.perf_counter()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            # A tenth of a second where a core is free; a step of the large net on all images would take longer.
            assert time.perf_counter() - sent < 2
            child.wait(TIME_LIMIT)
            assert child.stdout.read() == "usable\n"  # communicate() would miss what the last readline() read ahead
        finally:
            child.kill()
    assert child.returncode == 0


# ---- forks -------------------------------------------------------------------------------------------------

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


# ---- threads of Python -------------------------------------------------------------------------------------

TOGETHER = """
    import cnn, cnn.models, numpy as np
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8), rng.integers(0, 10, 300)
    cnn.set_num_threads(2)

    def together(n, work):
        "The results of `work(i)` for n threads that begin at the same time."
        barrier = Barrier(n)
        def begin(i):
            barrier.wait()
            return work(i)
        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(begin, range(n)))

    def trained(i):
        net = cnn.models.two_conv(seed=i)
        net.fit(x[:100 + i], y[:100 + i], epochs=2, seed=i, progress=False)
        return net
"""


def test_many_threads_predict_with_one_net_as_one_does(python):
    program = """
    net = trained(0)
    parts = [x[20 * i : 20 * i + 60 + i] for i in range(8)]
    expected = [net.predict_proba(part).tobytes() for part in parts]
    for _ in range(3):
        assert together(8, lambda i: net.predict_proba(parts[i]).tobytes()) == expected
    evaluation = net.evaluate(x, y)
    assert together(8, lambda i: net.evaluate(x, y)) == [evaluation] * 8
    """
    python(TOGETHER, program)


def test_different_nets_train_at_the_same_time_as_one_after_the_other(python):
    program = """
    def bits(i):
        return b"".join(value.tobytes() for value in trained(i).parameters().values())
    expected = [bits(i) for i in range(6)]
    assert together(6, bits) == expected
    """
    python(TOGETHER, program)


def test_many_threads_may_use_one_layer(python):
    program = """
    for layer in (cnn.Conv2D(8, 3).build((28, 28, 1), seed=0), cnn.MaxPool2D().build((28, 28, 1)), cnn.Conv3x3(8)):
        parts = [x[i : i + 9].astype(layer.dtype if hasattr(layer, "dtype") else None) for i in range(8)]
        expected = [layer.forward(part).tobytes() for part in parts]
        for _ in range(20):
            assert together(8, lambda i: layer.forward(parts[i]).tobytes()) == expected
    """
    python(TOGETHER, program)


def test_nets_train_while_another_one_is_asked(python):
    program = """
    asked = trained(9)
    expected = asked.predict_proba(x).tobytes()
    bits = [trained(i).executor.learned.parameters.tobytes() for i in range(3)]

    def work(i):
        if i < 3:
            return [trained(i).executor.learned.parameters.tobytes() for _ in range(2)]
        return [asked.predict_proba(x).tobytes() for _ in range(8)]

    results = together(6, work)
    assert results[:3] == [[one] * 2 for one in bits]
    assert results[3:] == [[expected] * 8] * 3
    """
    python(TOGETHER, program)


def test_one_net_may_be_trained_and_asked_at_the_same_time(python):
    program = """
    net = trained(0)
    def work(i):
        if i == 0:
            return net.fit(x, y, epochs=2, progress=False, seed=i).loss
        if i % 2:
            return [net.train_on_batch(x[:50], y[:50], cnn.SGD(0.01)) for _ in range(4)]
        return [float(net.predict_proba(x).sum()) for _ in range(4)]
    assert np.isfinite(np.concatenate(together(6, work))).all()
    """
    python(TOGETHER, program)


# ---- memory ------------------------------------------------------------------------------------------------


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
    python(program)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_batch_that_fits_no_memory_is_a_memory_error(backend):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], input_shape=(64, 64, 1), seed=0, backend=backend)
    x = np.broadcast_to(np.uint8(0), (2**42, 64, 64, 1))  # one byte
    before = net.parameters()["dense_1.weights"].copy()
    with pytest.raises(MemoryError):
        net.predict(x)
    assert np.array_equal(net.parameters()["dense_1.weights"], before)
    assert net.predict(x[:3]).shape == (3,)


# ---- floating-point mode -----------------------------------------------------------------------------------


def subnormals_work() -> bool:
    """Whether NumPy reads and writes subnormal numbers in this thread, as it does from the start."""
    small = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float64).smallest_subnormal
    return all(
        (np.full(9, one) * 3 == 3 * float(one)).all() and (np.full(9, 2 * one) / 2 == one).all() for one in small
    )


def test_the_floating_point_mode_is_that_of_before_after_every_call(level, dtype, threads):
    assert subnormals_work()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    y = np.arange(20) % 10
    net = cnn.models.two_conv(seed=0, dtype=dtype)
    conv, softmax = cnn.Conv3x3(8, dtype=dtype), cnn.Softmax(26 * 26 * 8, 10, dtype=dtype)
    for call in (
        lambda: net.predict(x),
        lambda: net.predict(x[:1]),
        lambda: net.evaluate(x, y),
        lambda: net.train_on_batch(x, y, cnn.SGD(0.1)),
        lambda: net.fit(x, y, progress=False),
        lambda: softmax.forward(conv.forward(x[0])),
        lambda: softmax.backprop(np.ones(10), 0.1),
        lambda: conv.backprop(np.ones((26, 26, 8)), 0.1),
        lambda: cnn.functional.softmax_cross_entropy(rng.standard_normal((9, 10)).astype(dtype), y[:9]),
    ):
        call()
        assert subnormals_work()
    with pytest.raises(FloatingPointError):
        net.train_on_batch(x * np.nan, y, cnn.SGD(0.1))
    assert subnormals_work()


def test_the_mode_of_other_threads_is_left_alone_too():
    net = cnn.models.two_conv(seed=0)
    x = np.zeros((20, 28, 28), np.uint8)
    barrier = Barrier(4)

    def work(_):
        barrier.wait()
        before = subnormals_work()
        net.predict(x)
        return before and subnormals_work()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert subnormals_work()


def test_subnormal_numbers_give_right_results(level, dtype, threads):
    # Whether a subnormal counts as itself or as zero, a result is off by no more than the smallest normal number
    # for each product.
    tiny = float(np.finfo(dtype).tiny)
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, (6, 9, 9, 3)) * tiny).astype(dtype)
    w, b = rng.uniform(-1, 1, (3, 3, 3, 8)).astype(dtype), rng.uniform(-1, 1, 8).astype(dtype)
    terms = 3 * 3 * 3
    y = cnn.functional.conv2d_forward(x, w, None)
    exact = cnn.reference.conv2d_forward(x.astype(np.float64), w.astype(np.float64), None)
    assert (np.abs(y - exact) <= 2 * terms * tiny).all()
    assert np.array_equal(cnn.functional.conv2d_forward(x, w, b), np.broadcast_to(b, y.shape))
    y = cnn.functional.dense_forward(x.reshape(6, -1), rng.uniform(-1, 1, (243, 10)).astype(dtype), None)
    assert (np.abs(y) <= 2 * 243 * tiny).all()
    pooled, _ = cnn.functional.maxpool2d_forward(x, 3)
    assert np.array_equal(pooled, cnn.reference.maxpool2d_forward(x, 3)[0])


def test_a_net_whose_numbers_become_subnormal_predicts_as_with_zeros(level, dtype, threads):
    net = cnn.models.two_conv(seed=0, dtype=dtype)
    x = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    first = net.parameters()["conv2d_1.weights"]
    first *= np.finfo(dtype).tiny
    assert (np.abs(first[first != 0]) < 4 * np.finfo(dtype).tiny).all()
    small = net.predict_proba(x)
    first[...] = 0
    assert np.array_equal(net.predict_proba(x), small)
