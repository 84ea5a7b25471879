"""However one rank leaves a fit, all end soon, with the cause in their output, and the last checkpoint is whole."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

import cnn
from cnn.training.saved_fit import read_status

from . import mpi

PLAIN = ("-u",)  # Python without -m mpi4py
KILLED = "EXIT CODE|exited on"  # what MPICH and Open MPI say of a rank that has gone

ENDS = {
    "raises": "ValueError: this callback",
    "exits": "rank 0 has left with SystemExit: 3",
    "leaves at once": "",  # by os._exit, of which MPICH does not always print the status that it returns
    "crashes": KILLED,
    "layer": "ZeroDivisionError: this layer",
    "exchange": "MemoryError: this exchange",
}


@pytest.mark.parametrize("way", ENDS)
def test_all_ranks_end_with_the_cause(tmp_path, way):
    checkpoint = tmp_path / "checkpoint"
    done = mpi.run("ends.py", 3, way, checkpoint)
    assert done.status != 0
    assert any(cause in done.output for cause in ENDS[way].split("|")), done.output
    assert read_status(checkpoint).epoch in (1, 2)
    if way != "layer":  # of a class that is not known here
        cnn.load(checkpoint)


@pytest.mark.parametrize("way", ["raises", "layer"])
def test_without_mpi4pys_module_the_others_print_the_cause_too(tmp_path, way):
    done = mpi.run("ends.py", 3, way, tmp_path / "checkpoint", python=PLAIN)
    assert done.status != 0
    rank, cause = (0, ENDS[way]) if way == "raises" else (1, ENDS[way])
    assert done.output.count(f"\n{cause}") == 1
    # Two print at the same moment, so that one may be written into the line of the other.
    assert 1 <= done.output.count(f"RuntimeError: rank {rank} failed with {cause}") <= 2
    assert done.output.index(f"\n{cause}") < done.output.index("RuntimeError")


def test_ranks_do_not_wait_for_ever_for_one_that_has_failed_before_the_fit(tmp_path):
    done = mpi.run("ends.py", 3, "before fit", tmp_path / "checkpoint", python=PLAIN)
    assert done.status != 0
    assert "ValueError: before fit" in done.output
    assert "python -m mpi4py program.py" in done.output


def assert_interrupts(checkpoint, python, of_all, moment=0.1) -> None:
    with mpi.started(mpi.command("ends.py", 3, "goes on", checkpoint, python=python)) as process:
        assert process.stdout.readline() == "the second epoch\n"
        time.sleep(moment)
        begin = time.monotonic()
        os.kill(process.pid if of_all else mpi.ranks_of(process.pid)[1], signal.SIGINT)
        done = mpi.ended(process, begin)
    assert done.status != 0
    assert "\nKeyboardInterrupt" in done.output or done.output == ""  # which Open MPI's mpiexec ends itself
    assert "in the middle of an exchange" not in done.output
    assert "Fatal error" not in done.output  # of MPI, where ranks exchange different things
    cnn.load(checkpoint)


@pytest.mark.parametrize("python", [(), PLAIN])
@pytest.mark.parametrize("of_all", [True, False])
def test_ctrl_c_ends_all_as_it_ends_one_process(tmp_path, python, of_all):
    assert_interrupts(tmp_path / "checkpoint", python, of_all)


@pytest.mark.slow
@pytest.mark.parametrize("python", [(), PLAIN])
def test_ctrl_c_in_one_rank_at_any_moment_ends_all(tmp_path, python):
    rng = random.Random(0)
    for i in range(25):
        assert_interrupts(tmp_path / f"checkpoint_{i}", python, False, rng.uniform(0, 0.3))
