"""A process that trains, killed at any moment and started again, ends with the same bits."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")


TIME_LIMIT = 60

TRAINS = """
    import sys, os
    import numpy as np
    import cnn
    cnn.set_num_threads(1)
    checkpoint, result = sys.argv[1:]
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (400, 8, 8), dtype=np.uint8), rng.integers(0, 4, 400)
    layers = [
        cnn.Rescaling(1 / 255), cnn.Conv2D(4, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(),
        cnn.Dropout(0.2), cnn.Dense(4),
    ]
    net = cnn.Sequential(layers, (8, 8, 1), seed=0)
    print("ready", flush=True)
    history = net.fit(
        x, y, epochs=150, batch_size=16, seed=1, progress=False, validation_data=(x[:50], y[:50]),
        optimizer=cnn.SGD(cnn.schedules.Cosine(0.05), momentum=0.9), augment=cnn.Augment(shift=1, elastic=0.5),
        callbacks=[cnn.EarlyStopping(patience=140), cnn.Checkpoint(checkpoint)],
        resume=checkpoint if os.path.exists(checkpoint) else None,
    )
    np.savez(result, *net.state().values(), *history[:4])
"""


def train(checkpoint, result, kill_after: float | None = None) -> bool:
    """Train in a process of its own; whether it came to its end before it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(TRAINS), str(checkpoint), str(result)], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIME_LIMIT)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == 0


def kill_and_resume(tmp_path, kills: int, longest: float) -> None:
    rng = random.Random(kills)
    train(tmp_path / "straight", tmp_path / "straight.npz")
    for i in range(kills):
        if train(tmp_path / "killed", tmp_path / "killed.npz", rng.uniform(0, longest)):
            assert i > 0
            break
        if (tmp_path / "killed").exists():
            cnn.load(tmp_path / "killed")  # whole
    train(tmp_path / "killed", tmp_path / "killed.npz")
    with np.load(tmp_path / "straight.npz") as straight, np.load(tmp_path / "killed.npz") as resumed:
        assert len(straight.files) == 12
        for name in straight.files:
            assert straight[name].tobytes() == resumed[name].tobytes()


def test_a_fit_that_is_killed_at_any_moment_and_resumed_ends_with_the_same_bits(tmp_path):
    kill_and_resume(tmp_path, 4, 0.15)


@pytest.mark.slow
def test_a_fit_that_is_killed_at_many_moments_and_resumed_ends_with_the_same_bits(tmp_path):
    kill_and_resume(tmp_path, 25, 0.1)
