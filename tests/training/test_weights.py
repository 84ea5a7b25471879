"""Weights of classes and of images: PyTorch's mean, scikit-learn's balance, and what they mean in whole batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

SHAPE, CLASSES = (4, 3, 1), 3
EITHER = pytest.mark.parametrize("backend", ["compiled", "numpy"])


def net_of(backend="compiled", loss=None, dtype="float64", outputs=CLASSES):
    layers = [cnn.Flatten(), cnn.Dense(7), cnn.Tanh(), cnn.Dense(outputs)]
    return cnn.Sequential(layers, SHAPE, dtype, seed=0, backend=backend, loss=loss)


def data(n=24):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *SHAPE)), rng.integers(0, CLASSES, n)


def fitted(net, x, y, **options):
    options = {"epochs": 1, "batch_size": len(x), "optimizer": cnn.SGD(0.5), "shuffle": False} | options
    return net.fit(x, y, progress=False, **options)


def assert_same(one, other, terms=1000):
    """To the rounding of sums of so many terms of order 1."""
    tolerance = terms * float(np.finfo(one.dtype).eps)
    for a, b in zip(one.state().values(), other.state().values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@EITHER
def test_class_weights_are_those_of_pytorchs_cross_entropy(backend):
    torch = pytest.importorskip("torch")
    net, (x, y), weights = net_of(backend), data(), [0.5, 2.0, 0.0]
    z = torch.tensor(net.predict_logits(x), requires_grad=True)
    expected = torch.nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float64))(z, torch.tensor(y))
    expected.backward()
    bias = net.parameters()["dense_2.bias"].copy()
    history = fitted(net, x, y, class_weight=dict(enumerate(weights)), optimizer=cnn.SGD(1.0))
    assert history.loss[0] == pytest.approx(expected.item(), rel=1e-13)
    change = bias - net.parameters()["dense_2.bias"]
    np.testing.assert_allclose(change, z.grad.numpy().sum(axis=0), rtol=0, atol=1e-14)


@EITHER
def test_balanced_weights_follow_scikit_learns_formula(backend):
    x, _ = data(12)
    y = np.array([0] * 7 + [1] * 4 + [2])
    nets = net_of(backend), net_of(backend)
    one = fitted(nets[0], x, y, class_weight="balanced")
    other = fitted(nets[1], x, y, class_weight={0: 12 / (3 * 7), 1: 12 / (3 * 4), 2: 12 / (3 * 1)})
    assert one.loss == other.loss
    assert_same(*nets, terms=0)
    # Classes that do not occur count as none, as in scikit-learn's compute_class_weight(classes=np.unique(y)).
    nets = net_of(backend), net_of(backend)
    fitted(nets[0], x, y % 2, class_weight="balanced")
    fitted(nets[1], x, y % 2, class_weight={0: 12 / (2 * 8), 1: 12 / (2 * 4), 2: 99.0})
    assert_same(*nets, terms=0)


LOSSES = [None, cnn.losses.SoftmaxCrossEntropy(0.1), cnn.losses.BinaryCrossEntropy(), cnn.losses.Huber()]


def targets_for(loss, y):
    return y if loss is None or loss.targets == "labels" else np.eye(CLASSES)[y]


@EITHER
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_weight_of_two_is_an_image_twice_and_one_of_zero_an_image_left_out(backend, loss):
    (x, y), nets = data(), (net_of(backend, loss), net_of(backend, loss))
    weights = np.arange(24) % 3
    t = targets_for(loss, y)
    one = fitted(nets[0], x, t, sample_weight=weights)
    other = fitted(nets[1], np.repeat(x, weights, axis=0), np.repeat(t, weights, axis=0))
    assert one.loss[0] == pytest.approx(other.loss[0], rel=1e-13)
    assert_same(*nets)


@EITHER
@pytest.mark.parametrize("batch_size", [1, 5, 24])
def test_equal_weights_change_nothing_but_rounding(backend, batch_size):
    (x, y), nets = data(), [net_of(backend) for _ in range(3)]
    histories = [
        fitted(net, x, y, batch_size=batch_size, epochs=2, sample_weight=weights)
        for net, weights in zip(nets, (None, np.ones(24), np.full(24, 8)), strict=True)
    ]
    assert_same(nets[0], nets[1], terms=0)
    assert_same(nets[0], nets[2])
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=1e-13)
    assert histories[0].loss == pytest.approx(histories[2].loss, rel=1e-13)
    assert histories[0].accuracy == histories[1].accuracy == histories[2].accuracy


@EITHER
@pytest.mark.parametrize("batch_size", [1, 5])
def test_both_weights_are_multiplied_and_a_batch_is_divided_by_its_own_sum(backend, batch_size):
    (x, y), nets = data(), (net_of(backend), net_of(backend))
    of_images, of_classes = np.linspace(0.1, 3, 24), np.array([0.5, 1.0, 4.0])
    options = {"batch_size": batch_size, "epochs": 2, "shuffle": True, "seed": 3}
    one = fitted(nets[0], x, y, sample_weight=of_images, class_weight={0: 0.5, 2: 4.0}, **options)
    other = fitted(nets[1], x, y, sample_weight=of_images * of_classes[y], **options)
    assert one.loss == other.loss
    assert_same(*nets, terms=0)


@EITHER
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_batch_of_images_that_count_nothing_changes_nothing(backend, batch_size):
    (x, y), nets = data(), (net_of(backend), net_of(backend))
    weights = np.ones(24)
    weights[8:16] = 0
    fitted(nets[0], x, y, batch_size=batch_size, sample_weight=weights)
    left = np.flatnonzero(weights)
    fitted(nets[1], x[left], y[left], batch_size=batch_size)
    assert_same(*nets, terms=0)


def test_any_number_of_threads_gives_the_same_bits(thread_counts):
    results = []
    for _ in thread_counts:
        net = net_of(dtype="float32")
        history = fitted(net, *data(99), batch_size=33, sample_weight=np.linspace(0, 2, 99), class_weight="balanced")
        results.append((net.parameters()["dense_1.weights"].tobytes(), history.loss))
    assert all(result == results[0] for result in results)


def weights_with(value):
    weights = np.ones(24)
    weights[3] = value
    return weights


BAD = {
    "negative": (
        {"sample_weight": weights_with(-1)},
        ValueError,
        r"^sample_weight\[3\] must be finite and at least 0, got -1",
    ),
    "NaN": ({"sample_weight": weights_with(math.nan)}, ValueError, r"^sample_weight\[3\] must be finite"),
    "infinite": ({"sample_weight": weights_with(math.inf)}, ValueError, r"^sample_weight\[3\] must be finite"),
    "too few": ({"sample_weight": np.ones(23)}, ValueError, r"^sample_weight must have shape \(24,\)"),
    "a column": ({"sample_weight": np.ones((24, 1))}, ValueError, r"^sample_weight must have shape \(24,\)"),
    "text": ({"sample_weight": ["a"] * 24}, TypeError, "^sample_weight must"),
    "all 0": (
        {"sample_weight": np.zeros(24)},
        ValueError,
        "^class_weight and sample_weight must leave an image that counts",
    ),
    "a list": (
        {"class_weight": [1, 2, 3]},
        TypeError,
        '^class_weight must be a dict of class to weight, or "balanced", got',
    ),
    "a word": ({"class_weight": "even"}, TypeError, "^class_weight must be a dict"),
    "no class": ({"class_weight": {3: 1.0}}, ValueError, "^a class of class_weight must"),
    "no integer": ({"class_weight": {"1": 1.0}}, TypeError, "^a class of class_weight must"),
    "negative class": ({"class_weight": {1: -1.0}}, ValueError, r"^class_weight\[1\] must"),
}


@pytest.mark.parametrize(("options", "error", "message"), BAD.values(), ids=BAD)
def test_weights_that_are_none_are_named(options, error, message):
    net = net_of()
    with pytest.raises(error, match=message):
        fitted(net, *data(), **options)
    assert_same(net, net_of(), terms=0)


def test_weights_need_labels_and_a_loss_of_the_package():
    x, y = data()
    with pytest.raises(ValueError, match=r"^class_weight needs labels, .* use sample_weight$"):
        fitted(net_of(loss=cnn.losses.Huber()), x, np.eye(CLASSES)[y], class_weight={0: 2.0})
    with pytest.raises(ValueError, match=r"^class_weight and sample_weight need a loss of cnn\.losses"):
        fitted(net_of(loss=lambda outputs, rows: (0.0, outputs)), x, y, sample_weight=np.ones(24))


class EveryBatch(cnn.Callback):
    """With it, a call of compiled code takes one batch."""

    def on_batch_end(self, net, logs):
        pass


def test_the_loss_of_an_epoch_does_not_depend_on_how_many_batches_a_call_takes():
    (x, y), weights = data(300), np.random.default_rng(1).uniform(0, 3, 300)
    losses = {
        fitted(net_of(), x, y, batch_size=2, sample_weight=weights, callbacks=callbacks).loss[0]
        for callbacks in ([], [EveryBatch()])
    }
    assert len(losses) == 1
