"""A rank that is killed at any moment ends all, and the fit goes on from its checkpoint on another number of ranks."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

import cnn

from . import mpi

EPOCHS = 40


def killed(checkpoint: Path, ranks: int, moment: float, rng: random.Random) -> float | None:
    """Kill a rank of a fit; the seconds that all took to end after it, or None if they had come to their end before."""
    with mpi.started(mpi.command("long_fit.py", ranks, checkpoint, EPOCHS)) as process:
        time.sleep(moment)
        pids = mpi.ranks_of(process.pid)
        if not pids:
            assert process.wait(mpi.TIME_LIMIT) == 0
            return None
        begin = time.monotonic()
        os.kill(rng.choice(pids), signal.SIGKILL)
        done = mpi.ended(process, begin)
        if done.status == 0:  # it was killed when all had been done
            assert done.output.startswith("[")
            return None
        assert "9" in done.output, done.output  # the signal
        return done.seconds


def kill_and_resume(folder: Path, kills: int, ranks: list[int]) -> list[float]:
    """The seconds that the ranks took to end after each kill."""
    rng = random.Random(kills)
    begin = time.monotonic()
    expected = mpi.result("long_fit.py", 2, folder / "straight", EPOCHS)
    longest, seconds = time.monotonic() - begin, []
    assert len(expected) == 1
    while len(seconds) < kills:
        path, before = folder / f"checkpoint_{len(seconds)}", rng.choice(ranks)
        time_taken = killed(path, before, rng.uniform(0, longest), rng)
        if time_taken is None:
            path.unlink()
            continue
        seconds.append(time_taken)
        if path.exists():
            cnn.load(path)  # whole
        after = rng.choice([n for n in [1, *ranks] if n != before])
        assert mpi.result("long_fit.py", after, path, EPOCHS) == expected, (before, after)
    return seconds


def test_a_rank_that_is_killed_ends_all_and_the_fit_goes_on_with_the_same_bits(tmp_path):
    kill_and_resume(tmp_path, 2, [2, 3])


@pytest.mark.slow
def test_a_rank_that_is_killed_at_many_moments_ends_all_and_the_fit_goes_on_with_the_same_bits(tmp_path):
    print(kill_and_resume(tmp_path, 25, [2, 3, 4]))
