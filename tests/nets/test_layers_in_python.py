"""Layers of one's own in nets: called between the compiled parts of a step, checked, and with the bits of ours."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest

import cnn

from ..training.killed_fits import Kill, Killed
from . import own_layers as own

SHAPE, CLASSES = (6, 7, 2), 4
EITHER = pytest.mark.parametrize("backend", ["compiled", "numpy"])


def data(n=43, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, *SHAPE)).astype(dtype), rng.integers(0, CLASSES, n)


def net_of(*layers, backend="compiled", dtype="float32", shape=SHAPE):
    return cnn.Sequential(layers, shape, dtype=dtype, seed=0, backend=backend)


def all_kinds(backend="compiled", dtype="float32"):
    """Layers in Python first and last, two in a row, between convolutions and dense layers, in a residual block."""
    return net_of(
        own.Shift(), own.Standardised(), cnn.Conv2D(5, 3, padding="same"), own.Negative(), own.Scale(2.0), cnn.ReLU(),
        cnn.Residual([cnn.Conv2D(10, 3, padding="same"), own.Scale(), cnn.Residual([own.Clamped()])]),
        own.Halves(), cnn.MaxPool2D(2), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(9), own.Clamped(),
        cnn.Dropout(0.2), cnn.Dense(CLASSES), own.Scale(),
        backend=backend, dtype=dtype,
    )  # fmt: skip


def fitted(net, callbacks=(), n=43, **options):
    """Batches of 8, the last one of 3."""
    options = {"epochs": 3, "batch_size": 8, "optimizer": cnn.SGD(0.05, momentum=0.9), "seed": 1} | options
    x, y = data(43, net.dtype)
    return net.fit(x[:n], y[:n], callbacks=callbacks, progress=False, **options)


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in net.state().values())


PAIRS = {
    "relu": (own.NumpyReLU, cnn.ReLU),
    "overridden relu": (own.OverriddenReLU, cnn.ReLU),
    "rescaling": (own.Halves, lambda: cnn.Rescaling(0.5)),
    "flatten": (own.Flat, cnn.Flatten),
}


@EITHER
@pytest.mark.parametrize("name", [name for name in PAIRS if name != "flatten"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_same_arithmetic_gives_the_same_bits_as_a_layer_of_the_package(backend, dtype, name, batch_size):
    def trained(make, flatten):
        layers = [
            make(), cnn.Conv2D(3, 3), make(), cnn.Conv2D(5, 2), make(), make(), cnn.AvgPool2D(2), flatten(),
            cnn.Dense(9), make(), cnn.Dense(CLASSES), make(),
        ]  # fmt: skip
        net = net_of(*layers, backend=backend, dtype=dtype)
        history = fitted(net, batch_size=batch_size, epochs=2)
        return bits(net), history.loss, net.predict_proba(data()[0]).tobytes()

    mine, theirs = PAIRS[name]
    assert trained(mine, own.Flat) == trained(theirs, cnn.Flatten)


def test_a_class_that_overrides_what_is_computed_is_in_python_and_one_that_adds_is_not():
    class Named(cnn.ReLU):
        def title(self):
            return "relu"

    assert own.OverriddenReLU.in_python
    assert not Named.in_python
    kinds = [
        o.kind
        for o in net_of(cnn.Flatten(), Named(), own.OverriddenReLU(), cnn.Dense(4)).executor.plan(8, True).operations
    ]
    assert kinds.count("python") == 1
    assert kinds.count("elementwise") == 1


def test_both_backends_agree(dtype):
    nets = [all_kinds(backend, dtype) for backend in ("compiled", "numpy")]
    losses = [fitted(net).loss for net in nets]
    # Eighteen steps, of sums of fewer than 1000 numbers of order 1; their size is that of the statistics, below 10.
    tolerance = 18 * 1000 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(*losses, rtol=tolerance)
    for one, other in zip(*(net.state().values() for net in nets), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_any_number_of_threads_gives_the_same_bits(thread_counts):
    results = []
    for _ in thread_counts:
        net = all_kinds()
        history = fitted(net, batch_size=33)
        results.append((bits(net), history.loss, net.predict_proba(data(700)[0]).tobytes()))
    assert all(result == results[0] for result in results)


@EITHER
def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path, backend):
    path, straight, resumed = tmp_path / "checkpoint", all_kinds(backend), all_kinds(backend)
    expected = fitted(straight)
    with pytest.raises(Killed):
        fitted(all_kinds(backend), [cnn.Checkpoint(path), Kill(2)])
    assert fitted(resumed, resume=path).loss == expected.loss
    assert bits(resumed) == bits(straight)
    classes = [own.Shift, own.Standardised, own.Negative, own.Scale, own.Clamped, own.Halves]
    assert bits(cnn.load(path, backend, layers=classes)) != bits(straight)


def test_saved_and_loaded_copied_and_pickled_nets_are_the_same(tmp_path):
    net = all_kinds()
    fitted(net)
    net.save(tmp_path / "net")
    classes = [own.Shift, own.Standardised, own.Negative, own.Scale, own.Clamped, own.Halves]
    copies = [deepcopy(net), pickle.loads(pickle.dumps(net)), cnn.load(tmp_path / "net", layers=classes)]
    x = data(20)[0]
    for copy in copies:
        assert bits(copy) == bits(net)
        assert np.array_equal(copy.predict_logits(x), net.predict_logits(x))
    # The masks of dropout go on where the net stands, which a file does not hold.
    losses = [each.train_on_batch(*data(20), cnn.SGD(0.1)) for each in (net, *copies[:2])]
    assert losses[0] == losses[1] == losses[2]


@EITHER
def test_many_threads_predict_what_one_does_and_batches_of_any_size_agree(backend):
    net = all_kinds(backend)
    fitted(net)
    x, y = data(600)
    expected, evaluated = net.predict_logits(x), net.evaluate(x, y)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: net.predict_logits(x), range(8)))
        assert all(np.array_equal(result, expected) for result in results)
        assert set(pool.map(lambda _: net.evaluate(x, y), range(8))) == {evaluated}
    assert net.predict_logits(x[:0]).shape == (0, CLASSES)
    # A matrix product of one row may be summed in another order than one of many: 63 + 9 products of order 1.
    tolerance = 100 * float(np.finfo(np.float32).eps) * float(np.abs(expected).max())
    np.testing.assert_allclose([net.predict_logits(x[i : i + 1])[0] for i in range(5)], expected[:5], atol=tolerance)
    assert net.predict(x[7:8]) == expected[7].argmax()
