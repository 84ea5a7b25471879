"""Ctrl-C acts at once, and leaves a net that can be used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from .programs import ALARM, TIME_LIMIT, environment

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and forks are those of POSIX systems")

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
