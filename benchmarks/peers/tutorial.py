"""Pure NumPy: the tutorial's classes, which are plain loops, where they fit; else the vectorised reference."""

from __future__ import annotations

import numpy as np

from cnn import reference

from .case import RATE, Arrays, Case, Implementation
from .package import Reference


class Tutorial(Implementation):
    """Net A by the tutorial's pure-NumPy classes, one image at a time."""

    ties = "all"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.conv = reference.Conv3x3(8, dtype="float32")
        self.pool = reference.MaxPool2()
        self.softmax = reference.Softmax(13 * 13 * 8, 10, dtype="float32")
        self.conv.filters = case.state["conv2d_1.weights"][:, :, 0].transpose(2, 0, 1)
        self.softmax.weights = case.state["dense_1.weights"]
        self.softmax.biases = case.state["dense_1.bias"]

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

    def state(self) -> Arrays:
        return {
            "conv2d_1.weights": self.conv.filters.transpose(1, 2, 0)[:, :, np.newaxis],
            "dense_1.weights": self.softmax.weights,
            "dense_1.bias": self.softmax.biases,
        }


def pure(case: Case) -> Implementation:
    """The tutorial's classes or the reference."""
    return Tutorial(case) if case.net == "A" and case.batch == 1 else Reference(case)
