"""TensorFlow: the whole step as a graph, run by oneDNN's operations or compiled by XLA, a call a batch or for many."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from .case import RATE, Arrays, Case, Implementation
from .tensorflow_layers import TensorFlowPass

IMAGES_A_CALL = 1024


class Graph(Implementation):
    """A `tf.function` that is called for each batch; with oneDNN, as TensorFlow is delivered."""

    xla = False

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        if tf.config.threading.get_intra_op_parallelism_threads() != case.threads:  # not yet set by another way
            tf.config.threading.set_intra_op_parallelism_threads(case.threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self.values = {name: tf.Variable(value, trainable=self.learns(name)) for name, value in case.state.items()}
        self.stage()
        self.step = tf.function(self.take_step, jit_compile=self.xla)
        self.probabilities = tf.function(self.infer, jit_compile=self.xla)

    @staticmethod
    def learns(name: str) -> bool:
        return not name.endswith((".mean", ".variance"))

    def stage(self) -> None:
        images = self.case.scaled
        self.images = [tf.constant(images[batch]) for batch in self.case.slices()]
        self.labels = [tf.constant(self.case.labels[batch]) for batch in self.case.slices()]

    def infer(self, images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(TensorFlowPass(self.values, False).chain(self.case.layers, images))

    def take_step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        run = TensorFlowPass(self.values, True)
        with tf.GradientTape() as tape:
            logits = run.chain(self.case.layers, images)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        learned = [value for name, value in self.values.items() if self.learns(name)]
        for value, gradient in zip(learned, tape.gradient(loss, learned), strict=True):
            value.assign_sub(RATE * gradient)
        for name, value in run.statistics.items():
            self.values[name].assign(value)
        return loss

    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            loss = self.step(self.images[number], self.labels[number])
        return float(loss)

    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.probabilities(self.images[self.next()]).numpy()
        return probabilities

    def state(self) -> Arrays:
        return {name: value.numpy() for name, value in self.values.items()}


class Xla(Graph):
    """The same with `jit_compile=True`."""

    xla = True


class Loop(Graph):
    """One call for many steps, in a loop of the graph."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.steps = tf.function(self.take_steps)

    def stage(self) -> None:
        super().stage()
        case = self.case
        self.granularity = min(math.ceil(IMAGES_A_CALL / case.batch), case.batches)
        self.all_images = tf.constant(case.scaled.reshape(case.batches, case.batch, *case.scaled.shape[1:]))
        self.all_labels = tf.constant(case.labels.reshape(case.batches, case.batch))

    def take_steps(self, images: tf.Tensor, labels: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        loss = tf.constant(0.0)
        for number in tf.range(first, first + count):
            loss = self.take_step(images[number], labels[number])
        return loss

    def train(self, steps: int) -> float:
        while steps:
            count = min(steps, self.case.batches - self.position)
            where = tf.constant(self.position), tf.constant(count)
            loss = self.steps(self.all_images, self.all_labels, *where)
            steps -= count
            self.position = (self.position + count) % self.case.batches
        return float(loss)
