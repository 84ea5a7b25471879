"""Layers of one's own that return something wrong, raise or are interrupted: the net is as before that step."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from . import own_layers as own
from .test_layers_in_python import CLASSES, EITHER, SHAPE, bits, data, fitted

pytestmark = pytest.mark.usefixtures("two_threads")


class Wrong(cnn.Layer):
    """Returns, or does, something else than it should, in its call of a given number."""

    def __init__(self):
        self.calls, self.at, self.apply_result, self.gradient_result = 0, 0, None, None

    def apply(self, x, training):
        if training:
            self.calls += 1
        if self.apply_result and self.calls == self.at:
            return self.apply_result(x)
        return x * 1, None

    def apply_gradient(self, dy, kept):
        return self.gradient_result(dy) if self.gradient_result and self.calls == self.at else dy

    def set(self, at=0, apply_result=None, gradient_result=None):
        self.calls, self.at, self.apply_result, self.gradient_result = 0, at, apply_result, gradient_result


def with_wrong(backend="compiled"):
    """A net with what steps change beside parameters, below and above the layer."""
    layers = [
        cnn.Conv2D(3, 3), cnn.BatchNorm(), own.Standardised(), Wrong(), cnn.Conv2D(5, 3), cnn.BatchNorm(),
        own.Standardised(), cnn.Flatten(), cnn.Dense(CLASSES),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, seed=0, backend=backend), layers[3]


APPLY = "apply of a Wrong"
Y, DX = f"y, which {APPLY} returned,", "dx, which apply_gradient of a Wrong returned,"
PAIR = f"{APPLY} must return a pair, y and what apply_gradient needs, got"
INNER = r"\(8, 4, 5, 3\)"
WRONG_APPLY = {
    "no pair": (lambda x: x, TypeError, f"{PAIR} ndarray"),
    "nothing": (lambda x: None, TypeError, f"{PAIR} NoneType"),
    "three": (lambda x: (x, None, None), TypeError, f"{PAIR} tuple"),
    "a list": (lambda x: [x, None], TypeError, f"{PAIR} list"),
    "no y": (lambda x: (None, x), TypeError, f"{Y} must be an array of real numbers, got NoneType of dtype object"),
    "complex": (
        lambda x: (x + 0j, x),
        TypeError,
        f"{Y} must be an array of real numbers, got ndarray of dtype complex64",
    ),
    "text": (lambda x: ("y", x), TypeError, f"{Y} must be an array of real numbers, got str of dtype <U1"),
    "ragged": (lambda x: ([[1], [1, 2]], x), TypeError, f"{Y} must be an array of shape {INNER}, got list"),
    "fewer": (lambda x: (x[1:], x), ValueError, rf"{Y} must have shape {INNER}, got \(7, 4, 5, 3\)"),
    "flat": (lambda x: (x.reshape(8, -1), x), ValueError, rf"{Y} must have shape {INNER}, got \(8, 60\)"),
    "a number": (lambda x: (1.0, x), ValueError, rf"{Y} must have shape {INNER}, got \(\)"),
}
WRONG_GRADIENT = {
    "nothing": (lambda dy: None, TypeError, f"{DX} must be an array of real numbers, got NoneType of dtype object"),
    "a pair": (lambda dy: (dy, dy), ValueError, rf"{DX} must have shape {INNER}, got \(2, 8, 4, 5, 3\)"),
    "a channel": (lambda dy: dy[..., :1], ValueError, rf"{DX} must have shape {INNER}, got \(8, 4, 5, 1\)"),
}


def fails_in_step(backend, step, error, message="", batch_size=8, **results):
    """A fit whose step of that number fails, and one that ends before it, leave the same bits; both can go on."""
    (net, wrong), (other, _) = with_wrong(backend), with_wrong(backend)
    wrong.set(step, **results)
    with pytest.raises(error, match=f"^{message}" if message else None):
        fitted(net, epochs=1, batch_size=batch_size, shuffle=False)
    if step > 1:
        fitted(other, n=batch_size * (step - 1), epochs=1, batch_size=batch_size, shuffle=False)
    assert bits(net) == bits(other)
    wrong.set()
    assert fitted(net, epochs=2).loss == fitted(other, epochs=2).loss
    assert bits(net) == bits(other)
    assert net.current_fit is None


@EITHER
@pytest.mark.parametrize(("result", "error", "message"), WRONG_APPLY.values(), ids=WRONG_APPLY)
def test_what_apply_returns_wrongly_is_named(backend, result, error, message):
    fails_in_step(backend, 1, error, f"{message}$", apply_result=result)


@EITHER
@pytest.mark.parametrize(("result", "error", "message"), WRONG_GRADIENT.values(), ids=WRONG_GRADIENT)
def test_what_apply_gradient_returns_wrongly_is_named(backend, result, error, message):
    fails_in_step(backend, 1, error, f"{message}$", gradient_result=result)


def raises(error):
    def result(array):
        raise error

    return result


@EITHER
@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("step", [1, 3, 6])
@pytest.mark.parametrize("where", ["apply_result", "gradient_result"])
def test_an_exception_is_raised_by_fit_and_the_net_is_as_before_that_step(backend, error, step, where):
    fails_in_step(backend, step, type(error), str(error), **{where: raises(error)})


@EITHER
@pytest.mark.parametrize("batch_size", [1, 2, 3, 6, 7, 42])
def test_an_exception_on_the_way_back_leaves_no_layer_above_updated(backend, batch_size):
    steps = -(-43 // batch_size)  # the last batch is of one image
    fails_in_step(backend, steps, ZeroDivisionError, batch_size=batch_size, gradient_result=raises(ZeroDivisionError()))


@EITHER
def test_an_exception_of_a_batch_changes_nothing(backend):
    (net, wrong), (other, _) = with_wrong(backend), with_wrong(backend)
    optimizer, other_optimizer = cnn.Adam(0.01), cnn.Adam(0.01)
    for step in (1, 2):
        wrong.set(1, apply_result=raises(ZeroDivisionError("mine")))
        with pytest.raises(ZeroDivisionError, match=r"^mine$"):
            net.train_on_batch(*data(8), optimizer)
        wrong.set()
        assert optimizer.done == step - 1
        assert bits(net) == bits(other)
        net.train_on_batch(*data(8), optimizer)
        other.train_on_batch(*data(8), other_optimizer)
        assert bits(net) == bits(other)


@EITHER
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_outputs_that_are_no_numbers_end_the_fit_at_the_beginning_of_the_epoch(backend):
    (net, wrong), (fresh, _) = with_wrong(backend), with_wrong(backend)
    wrong.set(3, apply_result=lambda x: (x * np.nan, None))
    with pytest.raises(FloatingPointError, match=r"^the loss became NaN or infinite in epoch 1, step 3"):
        fitted(net)
    assert bits(net) == bits(fresh)


@EITHER
def test_what_a_prediction_returns_wrongly_is_named_and_the_net_predicts_again(backend):
    net, wrong = with_wrong(backend)
    expected = net.predict_logits(data(300)[0])
    wrong.set(0, apply_result=lambda x: (x[:1], None))
    with pytest.raises(
        ValueError, match=rf"^{Y} must have shape \(256, 4, 5, 3\), got \(1, 4, 5, 3\)$" if backend == "numpy" else Y
    ):
        net.predict(data(300)[0])
    wrong.set(0, apply_result=raises(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        net.predict(data(300)[0])
    wrong.set()
    assert np.array_equal(net.predict_logits(data(300)[0]), expected)


def test_arrays_of_any_real_dtype_and_order_are_taken():
    nets = [with_wrong() for _ in range(3)]
    nets[1][1].set(1, lambda x: (np.asfortranarray(x.astype(np.float64)), None), lambda dy: dy[::-1][::-1].tolist())
    nets[2][1].set(1, lambda x: (x[..., ::-1][..., ::-1], None), lambda dy: np.float64(dy))
    for net, _ in nets:
        fitted(net)
    assert bits(nets[0][0]) == bits(nets[1][0]) == bits(nets[2][0])


@EITHER
@pytest.mark.parametrize("result", [np.bool_, np.int64, np.float16])
def test_whole_numbers_and_truth_values_become_numbers_of_the_net(backend, result):
    class Rounded(own.Halves):
        def apply(self, x, training):
            return (x > 0).astype(result), None

    net = cnn.Sequential([Rounded(), cnn.Flatten(), cnn.Dense(CLASSES)], SHAPE, seed=0, backend=backend)
    assert net.predict_logits(data(4)[0]).dtype == np.float32
    assert np.isfinite(fitted(net).loss).all()
