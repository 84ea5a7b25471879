"""tinygrad: the whole step under `TinyJit`, on its CPU device with Clang; set BEAM for a search of kernels."""

from __future__ import annotations

import os

from .load import cores

# Read as tinygrad is imported; PARALLEL=0 compiles in this process, and not in a pool of others.
os.environ.update(DEV="CPU", PARALLEL="0", NUM_CPU_THREADS=str(cores()))

import numpy as np
from tinygrad import Context, Tensor, TinyJit

from .case import RATE, Arrays, Case, Implementation
from .functional import Pass
from .nets import Layer

STAGED = 64  # batches, over and over: to make a tensor takes milliseconds
FILTERS_FIRST = 3, 2, 0, 1  # from ours
OURS = 2, 3, 1, 0  # from those


class TinyPass(Pass):
    """Maps are (n, c, h, w) here, weights of a convolution (c_out, c_in, kh, kw)."""

    def conv2d(self, layer: Layer, x: Tensor) -> Tensor:
        stride, padding = layer.options["stride"], layer.options["padding"]
        return x.conv2d(self.of(layer, "weights"), self.of(layer, "bias"), stride=stride, padding=padding)

    def dense(self, layer: Layer, x: Tensor) -> Tensor:
        return x.linear(self.of(layer, "weights"), self.of(layer, "bias"))

    def batchnorm(self, layer: Layer, x: Tensor) -> Tensor:
        mean, variance = self.of(layer, "mean"), self.of(layer, "variance")
        if self.training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
            count = x.numel() // x.shape[1]
            self.keep(layer, mean.detach(), variance.detach() * (count / (count - 1)))
        inverse = (variance + layer.options["epsilon"]).rsqrt()
        return x.batchnorm(self.of(layer, "gamma"), self.of(layer, "beta"), mean, inverse)

    def maxpool2d(self, layer: Layer, x: Tensor) -> Tensor:
        return x.max_pool2d(layer.options["pool_size"], layer.options["stride"])

    def relu(self, layer: Layer, x: Tensor) -> Tensor:
        return x.relu()

    def flatten(self, layer: Layer, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)

    def globalavgpool2d(self, layer: Layer, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def dropout(self, layer: Layer, x: Tensor) -> Tensor:
        return x.dropout(layer.options["rate"])


class Tinygrad(Implementation):
    """A jitted step, called for each batch."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.values = {name: self.tensor(value) for name, value in case.state.items()}
        self.learned = [name for name in case.state if not name.endswith((".mean", ".variance"))]
        images = np.ascontiguousarray(case.scaled.transpose(0, 3, 1, 2))
        slices = case.slices()[:STAGED]
        self.images = [Tensor(images[batch]).realize() for batch in slices]
        self.labels = [Tensor(case.labels[batch].astype(np.int32)).realize() for batch in slices]
        self.step, self.probabilities = TinyJit(self.take_step), TinyJit(self.infer)

    @staticmethod
    def tensor(value: np.ndarray) -> Tensor:
        turned = value.transpose(FILTERS_FIRST) if value.ndim == 4 else value
        return Tensor(np.ascontiguousarray(turned)).realize()

    def infer(self, images: Tensor) -> Tensor:
        return TinyPass(self.values, False).chain(self.case.layers, images).softmax().realize()

    def take_step(self, images: Tensor, labels: Tensor) -> Tensor:
        run = TinyPass(self.values, True)
        with Context(TRAINING=1):
            loss = run.chain(self.case.layers, images).sparse_categorical_crossentropy(labels)
            gradients = loss.gradient(*(self.values[name] for name in self.learned))
            for name, gradient in zip(self.learned, gradients, strict=True):
                self.values[name].assign(self.values[name].detach() - RATE * gradient)
            for name, value in run.statistics.items():
                self.values[name].assign(value)
        return loss.realize(*self.values.values())

    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next() % STAGED
            loss = self.step(self.images[number], self.labels[number])
        return loss.item()

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.probabilities(self.images[self.next() % STAGED]).numpy()
        return probabilities

    def state(self) -> Arrays:
        values = {name: value.numpy() for name, value in self.values.items()}
        return {name: value.transpose(OURS) if value.ndim == 4 else value for name, value in values.items()}
