"""This package, three times: pure NumPy, the compiled layers one by one, and the whole step of `Sequential.fit`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import cnn
import cnn_c
from cnn.layers.base import layer_names

from .case import RATE, Arrays, Case, Implementation
from .nets import NETS, Layer

FIRST = 256  # images of the step before the start


def case_of(net: str, mode: str, batch: int, threads: int, images: np.ndarray, labels: np.ndarray) -> Case:
    """The case of these images at our level; the net has made a first step, so that its running statistics are some."""
    start: cnn.Sequential = getattr(cnn.models, NETS[net].model)(seed=0, input_shape=NETS[net].input_shape)
    start.fit(images[:FIRST], labels[:FIRST], batch_size=FIRST, optimizer=cnn.SGD(RATE), progress=False, seed=0)
    rescaling, *others = start.layers
    layers, how = described(others, start.layer_names[1:]), (rescaling.scale, rescaling.offset)
    return Case(net, mode, batch, threads, cnn_c.LEVEL, layers, how, images, labels, start.snapshot())


def described(layers: Iterable[cnn.layers.Layer], names: Iterable[str]) -> tuple[Layer, ...]:
    """Layers of a net in plain values, with their names in it."""
    return tuple(_described(layer, name) for layer, name in zip(layers, names, strict=True))


def _described(layer: cnn.layers.Layer, name: str) -> Layer:
    kind, shape = type(layer).__name__, layer.input_shape
    if isinstance(layer, cnn.Residual):
        names = [f"{name}.{part}" for part in layer_names(layer.parts)]
        count = len(layer.layers)
        branch, shortcut = described(layer.layers, names[:count]), described(layer.shortcut, names[count:])
        return Layer(kind, name, shape, branch=branch, shortcut=shortcut)
    options = layer.configuration()
    if isinstance(layer, cnn.Conv2D):
        rows, columns = layer.sides()
        if rows[0] != rows[1] or columns[0] != columns[1]:
            raise ValueError(f"{name} has another padding before than after, which the peers' layers do not have")
        options["padding"] = rows[0], columns[0]
    return Layer(kind, name, shape, options)


def made(layers: Iterable[Layer], ties: str = "first") -> list[cnn.layers.Layer]:
    """New layers from their description; poolings with this rule for ties."""
    return [_made(layer, ties) for layer in layers]


def _made(layer: Layer, ties: str) -> cnn.layers.Layer:
    if layer.kind == "Residual":
        return cnn.Residual(made(layer.branch, ties), made(layer.shortcut, ties))
    options = {**layer.options, "ties": ties} if layer.kind == "MaxPool2D" else layer.options
    result: cnn.layers.Layer = getattr(cnn, layer.kind)(**options)
    return result


def sequential(case: Case, *, backend: str = "compiled", ties: str = "first", rescaled: bool = True) -> cnn.Sequential:
    """The case's net with its state; not `rescaled`, it takes images that are."""
    first = [cnn.Rescaling(*case.rescaling)] if rescaled else []
    layers = [*first, *made(case.layers, ties)]
    net = cnn.Sequential(layers, input_shape=case.layers[0].input_shape, backend=backend)
    net.set_parameters(case.state)
    return net


class Fused(Implementation):
    """`fit` and `predict_proba` on uint8 images; many batches in one call of `fit`."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        cnn_c.use_level(case.level)
        cnn.set_num_threads(case.threads)
        self.net = self.build()
        self.slices = case.slices()

    def build(self) -> cnn.Sequential:
        return sequential(self.case)

    def train(self, steps: int) -> float:
        case = self.case
        while steps:
            count = min(steps, case.batches - self.position)
            images = slice(self.position * case.batch, (self.position + count) * case.batch)
            history = self.net.fit(
                case.images[images],
                case.labels[images],
                batch_size=case.batch,
                optimizer=cnn.SGD(RATE),
                shuffle=True,
                progress=False,
            )
            steps -= count
            self.position = (self.position + count) % case.batches
        return history.loss[-1]

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.net.predict_proba(self.case.images[self.slices[self.next()]])
        return probabilities

    def state(self) -> Arrays:
        return dict(self.net.state())


class Reference(Fused):
    """The same net in vectorised NumPy, with either rule for ties in pooling."""

    def __init__(self, case: Case, ties: str = "first") -> None:
        self.ties = ties
        super().__init__(case)

    def build(self) -> cnn.Sequential:
        return sequential(self.case, backend="numpy", ties=self.ties)


class Layers(Fused):
    """The compiled layers called one by one from Python, as somebody would who writes the loop himself."""

    def build(self) -> cnn.Sequential:
        self.optimizer = cnn.SGD(RATE)
        return sequential(self.case)

    def logits(self, x: np.ndarray, training: bool) -> np.ndarray:
        for layer in self.net.layers:
            x = layer.forward(x, training)
        return x

    def train(self, steps: int) -> float:
        for _ in range(steps):
            batch = self.slices[self.next()]
            logits = self.logits(self.case.images[batch], True)
            loss, _, gradient = cnn.functional.softmax_cross_entropy(logits, self.case.labels[batch])
            for layer in self.net.layers[:0:-1]:  # all but the rescaling, which learns nothing
                gradient = layer.backward(gradient)
                for name, value in layer.parameters.items():
                    gradients = layer.gradients[name]  # in the same order as the parameters, which need not be C
                    self.optimizer.step(value.ravel("K"), gradients.ravel("K"))
        return loss

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            batch = self.slices[self.next()]
            probabilities = cnn.functional.softmax(self.logits(self.case.images[batch], False))
        return probabilities
