"""A net run by NumPy: the specification of the compiled `Runner`, layer by layer over a whole batch.

Fusing, memory layouts, blocks, chunks and threads are the compiled runner's affair; what a layer computes is said in
its own file. Of the plan, only the numbers of batches, classes and random streams count here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..calls import Batches, Learned, Update
from ..program import Plan
from .augment import augment
from .loss import cross_entropies, softmax, softmax_cross_entropy
from .optimizers import update as apply_update
from .random import Stream


class Runner:
    """See `cnn_c`'s kernels.pyi: same methods, same results; it takes the layers, which hold views of the arrays.

    Parameters
    ----------
    plan : Plan
    layers : sequence of cnn.layers.Layer
        Those of the plan.
    threads : int
    training : bool
    """

    def __init__(self, plan: Plan, layers: Sequence[Any], threads: int, training: bool) -> None:
        self.plan, self.layers, self.threads = plan, layers, threads
        learning = (k for k, layer in enumerate(layers) if layer.parameters)
        self._lowest = next(learning, len(layers))  # below, nobody needs a gradient

    def train(self, learned: Learned, update: Update, batches: Batches, threads: int, fixed: bool) -> int:
        size = self.plan.batch_size
        for step, step_scalars in enumerate(update.step_scalars):
            before = learned.statistics.copy()
            gradients = None
            try:
                gradients = self._gradients(batches.part(step * size, (step + 1) * size))
            finally:
                if gradients is None:
                    learned.statistics[...] = before
            if gradients is None:
                return step
            apply_update(learned.parameters, gradients, update.first, update.second, update.rule, step_scalars)
        return len(update.step_scalars)

    def predict(
        self, learned: Learned, x: np.ndarray, out: np.ndarray, probabilities: bool, threads: int, fixed: bool
    ) -> None:
        y = x.astype(out.dtype)
        for layer in self.layers:
            y, _ = layer.apply(y, training=False)
        out[...] = softmax(y) if probabilities else y

    def _gradients(self, batch: Batches) -> np.ndarray | None:
        """The gradients for all parameters, flat, or None if a loss is not finite; fills the batch's losses."""
        x, labels = batch.x[batch.order], batch.labels[batch.order]
        if batch.warp is not None:
            x = augment(x.reshape(-1, *batch.warp.shape), batch.warp, batch.seed, batch.position)
        with self._streams(batch):
            y, kept = self._forward(x)
        _, _, d = softmax_cross_entropy(y, labels, batch.label_smoothing)
        batch.losses[...] = cross_entropies(y, labels, batch.label_smoothing)
        batch.correct[...] = y.argmax(axis=1) == labels
        if not np.isfinite(batch.losses).all():
            return None
        for k in range(len(self.layers) - 1, self._lowest - 1, -1):
            d = self.layers[k].apply_gradient(d, kept[k])
        flat = [g.ravel(order=layer.memory_order) for layer in self.layers for g in layer.gradients.values()]
        return np.concatenate(flat) if flat else np.empty(0, y.dtype)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """Logits of images of any dtype, and what each layer's gradient needs."""
        y, kept = x.astype(self.layers[0].dtype), []
        for layer in self.layers:
            y, of_layer = layer.apply(y, training=True)
            kept.append(of_layer)
        return y, kept

    @contextmanager
    def _streams(self, batch: Batches) -> Iterator[None]:
        """Let the layers draw from the streams of their operations in the plan."""
        operations = [o for o in self.plan.operations if o.first_layer >= 0]
        for o in operations:
            self.layers[o.first_layer].stream = Stream(batch.seed, batch.position, o.stream)
        try:
            yield
        finally:
            for o in operations:
                self.layers[o.first_layer].stream = None
