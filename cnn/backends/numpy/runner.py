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
from ..parts import leaves
from ..program import Plan
from ..python_calls import applied, applied_gradient
from .augment import augment
from .loss import loss_gradient, softmax
from .optimizers import apply_update
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
        learning = (k for k, layer in enumerate(layers) if layer.learns)
        self._lowest = next(learning, len(layers))  # below, nobody needs a gradient
        self._leaves = leaves(layers)
        frozen = [np.full(v.size, not layer.trainable) for layer in self._leaves for v in layer.parameters.values()]
        self._frozen = np.concatenate(frozen) if frozen else np.empty(0, np.bool_)

    def train(self, learned: Learned, update: Update, batches: Batches, threads: int, fixed: bool) -> int:
        size = self.plan.batch_size
        for step in range(len(update.step_scalars)):
            before, done = learned.statistics.copy(), False
            try:
                done = self._step(learned, update, batches.part(step * size, (step + 1) * size), step)
            finally:
                if not done:
                    learned.statistics[...] = before
            if not done:
                return step
        return len(update.step_scalars)

    def _step(self, learned: Learned, update: Update, batch: Batches, step: int) -> bool:
        """One step, unless a loss is not finite; whether it was done."""
        finite = self._set_gradients(learned, batch)
        if finite:
            apply_update(learned, update, self._frozen, step)
        return finite

    def predict(
        self, learned: Learned, x: np.ndarray, out: np.ndarray, probabilities: bool, threads: int, fixed: bool
    ) -> None:
        y = x.astype(out.dtype)
        for layer in self.layers:
            y, _ = applied(layer, y, training=False)
        out[...] = softmax(y) if probabilities else y

    def _set_gradients(self, learned: Learned, batch: Batches) -> bool:
        """Fill the gradients for all parameters and the batch's losses; False if one of these is not finite."""
        x = batch.x[batch.order]
        if batch.warp is not None:
            x = augment(x.reshape(-1, *batch.warp.shape), batch.warp, batch.seed, batch.position)
        with self._streams(batch):
            y, kept = self._forward(x)
        d = loss_gradient(y, batch)
        if not np.isfinite(batch.losses).all():
            return False
        for k in range(len(self.layers) - 1, self._lowest - 1, -1):
            d = applied_gradient(self.layers[k], d, kept[k])  # which fills the layers' views of the gradients
        learned.gradients[self._frozen] = 0
        return True

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """Logits of images of any dtype, and what each layer's gradient needs."""
        y, kept = x.astype(self.layers[0].dtype), []
        for layer in self.layers:
            y, of_layer = applied(layer, y, training=True)
            kept.append(of_layer)
        return y, kept

    @contextmanager
    def _streams(self, batch: Batches) -> Iterator[None]:
        """Let the layers draw from the streams of their operations in the plan."""
        operations = [o for o in self.plan.operations if o.first_layer >= 0]
        for o in operations:
            self._leaves[o.first_layer].stream = Stream(batch.seed, batch.position, o.stream)
        try:
            yield
        finally:
            for o in operations:
                self._leaves[o.first_layer].stream = None
