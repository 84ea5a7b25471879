"""JAX: the whole step in one jitted function, called for every batch or scanned over many."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .case import RATE, Case, Conv, Implementation, Parameters

IMAGES_A_SCAN = 1024


def convolution(x: Array, weights: Array, padding: int) -> Array:
    """XLA's own convolution, channels last."""
    around = ((padding, padding),) * 2
    return lax.conv_general_dilated(x, weights, (1, 1), around, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def convolution_by_columns(x: Array, weights: Array, padding: int) -> Array:
    """The same as one matrix product, which inside a scan is up to ten times as fast on a CPU."""
    kh, kw, c_in, c_out = weights.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    h, w = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    columns = jnp.concatenate([x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)], axis=-1)
    return columns @ weights.reshape(kh * kw * c_in, c_out)


def maxpool(x: Array) -> Array:
    """Maxima of 2x2 windows; the first takes the gradient. `lax.reduce_window` is slower, above all backwards."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // 2, 2, w // 2, 2, c)
    return _larger(_larger(x[:, :, 0, :, 0], x[:, :, 0, :, 1]), _larger(x[:, :, 1, :, 0], x[:, :, 1, :, 1]))


def _larger(a: Array, b: Array) -> Array:
    return jnp.where(a >= b, a, b)


class Jax(Implementation):
    """A jitted step with donated parameters, called once a batch."""

    convolve: Callable[[Array, Array, int], Array] = staticmethod(convolution)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        # A copy in memory of JAX's own, which the step may then reuse for its result.
        self.values = {name: jnp.array(value, copy=True) for name, value in case.parameters.items()}
        self.stage()
        self.jitted_step = jax.jit(self.step, donate_argnums=0)
        self.probabilities = jax.jit(lambda x: jax.nn.softmax(self.logits(self.values, x)))

    def stage(self) -> None:
        images = self.case.scaled[..., np.newaxis]
        self.images = [jnp.asarray(images[batch]) for batch in self.case.slices()]
        self.labels = [jnp.asarray(self.case.labels[batch], jnp.int32) for batch in self.case.slices()]

    def logits(self, values: dict[str, Array], x: Array) -> Array:
        for block in self.case.blocks:
            weights = values[f"{block.name}.weights"]
            if isinstance(block, Conv):
                x = self.convolve(x, weights, block.padding)
            else:
                x = x.reshape(len(x), block.inputs) @ weights
            if block.bias:
                x += values[f"{block.name}.bias"]
            if block.relu:
                x = jax.nn.relu(x)
            if isinstance(block, Conv):
                x = maxpool(x)
        return x

    def loss(self, values: dict[str, Array], images: Array, labels: Array) -> Array:
        logarithms = jax.nn.log_softmax(self.logits(values, images))
        return -jnp.take_along_axis(logarithms, labels[:, np.newaxis], axis=1).mean()

    def step(self, values: dict[str, Array], images: Array, labels: Array) -> tuple[dict[str, Array], Array]:
        loss, gradients = jax.value_and_grad(self.loss)(values, images, labels)
        return {name: value - RATE * gradients[name] for name, value in values.items()}, loss

    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            self.values, loss = self.jitted_step(self.values, self.images[number], self.labels[number])
        return float(loss)

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = np.asarray(self.probabilities(self.images[self.next()]))
        return probabilities

    def parameters(self) -> Parameters:
        return {name: np.asarray(value) for name, value in self.values.items()}


class JaxByColumns(Jax):
    convolve = staticmethod(convolution_by_columns)


class Scan(Jax):
    """`lax.scan` of the step over many batches, one call for all of them; single batches are scans of one."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.scan = jax.jit(lambda *arguments: lax.scan(self.scanned, *arguments), donate_argnums=0)

    def stage(self) -> None:
        case = self.case
        self.granularity = min(max(8, IMAGES_A_SCAN // case.batch), case.batches)
        shape = (case.batches, case.batch)
        self.images = jnp.asarray(case.scaled.reshape(*shape, 28, 28, 1))
        self.labels = jnp.asarray(case.labels.reshape(shape), jnp.int32)
        cuts = range(0, case.batches - self.granularity + 1, self.granularity)
        self.runs = [(self.images[i : i + self.granularity], self.labels[i : i + self.granularity]) for i in cuts]

    def scanned(self, values: dict[str, Array], batch: tuple[Array, Array]) -> tuple[dict[str, Array], Array]:
        return self.step(values, *batch)

    def train(self, steps: int) -> float:
        for i in range(steps // self.granularity):
            self.values, losses = self.scan(self.values, self.runs[i % len(self.runs)])
        for _ in range(steps % self.granularity):
            number = slice(self.position, self.position + 1)
            self.next()
            self.values, losses = self.scan(self.values, (self.images[number], self.labels[number]))
        return float(losses[-1])


class ScanByColumns(Scan):
    convolve = staticmethod(convolution_by_columns)
