"""The tutorial's training step through the pure layers and through the fast ones: numbers, then times.

Every fast stage is checked against the pure one given the same input and the same parameters, so that its
bound is that of one stage's rounding. Pure and fast steps are timed in turns: a busy machine slows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter_ns
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import reference
from ..backends import checks
from ..layers import tutorial

STAGES = ("conv forward", "pool forward", "softmax", "softmax backprop", "pool backprop", "conv backprop")
WHOLE_STEP = "whole step"

LEARN_RATE = 0.005  # the tutorial's
# Fast steps in a row for every pure one. A fast stage takes microseconds: one reading of it says little, and the first
# ones after a pure step, which lasts a thousand times longer, find the caches full of its data.
FAST_STEPS = 100

Array = np.ndarray[Any, Any]


class Row(NamedTuple):
    """A stage's median times, in microseconds."""

    stage: str
    pure: float
    float64: float
    float32: float


class Comparison(NamedTuple):
    """What `compare` measured.

    Attributes
    ----------
    rows : list of Row
        The six stages, then the whole step, which is timed without a clock between its stages.
    deviation : dict
        For "float64" and "float32": the largest difference from the pure layers at any stage, as a fraction
        of the largest value of that stage.
    clock : float
        Microseconds that one reading of the clock takes; every time includes about one.
    """

    rows: list[Row]
    deviation: dict[str, float]
    clock: float


def compare(images: Array, labels: Array, steps: int = 20) -> Comparison:
    """Verify the fast tutorial layers against the pure ones and time both, in one run.

    NumPy's global generator is seeded, as the tutorial's layers draw from it.

    Parameters
    ----------
    images : uint8 (n, 28, 28)
    labels : integers (n,), 0 to 9
    steps : int
        Training steps of the pure layers, each on another image; the fast ones make 100 for each of them.

    Raises
    ------
    ArithmeticError
        If a number of a fast layer is further from the pure layer's than rounding allows.
    ValueError
        If there are no images, or `steps` is less than 1.
    """
    checks.integer("steps", steps, minimum=1)
    if len(images) == 0:
        raise ValueError("images must hold at least one image")
    scaled = images / 255 - 0.5
    inputs = {name: scaled.astype(name) for name in ("float64", "float32")}
    answers = [int(label) for label in labels]

    verifiers = [Verifier(name) for name in inputs]
    timers = {"pure": Timer(Net(reference, "float64"), inputs["float64"], answers)}
    timers |= {name: Timer(Net(tutorial, name), inputs[name], answers) for name in inputs}
    for step in range(steps):
        for verifier in verifiers:
            verifier.step(inputs[verifier.name][step % len(images)], answers[step % len(images)])
        for name, timer in timers.items():
            timer.run(1 if name == "pure" else FAST_STEPS)

    medians = [timer.medians() for timer in timers.values()]
    rows = [Row(stage, *times) for stage, *times in zip((*STAGES, WHOLE_STEP), *medians, strict=True)]
    return Comparison(rows, {verifier.name: verifier.deviation for verifier in verifiers}, clock_cost())


def clock_cost() -> float:
    """Return how many microseconds one reading of the clock takes."""
    readings = [perf_counter_ns() for _ in range(1001)]
    return (readings[-1] - readings[0]) / 1e6


class Net:
    """The tutorial's three layers, of the pure or of the fast kind, and its training step."""

    def __init__(self, layers: ModuleType, dtype: str, seed: int = 0) -> None:
        np.random.seed(seed)  # noqa: NPY002 - the generator that the tutorial draws from
        self.conv = layers.Conv3x3(8, dtype=dtype)
        self.pool = layers.MaxPool2()
        self.softmax = layers.Softmax(13 * 13 * 8, 10, dtype=dtype)

    def step(self, image: Array, label: int) -> None:
        """Take one training step on an image (28, 28) that is scaled already."""
        probabilities = self.softmax.forward(self.pool.forward(self.conv.forward(image)))
        gradient = self.softmax.backprop(loss_gradient(probabilities, label), LEARN_RATE)
        self.conv.backprop(self.pool.backprop(gradient), LEARN_RATE)

    def timed_step(self, image: Array, label: int) -> list[int]:
        """Take the same step and return the nanoseconds of each of STAGES."""
        begin = perf_counter_ns()
        convolved = self.conv.forward(image)
        after_conv = perf_counter_ns()
        pooled = self.pool.forward(convolved)
        after_pool = perf_counter_ns()
        probabilities = self.softmax.forward(pooled)
        after_softmax = perf_counter_ns()
        gradient = loss_gradient(probabilities, label)
        before_backprop = perf_counter_ns()
        d_pooled = self.softmax.backprop(gradient, LEARN_RATE)
        after_softmax_backprop = perf_counter_ns()
        d_convolved = self.pool.backprop(d_pooled)
        after_pool_backprop = perf_counter_ns()
        self.conv.backprop(d_convolved, LEARN_RATE)
        end = perf_counter_ns()
        return [
            after_conv - begin,
            after_pool - after_conv,
            after_softmax - after_pool,
            after_softmax_backprop - before_backprop,
            after_pool_backprop - after_softmax_backprop,
            end - after_pool_backprop,
        ]


def loss_gradient(probabilities: Array, label: int) -> Array:
    """Return the gradient of the cross-entropy -log(p[label]) for the probabilities."""
    gradient = np.zeros_like(probabilities)
    gradient[label] = -1 / probabilities[label]
    return gradient


class Timer:
    """Times steps of one net, in portions, on one image after another."""

    def __init__(self, net: Net, images: Array, labels: list[int]) -> None:
        self.net = net
        self.examples = self._forever(images, labels)
        self.stages: list[list[int]] = []
        self.whole: list[int] = []

    @staticmethod
    def _forever(images: Array, labels: list[int]) -> Iterator[tuple[Array, int]]:
        while True:
            yield from zip(images, labels, strict=True)

    def run(self, steps: int) -> None:
        """Take `steps` steps with a clock between their stages and as many without."""
        for _ in range(steps):
            self.stages.append(self.net.timed_step(*next(self.examples)))
        for _ in range(steps):
            image, label = next(self.examples)
            begin = perf_counter_ns()
            self.net.step(image, label)
            self.whole.append(perf_counter_ns() - begin)

    def medians(self) -> list[float]:
        """Return the median microseconds of each of STAGES, then of the whole step."""
        return [median(times) / 1000 for times in (*zip(*self.stages, strict=True), self.whole)]


class Verifier:
    """Trains a fast net and checks every stage against the pure layer given the same input and parameters.

    The bounds follow the usual rule: a sum of n products, in any order, differs from the exact one by at most
    n * eps / 2 times the sum of the magnitudes. The pure layers may differ by as much, so n * eps. These are
    first-order terms; the next are smaller by a factor of n * eps.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.eps = float(np.finfo(name).eps)
        self.deviation = 0.0
        self.pure = Net(reference, "float64")
        self.fast = Net(tutorial, name)
        for drawn, expected in (
            (self.fast.conv.filters, self.pure.conv.filters),
            (self.fast.softmax.weights, self.pure.softmax.weights),
        ):
            self._check("the parameters drawn from one seed", drawn, expected.astype(name), np.float64(0))

    def step(self, image: Array, label: int) -> None:
        """Take one training step and check its stages.

        Raises
        ------
        ArithmeticError
            If a stage's numbers are further apart than its bound.
        """
        self.pure.conv.filters = self.fast.conv.filters.astype(np.float64)
        self.pure.softmax.weights = self.fast.softmax.weights.astype(np.float64)
        self.pure.softmax.biases = self.fast.softmax.biases.astype(np.float64)
        convolved = self._conv_forward(image)
        pooled = self._same("pool forward", lambda net, x: net.pool.forward(x), convolved)
        probabilities, error = self._softmax(pooled)
        gradient = loss_gradient(probabilities, label)
        d_pooled = self._softmax_backprop(pooled, probabilities, error, gradient)
        d_convolved = self._same("pool backprop", lambda net, x: net.pool.backprop(x), d_pooled)
        self._conv_backprop(image, d_convolved)

    def _conv_forward(self, image: Array) -> Array:
        convolved = self.fast.conv.forward(image)
        magnitude = np.abs(image).max() * np.abs(self.pure.conv.filters).sum((1, 2))
        expected = self.pure.conv.forward(image.astype(np.float64))
        self._check("conv forward", convolved, expected, 9 * self.eps * magnitude)
        return convolved

    def _same(self, stage: str, run: Callable[[Net, Array], Array], input: Array) -> Array:
        # Pooling only selects and copies: nothing is rounded.
        output = run(self.fast, input)
        self._check(stage, output, run(self.pure, input.astype(np.float64)), np.float64(0))
        return output

    def _softmax(self, pooled: Array) -> tuple[Array, float]:
        """Return the probabilities and the bound on their relative error."""
        softmax = self.pure.softmax
        total = (np.abs(pooled).max() * np.abs(softmax.weights).sum(0) + np.abs(softmax.biases)).max()
        # One more addition for the bias; then the largest total is subtracted, which gives up to 2 * `total`.
        total_error = (softmax.input_len + 1 + 2) * self.eps * total
        # Numerator and denominator both feel it; exponentials to 4 units in the last place; sum; quotient.
        error = float(np.expm1(2 * total_error) + (2 * 4 + softmax.nodes + 1) * self.eps)
        probabilities = self.fast.softmax.forward(pooled)
        expected = softmax.forward(pooled.astype(np.float64))
        self._check("softmax", probabilities, expected, error * expected)
        return probabilities, error

    def _softmax_backprop(self, pooled: Array, probabilities: Array, error: float, gradient: Array) -> Array:
        """Check the totals' gradient, p * (g - sum(p * g)), by what comes of it; return the input's."""
        pure, fast, eps = self.pure.softmax, self.fast.softmax, self.eps
        weights = pure.weights.copy()
        p, g, x = (np.abs(array.astype(np.float64)) for array in (probabilities, gradient, pooled.ravel()))
        magnitude = p * (g + p @ g)
        # Two probabilities in every product; a sum over the nodes, a difference, a product.
        d_totals_error = (2 * error + (pure.nodes + 2) * eps) * magnitude
        d_pooled = fast.backprop(gradient, LEARN_RATE)
        expected = pure.backprop(gradient.astype(np.float64), LEARN_RATE)
        bound = np.abs(weights) @ (d_totals_error + pure.nodes * eps * magnitude)
        self._check("softmax backprop", d_pooled, expected, bound.reshape(expected.shape))
        # The learning rate as it is rounded, two products, and the difference that is kept.
        step_error = LEARN_RATE * (d_totals_error + 3 * eps * magnitude)
        bound = np.outer(x, step_error) + eps * np.abs(pure.weights)
        self._check("softmax backprop, weights", fast.weights, pure.weights, bound)
        bound = step_error + eps * np.abs(pure.biases)
        self._check("softmax backprop, biases", fast.biases, pure.biases, bound)
        return d_pooled

    def _conv_backprop(self, image: Array, d_convolved: Array) -> None:
        self.fast.conv.backprop(d_convolved, LEARN_RATE)
        self.pure.conv.backprop(d_convolved.astype(np.float64), LEARN_RATE)
        positions = d_convolved.shape[0] * d_convolved.shape[1]
        magnitude = np.abs(image).max() * np.abs(d_convolved, dtype=np.float64).sum((0, 1))
        step_error = LEARN_RATE * (positions + 2) * self.eps * magnitude
        bound = step_error[:, None, None] + self.eps * np.abs(self.pure.conv.filters)
        self._check("conv backprop", self.fast.conv.filters, self.pure.conv.filters, bound)

    def _check(self, stage: str, got: Array, expected: Array, bound: Array | np.float64) -> None:
        if got.shape != expected.shape or got.dtype != self.name:
            raise ArithmeticError(f"{stage}: expected {self.name} {expected.shape}, got {got.dtype} {got.shape}")
        difference = np.abs(got - expected)
        # Subnormal numbers may be flushed to zero. The negation catches NaN.
        wrong = ~(difference <= bound + np.finfo(self.name).tiny)
        if wrong.any():
            raise ArithmeticError(
                f"{stage} in {self.name}: {wrong.sum()} of {wrong.size} numbers differ from the pure layer's "
                f"by up to {difference[wrong].max():.3g}, where rounding explains {np.max(bound):.3g}"
            )
        self.deviation = max(self.deviation, float(difference.max() / (np.abs(expected).max() or 1.0)))
