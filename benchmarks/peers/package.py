"""This package, three times: pure NumPy, the compiled layers one by one, and the whole step of `Sequential.fit`."""

from __future__ import annotations

import numpy as np

import cnn
import cnn_c
from cnn import reference

from .case import RATE, Case, Conv, Dense, Implementation, Parameters

MODELS = {"A": cnn.models.tutorial, "B": cnn.models.two_conv, "L": cnn.models.lenet5}


def sequential(blocks: tuple[Conv | Dense, ...], backend: str, ties: str = "first") -> cnn.Sequential:
    """The net of the blocks."""
    layers = [cnn.Rescaling(1 / 255, -0.5)]
    for i, block in enumerate(blocks):
        if isinstance(block, Conv):
            layers.append(cnn.Conv2D(block.filters, block.size, padding=block.padding, bias=block.bias))
        else:
            if isinstance(blocks[i - 1], Conv):
                layers.append(cnn.Flatten())
            layers.append(cnn.Dense(block.units))
        if block.relu:
            layers.append(cnn.ReLU())
        if isinstance(block, Conv):
            layers.append(cnn.MaxPool2D(2, ties=ties))
    return cnn.Sequential(layers, input_shape=(28, 28, 1), backend=backend)


class Fused(Implementation):
    """`fit` and `predict_proba` of a net from `cnn.models`, on uint8 images; many batches in one call of `fit`."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        cnn_c.use_level(case.level)
        cnn.set_num_threads(case.threads)
        self.net = self.build()
        for name, value in self.net.parameters().items():
            value[...] = case.parameters[name]
        self.slices = case.slices()

    def build(self) -> cnn.Sequential:
        return MODELS[self.case.net]()

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

    def parameters(self) -> Parameters:
        return self.net.parameters()


class Reference(Fused):
    """The same net in vectorised NumPy, with either rule for ties in pooling."""

    def __init__(self, case: Case, ties: str = "first") -> None:
        self.ties = ties
        super().__init__(case)

    def build(self) -> cnn.Sequential:
        return sequential(self.case.blocks, "numpy", self.ties)


class Layers(Fused):
    """The compiled layers called one by one from Python, as somebody would who writes the loop himself."""

    def build(self) -> cnn.Sequential:
        self.optimizer = cnn.SGD(RATE)
        return sequential(self.case.blocks, "compiled")

    def logits(self, x: np.ndarray) -> np.ndarray:
        for layer in self.net.layers:
            x = layer.forward(x)
        return x

    def train(self, steps: int) -> float:
        for _ in range(steps):
            batch = self.slices[self.next()]
            logits = self.logits(self.case.images[batch])
            loss, _, gradient = cnn.functional.softmax_cross_entropy(logits, self.case.labels[batch])
            for layer in self.net.layers[:0:-1]:  # all but the rescaling, which learns nothing
                gradient = layer.backward(gradient)
                for name, value in layer.parameters.items():
                    gradients = layer.gradients[name]  # in the same order as the parameters, which need not be C
                    self.optimizer.step(value.ravel("K"), gradients.ravel("K"))
        return loss

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = cnn.functional.softmax(self.logits(self.case.images[self.slices[self.next()]]))
        return probabilities


class Tutorial(Implementation):
    """Net A by the tutorial's pure-NumPy classes, one image at a time."""

    ties = "all"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.conv = reference.Conv3x3(8, dtype="float32")
        self.pool = reference.MaxPool2()
        self.softmax = reference.Softmax(13 * 13 * 8, 10, dtype="float32")
        self.conv.filters = case.parameters["conv2d_1.weights"][:, :, 0].transpose(2, 0, 1)
        self.softmax.weights = case.parameters["dense_1.weights"]

    def forward(self, number: int) -> np.ndarray:
        image = self.case.images[number] * np.float32(1 / 255) - np.float32(0.5)
        return self.softmax.forward(self.pool.forward(self.conv.forward(image)))

    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            probabilities, label = self.forward(number), self.case.labels[number]
            gradient = np.zeros(10, np.float32)
            gradient[label] = -1 / probabilities[label]
            gradient = self.softmax.backprop(gradient, RATE)
            self.conv.backprop(self.pool.backprop(gradient), RATE)
        return -np.log(probabilities[label])

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.forward(self.next())
        return probabilities[np.newaxis]

    def parameters(self) -> Parameters:
        return {
            "conv2d_1.weights": self.conv.filters.transpose(1, 2, 0)[:, :, np.newaxis],
            "dense_1.weights": self.softmax.weights,
            "dense_1.bias": self.softmax.biases,
        }


def pure(case: Case) -> Implementation:
    """The tutorial's classes where they fit, which are plain loops; else the reference, which is vectorised NumPy."""
    return Tutorial(case) if case.net == "A" and case.batch == 1 else Reference(case)
