"""Whose turn it is: steps, and what has to happen between two of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnn.plan.access import Access


def test_a_copy_waits_for_the_call_that_runs_and_the_next_call_for_the_copy():
    access, order = Access(), []
    running, wanted = threading.Event(), threading.Event()

    def steps():
        order.append("steps")
        running.set()
        wanted.wait(20)
        time.sleep(0.05)  # in which the copy comes to wait
        order.append("end")
        return 1

    def calls():
        for _ in range(2):
            access.run(steps)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(calls)
        running.wait(20)
        wanted.set()
        with access.between_steps():
            order.append("copy")
        done.result(20)
    assert order == ["steps", "end", "copy", "steps", "end"]


def test_the_first_of_several_callers_trains_and_the_others_are_refused_until_it_has_ended():
    access, first, second = Access(), object(), object()
    access.claim(first, "fit")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^train_on_batch was called while the net is being trained"):
            access.claim(second, "train_on_batch")
        access.callers.pop(second, None)
    access.callers.pop(first, None)
    access.claim(second, "train_on_batch")
    assert access.fit is None
