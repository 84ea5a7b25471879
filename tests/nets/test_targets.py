"""What nets of each kind of loss take as targets and weights, and what they predict, evaluate and report."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

from ..training.killed_fits import Kill, Killed

SHAPE = (4, 5, 1)
EITHER = pytest.mark.parametrize("backend", ["compiled", "numpy"])
LABELS, BITS = cnn.losses.SoftmaxCrossEntropy(), cnn.losses.BinaryCrossEntropy()
VALUES, HUBER = cnn.losses.MeanSquaredError(), cnn.losses.Huber()


def net_of(loss, backend="compiled", outputs=3, dtype="float32"):
    layers = [cnn.Flatten(), cnn.Dense(7), cnn.Tanh(), cnn.Dense(outputs)]
    return cnn.Sequential(layers, SHAPE, dtype, seed=0, backend=backend, loss=loss)


def images(n=30, dtype="float32"):
    return np.random.default_rng(0).standard_normal((n, *SHAPE)).astype(dtype)


def targets(loss, n=30, outputs=3):
    rng = np.random.default_rng(1)
    if loss.targets == "labels":
        return rng.integers(0, outputs, n)
    return rng.integers(0, 2, (n, outputs)) if loss.targets == "bits" else rng.standard_normal((n, outputs))


def state(net) -> list[bytes]:
    return [value.tobytes() for value in net.state().values()]


def fitted(net, y, **options):
    options = {"epochs": 3, "batch_size": 8, "optimizer": cnn.SGD(0.1, momentum=0.9), "seed": 0} | options
    return net.fit(images(), y, progress=False, **options)


# ---- what they give ----


@EITHER
def test_predictions_are_of_the_kind_of_the_targets(backend):
    x = images(9)
    net = net_of(LABELS, backend)
    assert np.array_equal(net.predict(x), net.predict_proba(x).argmax(axis=1))
    np.testing.assert_allclose(net.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    net = net_of(BITS, backend)
    assert net.predict(x).dtype == np.int64
    assert np.array_equal(net.predict(x), net.predict_proba(x) > 0.5)
    np.testing.assert_allclose(net.predict_proba(x), 1 / (1 + np.exp(-net.predict_logits(x))), rtol=1e-6)
    for loss in (VALUES, HUBER, lambda outputs, rows: (0.0, outputs)):
        net = net_of(loss, backend)
        assert np.array_equal(net.predict(x), net.predict_logits(x))
        with pytest.raises(RuntimeError, match=r"^a net trained by .* gives no probabilities; call predict$"):
            net.predict_proba(x)


@EITHER
@pytest.mark.parametrize("loss", [LABELS, BITS, VALUES, HUBER], ids=repr)
def test_histories_and_evaluations_have_accuracy_where_there_is_one(backend, loss, capsys):
    net, x, y = net_of(loss, backend), images(), targets(loss)
    history = net.fit(x, y, 2, 8, validation_data=(x, y), seed=0, progress=True)
    printed = capsys.readouterr()
    evaluation = net.evaluate(x, y)
    assert history.val_loss[-1] == evaluation.loss
    has_accuracy = loss.targets != "values"
    assert ("accuracy" in printed.out + printed.err) == has_accuracy
    assert len(history.accuracy) == len(history.val_accuracy) == 2 * has_accuracy
    if has_accuracy:
        right = (net.predict(x) == y).reshape(len(x), -1).all(axis=1)
        assert evaluation.accuracy == history.val_accuracy[-1] == right.mean()
        assert net.score(x, y) == evaluation.accuracy
    else:
        assert math.isnan(evaluation.accuracy)
        assert math.isnan(net.score(x, y))


@EITHER
@pytest.mark.parametrize("loss", [BITS, VALUES, HUBER], ids=repr)
def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path, backend, loss):
    path, straight, resumed = tmp_path / "checkpoint", net_of(loss, backend), net_of(loss, backend)
    options = {"validation_data": (images(), targets(loss)), "sample_weight": np.linspace(0, 1, 30)}
    expected = fitted(straight, targets(loss), **options)
    with pytest.raises(Killed):
        fitted(net_of(loss, backend), targets(loss), callbacks=[cnn.Checkpoint(path), Kill(2)], **options)
    history = fitted(resumed, targets(loss), resume=path, **options)
    assert (history.loss, history.val_loss, history.accuracy) == (expected.loss, expected.val_loss, expected.accuracy)
    assert state(resumed) == state(straight)
    loaded = cnn.load(path, backend)
    assert repr(loaded.loss) == repr(loss)
    with pytest.raises(ValueError, match=r"resume: .* had weights of images"):
        fitted(net_of(loss, backend), targets(loss), resume=path, **options | {"sample_weight": None})


# ---- what they take ----


@EITHER
@pytest.mark.parametrize("loss", [LABELS, BITS, VALUES, HUBER], ids=repr)
@pytest.mark.parametrize("dtype", ["int8", "float32", "float64", "bool"])
def test_targets_of_any_dtype_that_mean_the_same_give_the_same_bits(backend, loss, dtype):
    rows = np.eye(3)[np.random.default_rng(1).integers(0, 3, 30)]
    one, other = net_of(loss, backend), net_of(loss, backend)
    fitted(one, rows)
    fitted(other, rows.astype(dtype))
    assert state(one) == state(other)


@EITHER
@pytest.mark.parametrize("loss", [BITS, VALUES, HUBER], ids=repr)
def test_one_output_takes_a_row_of_targets(backend, loss):
    y = targets(loss, outputs=1)
    nets = net_of(loss, backend, outputs=1), net_of(loss, backend, outputs=1)
    fitted(nets[0], y)
    fitted(nets[1], y[:, 0])
    assert state(nets[0]) == state(nets[1])
    assert nets[0].predict(images()).shape == (30, 1)


def bad_rows(value):
    rows = np.full((30, 3), 1 / 3)
    rows[4, 1] = value
    return rows


PROBABILITIES = r"^y\[4\] must be one-hot, or probabilities with the sum 1, got \["
BAD = {
    "sums": (LABELS, bad_rows(0.5), ValueError, PROBABILITIES),
    "negative": (LABELS, bad_rows(-1 / 3), ValueError, PROBABILITIES),
    "NaN share": (LABELS, bad_rows(math.nan), ValueError, PROBABILITIES),
    "bits above 1": (BITS, bad_rows(1.5), ValueError, r"^y\[4\] must be from 0 to 1, got \["),
    "bits NaN": (BITS, bad_rows(math.nan), ValueError, r"^y\[4\] must be from 0 to 1, got \["),
    "NaN": (VALUES, bad_rows(math.nan), ValueError, r"^y\[4\] must be finite, got \["),
    "infinite": (HUBER, bad_rows(-math.inf), ValueError, r"^y\[4\] must be finite, got \["),
    "labels for values": (
        VALUES,
        np.zeros(30),
        ValueError,
        r"^y must have shape \(30, 3\), a row for each image, got \(30,\)$",
    ),
    "too few rows": (BITS, np.zeros((29, 3)), ValueError, r"^y must have shape \(30, 3\), .* got \(29, 3\)$"),
    "too wide": (VALUES, np.zeros((30, 4)), ValueError, r"^y must have shape \(30, 3\), .* got \(30, 4\)$"),
    "text": (VALUES, np.full((30, 3), "a"), TypeError, "^y must be an array of numbers"),
    "complex": (VALUES, np.zeros((30, 3), complex), TypeError, "^y must be an array of"),
    "beyond float32": (VALUES, np.full((30, 3), 1e300), ValueError, r"^y\[0\] must be finite"),
}


@pytest.mark.parametrize(("loss", "y", "error", "message"), BAD.values(), ids=BAD)
def test_bad_targets_are_named_and_nothing_changes(loss, y, error, message):
    net = net_of(loss)
    for call, arguments in ((net.fit, ()), (net.evaluate, ()), (net.train_on_batch, (cnn.SGD(0.1),))):
        with pytest.raises(error, match=message):
            call(images(), y, *arguments)
    assert state(net) == state(net_of(loss))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cnn.losses.Huber(0), ValueError, "^delta must"),
        (lambda: cnn.losses.Huber("1"), TypeError, "^delta must"),
        (lambda: cnn.losses.SoftmaxCrossEntropy(1.5), ValueError, "^label_smoothing must"),
        (
            lambda: net_of("mse"),
            TypeError,
            r"^loss must be one of cnn.losses.SoftmaxCrossEntropy\(\), .*, or a function, got 'mse'$",
        ),
        (lambda: net_of(cnn.losses.Huber), TypeError, "^loss must be one of .*, got <class"),
        (lambda: fitted(net_of(VALUES), targets(VALUES), label_smoothing=0.1), ValueError, "^label_smoothing is of "),
        (lambda: setattr(net_of(VALUES), "loss", BITS), AttributeError, "^loss of a Sequential cannot be changed"),
        (lambda: setattr(HUBER, "delta", 2), AttributeError, "^delta of a Huber cannot be changed; make another loss$"),
    ],
)
def test_arguments_that_are_none_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
