"""Normalisations in a step: running statistics, and what a step that fails leaves of them."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import cnn
import cnn_c

from .nets import counterpart, flat, noise, normalised

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_a_step_moves_the_running_statistics_as_the_layers_one_by_one_do(implementation, dtype, n):
    net = normalised(seed=1, dtype=dtype, rate=0.0)
    if implementation == "reference":
        net = counterpart(net, dtype)
    alone = counterpart(net)
    x, y = noise(net, n)
    net.train_on_batch(x, y, cnn.SGD(0.0))
    values = x
    for layer in alone.layers:
        values = layer.forward(values)
    # Sums of fewer than 100 terms, of numbers below 100, through three layers; what rounding leaves of a deviation
    # from the mean grows by at most one over the root of the smallest epsilon.
    tolerance = 3 * 100 * 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        net.executor.learned.statistics, alone.executor.learned.statistics, rtol=tolerance, atol=tolerance
    )
    assert not np.array_equal(alone.executor.learned.statistics, normalised().executor.learned.statistics)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(5)],
        lambda: [cnn.Flatten(), cnn.Dense(5), cnn.BatchNorm()],
        lambda: [cnn.Flatten(), cnn.BatchNorm(epsilon=0.01), cnn.BatchNorm(epsilon=0.01), cnn.ReLU(), cnn.Dense(5)],
        lambda: [cnn.BatchNorm(), cnn.Conv2D(3, 3), cnn.MaxPool2D(), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(5)],
    ],
    ids=["first", "last", "one after the other", "before a fused convolution"],
)
@pytest.mark.parametrize("n", [1, 3, 33])
def test_a_normalisation_may_stand_anywhere(level, layers, n):
    net = cnn.Sequential(layers(), (6, 5, 2), dtype="float64", seed=0)
    reference = counterpart(net)
    x, y = noise(net, n, "float64")
    for _ in range(3):
        losses = [either.train_on_batch(x, y, cnn.SGD(0.1)) for either in (net, reference)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    # Sums of fewer than 1000 terms; three steps, and divisions by a deviation above a tenth, twice at most, enlarge
    # that less than ten thousand times.
    np.testing.assert_allclose(flat(net), flat(reference), rtol=0, atol=1000 * 10_000 * np.finfo(float).eps)
    np.testing.assert_allclose(net.predict_proba(x), reference.predict_proba(x), rtol=0, atol=1e-8)


def test_gradients_below_a_normalisation_add_up_to_nothing_also_where_the_mean_is_large(level):
    # The bias of the convolution has no effect, so its gradient is rounding alone. With values of 30 and deviations of
    # a thirtieth, a mean rounded to float32 would make it 24 times what NumPy has.
    def rounding(backend, seed):
        rng = np.random.default_rng(seed)
        layers = [cnn.Conv2D(3, 2), cnn.BatchNorm(), cnn.ReLU(), cnn.Flatten(), cnn.Dense(4)]
        net = cnn.Sequential(layers, (9, 9, 1), seed=0, backend=backend)
        before = net.layers[0].bias.copy()
        net.train_on_batch(30 + 0.02 * rng.integers(0, 6, (32, 9, 9, 1)), rng.integers(0, 4, 32), cnn.SGD(1.0))
        return np.abs(before - net.layers[0].bias).max()

    ours, numpys = (np.mean([rounding(backend, seed) for seed in range(12)]) for backend in ("compiled", "numpy"))
    assert ours < 12 * numpys


def test_a_step_whose_loss_is_no_number_teaches_nothing(implementation, dtype):
    net = normalised(seed=1, dtype=dtype)
    net = counterpart(net, dtype) if implementation == "reference" else net
    x, y = noise(net, 20, "float64")
    net.train_on_batch(x, y, cnn.SGD(0.01))
    before = flat(net)
    with pytest.raises(FloatingPointError, match="left as they were"):
        net.train_on_batch(np.where(np.arange(20)[:, None, None, None] == 13, np.nan, x), y, cnn.SGD(0.01))
    assert flat(net).tobytes() == before.tobytes()


def test_a_step_on_one_image_whose_loss_is_no_number_teaches_nothing(level):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(5), cnn.BatchNorm(), cnn.Dense(3)], (2, 2, 1), seed=0)
    before = flat(net)
    with pytest.raises(FloatingPointError, match="left as they were"):
        net.train_on_batch(np.full((1, 2, 2, 1), np.nan), [1], cnn.SGD(0.01))
    assert flat(net).tobytes() == before.tobytes()


def interrupt(signal_number, frame):
    raise KeyboardInterrupt


@pytest.fixture
def one_thread_at_the_lowest_level():
    level, threads = cnn_c.LEVEL, cnn.get_num_threads()
    cnn_c.use_level(cnn_c.LEVELS[-1])
    cnn.set_num_threads(1)
    yield
    cnn_c.use_level(level)
    cnn.set_num_threads(threads)


def test_an_interrupted_step_teaches_nothing(one_thread_at_the_lowest_level):
    # On one thread of any processor, a step that takes longer than the time until the alarm and the look at signals.
    layers = [cnn.Conv2D(24, 7), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(9), cnn.BatchNorm(), cnn.Dense(3)]
    net = cnn.Sequential(layers, (20, 20, 8), seed=0, dtype="float64")
    x, y = noise(net, 500)
    before, handler = flat(net), signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            net.train_on_batch(x, y, cnn.SGD(0.1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert flat(net).tobytes() == before.tobytes()
    net.train_on_batch(x[:9], y[:9], cnn.SGD(0.1))
    assert np.isfinite(flat(net)).all()


def test_parameters_that_become_infinite_set_the_running_statistics_back_too(implementation):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(5), cnn.BatchNorm(), cnn.Dense(3)], (2, 2, 1), seed=0)
    net = counterpart(net, "float32") if implementation == "reference" else net
    before = flat(net)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="parameters became NaN or infinite"):
        net.fit(*noise(net, 9), batch_size=9, optimizer=cnn.SGD(3e38, weight_decay=1e3), progress=False)
    assert flat(net).tobytes() == before.tobytes()
