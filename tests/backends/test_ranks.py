"""One rank alone: what it is told, what it does with errors and Ctrl-C; several are in tests/training/shared."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from cnn.backends.held_interrupts import HeldInterrupts
from cnn.backends.ranks import FAILED, FINE, NOT_FINITE, Ranks

from .one_rank import OneRank


def test_one_rank_has_what_it_gives():
    with Ranks(OneRank()) as ranks:
        assert (ranks.rank, ranks.ranks, ranks.is_root) == (0, 1, True)
        assert ranks.beside() == 1
        assert ranks.gather({"a": 1}) == [{"a": 1}]
        assert ranks.from_root((1, None)) == (1, None)
        assert ranks.on_root(lambda: 3) == 3
        assert [ranks.worst(status) for status in (FINE, NOT_FINITE)] == [FINE, NOT_FINITE]
        rows = np.arange(6.0).reshape(3, 2)
        np.testing.assert_array_equal(ranks.send_rows([rows], [3]), rows)
    assert repr(ranks) == "Ranks(rank=0, ranks=1)"


def test_a_communicator_is_freed_after_a_fit_and_kept_after_an_error():
    before = OneRank.freed
    with Ranks(OneRank()):
        pass
    assert OneRank.freed == before + 1
    with pytest.raises(ValueError, match="mine"), Ranks(OneRank()):
        raise ValueError("mine")
    assert OneRank.freed == before + 1


@pytest.mark.parametrize("comm", [0, "world", object(), type])
def test_what_is_no_communicator_is_refused(comm):
    with pytest.raises(TypeError, match=r"comm must be a communicator such as mpi4py\.MPI\.COMM_WORLD, got "):
        Ranks(comm)


def test_an_error_is_raised_as_it_is_and_what_cannot_be_sent_is_one():
    with pytest.raises(ZeroDivisionError), Ranks(OneRank()) as ranks:
        ranks.agree(lambda: 1 // 0)
    with pytest.raises((AttributeError, TypeError), match="pickle"), Ranks(OneRank()) as ranks:
        ranks.gather(lambda: 1)


class Failing(OneRank):
    """One of two ranks, of which the other has failed."""

    def Get_size(self):
        return 2

    def Allgather(self, sent, got):
        got[...] = sent[0], FAILED

    def allgather(self, value):
        return [value, "OSError: no disk"]


def test_a_rank_that_has_failed_ends_the_others_with_its_error(monkeypatch):
    monkeypatch.setattr("cnn.backends.ranks.PRECEDENCE", 0)
    with pytest.raises(RuntimeError, match=r"^rank 1 failed with OSError: no disk$"), Ranks(Failing()) as ranks:
        ranks.check()
    assert ranks.has_failed


# ---- Ctrl-C ----


def test_ctrl_c_waits_for_the_end_of_what_must_be_done_as_a_whole():
    interrupts, done = HeldInterrupts(), []

    def held() -> None:
        with interrupts.held():
            with interrupts.held():
                signal.raise_signal(signal.SIGINT)
                done.append(1)
            done.append(2)

    def held_error() -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("mine")

    interrupts.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            held()
        assert done == [1, 2]
        with pytest.raises(ValueError, match="mine"):
            held_error()
        with interrupts.held():
            pass  # it does not come later
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        interrupts.stop()


def test_the_handler_is_set_back():
    before = signal.getsignal(signal.SIGINT)
    interrupts = HeldInterrupts()
    interrupts.start()
    assert signal.getsignal(signal.SIGINT) is not before
    interrupts.stop()
    assert signal.getsignal(signal.SIGINT) is before
    with Ranks(OneRank()):
        assert signal.getsignal(signal.SIGINT) is before  # nobody waits for one rank
