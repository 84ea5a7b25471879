"""The same bits: for any number of threads, alone and in any batch, whatever went before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn

from .nets import NETS, counterpart, dense_alone, flat, net_of, noise
from .random_nets import stacks
from .steps import fitted

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest.mark.parametrize("name", NETS)
def test_steps_are_the_same_bits_for_any_number_of_threads_and_from_run_to_run(level, dtype, thread_counts, name):
    runs = set()
    for threads in thread_counts:
        for _ in range(3 if threads == 2 else 1):
            net = NETS[name](seed=1, dtype=dtype)
            x, y = noise(net, 45)  # two batches of twenty, one of five
            history = fitted(net, x, y, 20, "nesterov", steps=6)
            runs.add((flat(net).tobytes(), *history.loss, *history.accuracy, net.predict_proba(x).tobytes()))
    assert len(runs) == 1


@pytest.mark.parametrize("name", NETS)
def test_an_image_is_predicted_with_the_same_bits_alone_and_in_any_batch(level, dtype, name):
    net = NETS[name](seed=1, dtype=dtype)
    x, _ = noise(net, 37)
    whole = net.predict_proba(x)
    for i in range(37):
        assert net.predict_proba(x[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()
    for first, n in ((0, 16), (1, 17), (3, 33), (20, 2), (35, 2)):
        assert net.predict_proba(x[first : first + n]).tobytes() == whole[first : first + n].tobytes()


def test_images_of_one_large_call_are_predicted_with_the_same_bits_as_in_small_ones(level, dtype):
    net = dense_alone(seed=1, dtype=dtype)
    x, _ = noise(net, 9001)
    parts = [net.predict_proba(x[first : first + 1000]) for first in range(0, 9001, 1000)]
    assert net.predict_proba(x).tobytes() == np.concatenate(parts).tobytes()


@settings(max_examples=20)
@given(stacks(dropout=False), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_what_went_before_leaves_no_trace_in_the_memory_of_any_net(level, dtype, stack, n, seed):
    used, fresh = (net_of(*stack, dtype=dtype, seed=seed) for _ in range(2))
    x, y = noise(used, 2 * n, "float64", seed)
    used.predict_proba(np.full_like(x, np.nan))
    with pytest.raises(FloatingPointError):
        used.train_on_batch(np.full_like(x[:n], np.nan), y[:n], cnn.SGD(0.1))
    assert used.predict_proba(x).tobytes() == fresh.predict_proba(x).tobytes()
    histories = [fitted(net, x[:-1], y[:-1], n, "momentum", steps=3) for net in (used, fresh)]
    assert histories[0].loss == histories[1].loss
    assert flat(used).tobytes() == flat(fresh).tobytes()


@pytest.mark.parametrize("name", ["normalised", "averaged"])
def test_a_fit_is_the_same_bits_however_many_steps_a_call_makes(implementation, monkeypatch, name):
    runs = set()
    for seconds in (0.0, 1e-3, 1e6):  # a step a call; some; all but the first
        monkeypatch.setattr(cnn.training.fit, "_SECONDS_A_CALL", seconds)
        net = NETS[name](seed=1)
        net = counterpart(net, "float32") if implementation == "reference" else net
        x, y = noise(net, 43)
        augment = cnn.Augment(shift=1, noise=1)
        history = fitted(net, x, y, 5, "momentum", steps=18, augment=augment, label_smoothing=0.1)
        runs.add((flat(net).tobytes(), *history.loss))
    assert len(runs) == 1
