"""`cnn.check_layer`: every layer of the package passes, and a layer with one fault is told of that fault."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import EVERY_LAYER, LAYERS, normal

pytestmark = pytest.mark.usefixtures("one_thread")


class Scale(cnn.Layer):
    """x times a learned factor of each channel: right, and the parent of those that are wrong in one thing."""

    def initial_parameters(self, rng):
        return {"factor": np.ones(self.input_shape[-1])}

    def apply(self, x, training):
        return x * self.parameters["factor"], x

    def apply_gradient(self, dy, x):
        self.gradients["factor"][...] = (dy * x).sum(axis=tuple(range(x.ndim - 1)))
        return dy * self.parameters["factor"]


class Noise(Scale):
    """With numbers of a generator of its own."""

    def initial_parameters(self, rng):
        (self.numbers,) = rng.spawn(1)
        return super().initial_parameters(rng)

    def apply(self, x, training):
        y, kept = super().apply(x, training)
        return (y + self.numbers.standard_normal(x.shape).astype(x.dtype) if training else y), kept


class Mean(cnn.Layer):
    """Of an image, with a running mean: other shapes, statistics and no parameters."""

    def infer_output_shape(self, input_shape):
        return (1,)

    def initial_statistics(self):
        return {"mean": np.zeros(1)}

    def apply(self, x, training):
        y = x.reshape(len(x), -1).mean(axis=1, keepdims=True)
        if training:
            self.statistics["mean"][...] = y.mean()
        return y, x.shape

    def apply_gradient(self, dy, shape):
        d = dy.reshape(-1, *[1] * (len(shape) - 1)) / dy.dtype.type(np.prod(shape[1:]))
        return np.ascontiguousarray(np.broadcast_to(d, shape))


@EVERY_LAYER
def test_every_layer_passes_in_the_reference_and_compiled(either, name):
    make, input_shape = LAYERS[name]
    layer = make(either)
    assert cnn.check_layer(layer, input_shape) is None
    assert (layer.input_shape, layer.parameters) == ((), {})  # another one was tested


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [Scale, Noise, Mean])
def test_layers_of_ones_own_pass(make, dtype):
    for shape in ((5,), (4, 3, 2)):
        for seed in range(3):
            cnn.check_layer(make(), shape, dtype=dtype, seed=seed)


# ---- one fault each ------------------------------------------------------------------------------------------


class KeepsNoArgument(Scale):
    def __init__(self, power):
        super().__init__()
        self.exponent = power


class LearnsArraysOfAnySize(Scale):
    def initial_parameters(self, rng):
        return super().initial_parameters(rng) | {"other": np.zeros(rng.integers(1, 1000))}


class NoShape(Scale):
    def infer_output_shape(self, input_shape):
        return list(input_shape)


class AnotherShape(Scale):
    def infer_output_shape(self, input_shape):
        return (*input_shape[:-1], 7)


class GradientOfAnotherShape(Scale):
    def apply_gradient(self, dy, x):
        return super().apply_gradient(dy, x)[..., :1]


class Wide(Scale):
    def apply(self, x, training):
        return x * self.parameters["factor"].astype(np.float64), x


class WideGradient(Scale):
    def apply_gradient(self, dy, x):
        return super().apply_gradient(dy, x).astype(np.float64)


class ReturnsAList(Scale):
    def apply(self, x, training):
        return (x * self.parameters["factor"]).tolist(), x


class ReturnsNoPair(Scale):
    def apply(self, x, training):
        return x * self.parameters["factor"]


class GivesNaN(Scale):
    def apply(self, x, training):
        with np.errstate(invalid="ignore"):
            return np.sqrt(x), x


class ChangesX(Scale):
    def apply(self, x, training):
        y, kept = super().apply(x, training)
        x *= 2
        return y, kept


class ChangesXLater(Scale):
    def apply_gradient(self, dy, x):
        dx = super().apply_gradient(dy, x)
        x[...] = 0
        return dx


class ChangesDy(Scale):
    def apply_gradient(self, dy, x):
        super().apply_gradient(dy, x)
        dy *= self.parameters["factor"]
        return dy


class ReplacesAnArray(Scale):
    def apply_gradient(self, dy, x):
        self.gradients["factor"] = (dy * x).sum(axis=tuple(range(x.ndim - 1)))
        return dy * self.parameters["factor"]


class Random(Scale):
    def apply(self, x, training):
        noise = np.random.default_rng().standard_normal(x.shape).astype(x.dtype)
        return x * self.parameters["factor"] + noise, x


class DrawsInPredictions(Noise):
    def apply(self, x, training):
        return super().apply(x, True)


class LearnsInPredictions(Mean):
    def apply(self, x, training):
        return super().apply(x, True)


class UsesTheLastInput(cnn.Layer):
    def apply(self, x, training):
        self.last = x
        return x * x, None

    def apply_gradient(self, dy, kept):
        return 2 * dy * np.resize(self.last, dy.shape)


class AddsGradients(Scale):
    def apply_gradient(self, dy, x):
        self.gradients["factor"] += (dy * x).sum(axis=tuple(range(x.ndim - 1)))
        return dy * self.parameters["factor"]


class ForgetsAGradient(Scale):
    def apply_gradient(self, dy, x):
        return dy * self.parameters["factor"]


class WrongForX(Scale):
    def apply_gradient(self, dy, x):
        super().apply_gradient(dy, x)
        return dy.copy()


class MeanForParameters(Scale):
    def apply_gradient(self, dy, x):
        self.gradients["factor"][...] = (dy * x).sum(axis=tuple(range(x.ndim - 1))) / len(x)
        return dy * self.parameters["factor"]


class DependsOnTheBatch(cnn.Layer):
    def apply(self, x, training):
        return (x - x.mean(axis=0) if len(x) > 1 else x), len(x)

    def apply_gradient(self, dy, n):
        return dy - dy.mean(axis=0) if n > 1 else dy.copy()


class DependsOnTheBatchInTraining(DependsOnTheBatch):
    def apply(self, x, training):
        return super().apply(x, True) if training else (x.copy(), None)


FAULTS = {
    KeepsNoArgument: r"arguments: expected each of the constructor as an attribute of its name, got .*'power'",
    LearnsArraysOfAnySize: r"what it learns when it is made anew: expected \{.*\}, got \{.*\}",
    NoShape: r"infer_output_shape: expected a tuple of ints, got \[4, 3\]",
    AnotherShape: r"shape of y, which apply returned: expected \(3, 4, 7\), got \(3, 4, 3\)",
    GradientOfAnotherShape: r"shape of dx, which apply_gradient returned: expected \(3, 4, 3\), got \(3, 4, 1\)",
    Wide: r"dtype of y, which apply returned: expected float32, got float64",
    WideGradient: r"dtype of dx, which apply_gradient returned: expected float32, got float64",
    ReturnsAList: r"y, which apply returned: expected an array, got list",
    ReturnsNoPair: r"apply: expected a pair, y and what apply_gradient needs, got ndarray",
    GivesNaN: r"y, which apply returned: expected finite numbers for inputs from -2 to 2, got nan",
    ChangesX: r"x after apply, which must leave it unchanged, at \[\d, \d, \d\]: expected -?\d\S+, got -?\d\S+",
    ChangesXLater: r"x after apply_gradient, which must leave it unchanged, at \[\d, \d, \d\]: expected \S+, got -?0.0",
    ChangesDy: r"dy after apply_gradient, which must leave it unchanged, at \[\d, \d, \d\]: ",
    ReplacesAnArray: r"gradients\['factor'\]: expected the same array with new elements, .*, got another array",
    Random: r"y of the same input, the second time, at \[\d, \d, \d\]: ",
    DrawsInPredictions: r"y of the same input with training=False, the second time, at \[\d, \d, \d\]: ",
    LearnsInPredictions: r"statistics\['mean'\] after apply with training=False, at \[0\]: expected 0.0, got ",
    UsesTheLastInput: r"dx with a prediction before apply_gradient, at \[\d, \d, \d\]: ",
    AddsGradients: r"gradients\['factor'\], which held ones and must be replaced, not added to, at \[\d\]: ",
    ForgetsAGradient: r"gradients\['factor'\]: expected to be written by apply_gradient, got what it held before",
    WrongForX: r"gradient of x, at \[\d, \d, \d\]: expected \S+ by finite differences, with a tolerance of ",
    MeanForParameters: r"gradient of parameters\['factor'\], at \[\d\]: expected \S+ by finite differences",
    DependsOnTheBatch: r"y with training=False of image 0 alone, at \[0, \d, \d\]: ",
    DependsOnTheBatchInTraining: r"y of image 0 alone, at \[0, \d, \d\]: ",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_told(kind):
    layer = kind(2) if kind is KeepsNoArgument else kind()
    with pytest.raises(AssertionError, match=rf"^{kind.__name__}, {FAULTS[kind]}"):
        cnn.check_layer(layer, (4, 3))


@pytest.mark.parametrize("factor", [1 + 1e-6, 0.99, -1.0])
def test_small_errors_of_a_gradient_are_found(factor):
    class Off(Scale):
        def apply_gradient(self, dy, x):
            return dy.dtype.type(factor) * super().apply_gradient(dy, x)

    with pytest.raises(AssertionError, match="gradient of x"):
        cnn.check_layer(Off(), (4, 3))


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeError, match=r"^layer must be a layer, such as cnn.ReLU\(\), got 3$"):
        cnn.check_layer(3, (4,))
    with pytest.raises(TypeError, match=r"^Layer computes nothing"):
        cnn.check_layer(cnn.Layer(), (4,))
    with pytest.raises(ValueError, match=r"^input_shape of Dense must be"):
        cnn.check_layer(cnn.Dense(3), (4, 4, 1))
    with pytest.raises(ValueError, match='dtype must be "float32" or "float64"'):
        cnn.check_layer(cnn.ReLU(), (4,), dtype="float16")


def test_a_layer_in_a_net_may_be_tested_and_stays_as_it_is():
    net = cnn.Sequential([Scale(), cnn.BatchNorm(), cnn.Dense(3)], (4,), seed=0)
    before = net.snapshot()
    for layer in net.layers:
        layer.trainable = False
        cnn.check_layer(layer, (4,))
        assert not layer.trainable
    assert all(np.array_equal(before[name], value) for name, value in net.state().items())
    assert net.predict(normal(0, (2, 4))).shape == (2,)
