"""JAX: the whole step in one jitted function, called for every batch or scanned over many."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .case import RATE, Arrays, Case, Implementation
from .xla_layers import JaxPass, PassByColumns

IMAGES_A_SCAN = 1024


class Jax(Implementation):
    """A jitted step with donated parameters, called once a batch."""

    kind: type[JaxPass] = JaxPass

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        # Copies in memory of JAX's own, which the step may then reuse for its result. The default generator, Threefry,
        # is the quickest one on a CPU: the masks of "rbg" and "unsafe_rbg" took four times as long.
        values = {name: jnp.array(value, copy=True) for name, value in case.state.items()}
        self.carried: Any = values, jax.random.key(0)
        self.stage()
        self.jitted_step = jax.jit(self.step, donate_argnums=0)
        self.probabilities = jax.jit(self.infer)

    def stage(self) -> None:
        images = self.case.scaled
        self.images = [jnp.asarray(images[batch]) for batch in self.case.slices()]
        self.labels = [jnp.asarray(self.case.labels[batch], jnp.int32) for batch in self.case.slices()]

    def infer(self, values: dict[str, Array], images: Array) -> Array:
        return jax.nn.softmax(self.kind(values, False).chain(self.case.layers, images))

    def loss(
        self, values: dict[str, Array], key: Array, images: Array, labels: Array
    ) -> tuple[Array, dict[str, Array]]:
        run = self.kind(values, True, key)
        logarithms = jax.nn.log_softmax(run.chain(self.case.layers, images))
        return -jnp.take_along_axis(logarithms, labels[:, np.newaxis], axis=1).mean(), run.statistics

    def step(self, carried: tuple[dict[str, Array], Array], images: Array, labels: Array) -> tuple[Any, Array]:
        values, key = carried
        key, own = jax.random.split(key)
        (loss, statistics), gradients = jax.value_and_grad(self.loss, has_aux=True)(values, own, images, labels)
        values = {name: value - RATE * gradients[name] for name, value in values.items()} | statistics
        return (values, key), loss

    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            self.carried, loss = self.jitted_step(self.carried, self.images[number], self.labels[number])
        return float(loss)

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = np.asarray(self.probabilities(self.carried[0], self.images[self.next()]))
        return probabilities

    def state(self) -> Arrays:
        return {name: np.asarray(value) for name, value in self.carried[0].items()}


class JaxByColumns(Jax):
    kind = PassByColumns


class Scan(Jax):
    """`lax.scan` of the step over many batches, one call for all of them; single batches are scans of one."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.scan = jax.jit(lambda *arguments: lax.scan(self.scanned, *arguments), donate_argnums=0)

    def stage(self) -> None:
        case = self.case
        self.granularity = min(math.ceil(IMAGES_A_SCAN / case.batch), case.batches)
        shape = (case.batches, case.batch)
        self.images = jnp.asarray(case.scaled.reshape(*shape, *case.scaled.shape[1:]))
        self.labels = jnp.asarray(case.labels.reshape(shape), jnp.int32)
        cuts = range(0, case.batches - self.granularity + 1, self.granularity)
        self.runs = [(self.images[i : i + self.granularity], self.labels[i : i + self.granularity]) for i in cuts]

    def scanned(self, carried: Any, batch: tuple[Array, Array]) -> tuple[Any, Array]:
        return self.step(carried, *batch)

    def train(self, steps: int) -> float:
        for i in range(steps // self.granularity):
            self.carried, losses = self.scan(self.carried, self.runs[i % len(self.runs)])
        for _ in range(steps % self.granularity):
            number = slice(self.position, self.position + 1)
            self.next()
            self.carried, losses = self.scan(self.carried, (self.images[number], self.labels[number]))
        return float(losses[-1])


class ScanByColumns(Scan):
    kind = PassByColumns
