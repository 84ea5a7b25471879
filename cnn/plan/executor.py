"""`Executor`: runs the layers of a net, many images a call, and keeps the runners that have memory for it.

It chooses the runner, that of the compiled kernels or of NumPy. A runner serves one thread of Python at a time, so each
thread that comes while the others are at work gets one of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_c import KERNELS

from ..backends.buffers import gather
from ..backends.calls import Batches, Update
from ..backends.parts import leaves
from ..backends.program import Plan
from ..backends.python_calls import LossCall
from ..backends.tables import call
from ..backends.threads import MOST, is_fixed, threads_for
from ..layers.base import Layer, layer_names
from .access import Access
from .make import BLOCK, make_plan

if TYPE_CHECKING:
    from ..backends.exchange import Exchange
    from ..backends.ranks import Ranks

_PIXELS_A_CALL = 1 << 22  # of a prediction in compiled code; between two calls Python looks at signals
_MOST_TOGETHER = 256  # images of a prediction that pass a layer in Python together


class Executor:
    """Trains and predicts with the layers of one net, whose parameters it gathers into flat buffers.

    Attributes
    ----------
    learned : Learned
        The flat parameters, gradients and statistics, of which the layers hold views.
    access : Access
        Which threads may change `learned`, and when.
    trainer : runner or None
        That of the last steps, with the memory that they took.
    together : int
        How many images of a prediction pass a layer in Python together, by which its bits may depend on their number.

    Raises
    ------
    TypeError, ValueError
        A layer that no plan can have, or a net too large for one.

    Parameters
    ----------
    layers, dtype, backend
        Of the net.
    loss_call : LossCall or None
        For a loss that computes in Python.
    """

    def __init__(self, layers: Sequence[Layer], dtype: np.dtype, backend: str, loss_call: LossCall | None) -> None:
        self._layers, self._dtype, self._backend, self._loss_call = layers, dtype, backend, loss_call
        self._is_shared = self.plan(1, training=True).shared  # a layer that no plan can have is refused now
        self._leaves = leaves(layers)
        self.learned = gather(self._leaves, dtype)
        self.access = Access()
        self._classes = layers[-1].output_shape[0]
        # A layer in Python takes the images of a call together, with memory for each of them.
        together = any(layer.in_python for layer in self._leaves)
        pixels = math.prod(layers[0].input_shape)
        self._images_a_call = _MOST_TOGETHER if together else max(BLOCK, _PIXELS_A_CALL // pixels)
        self.together = _MOST_TOGETHER if together else 1
        self._predicted = _MOST_TOGETHER if together else BLOCK  # the batch size of a plan for predictions
        # What it was made for, the runner, and what it exchanges with other processes.
        self._trainer: tuple[Any, Any, Exchange | None] | None = None
        self._predictors: list[Any] = []

    def __repr__(self) -> str:
        told = {"layers": len(self._layers), "dtype": self._dtype.name, "backend": self._backend}
        return call(type(self), told)

    @property
    def trainer(self) -> Any:
        return None if self._trainer is None else self._trainer[1]

    def plan(self, batch_size: int, training: bool, exchanged: bool = False) -> Plan:
        """The operations and the memory for batches of at most `batch_size` images."""
        in_python = self._loss_call is not None
        return make_plan(self._layers, layer_names(self._layers), batch_size, training, in_python, exchanged)

    def train(self, batch_size: int, batches: Batches, update: Update, ranks: Ranks | None = None) -> int:
        """A step for each row of `update.step_scalars`, on `batch_size` images, or fewer in the last one.

        With `ranks`, each of them trains on its part of every batch, and all end with the same parameters.

        Returns
        -------
        int
            How many steps were done: all, unless a loss was not finite; the parameters are then as before that step.
        """
        if self._loss_call is not None:
            batches = self._loss_call.of(batches)
        frozen = tuple(layer.trainable for layer in self._leaves)
        threads, key = self._threads_for(batch_size), (batch_size, self._runner_type(), frozen, ranks)
        trainer, self._trainer = self._trainer, None  # another thread of Python makes its own
        if trainer is None or trainer[0] != key or trainer[1].threads < threads:
            plan = self.plan(batch_size, True, ranks is not None)
            runner = self._runner(plan, threads, training=True)
            self.learned.gradients[...] = 0  # nobody writes those of layers that are frozen now
            exchange = None if ranks is None else self._new_exchange(ranks, plan, runner)
            trainer = key, runner, exchange
        if trainer[2] is not None:
            batches = batches._replace(exchange=trainer[2])
        done = self.access.run(trainer[1].train, self.learned, update, batches, threads, is_fixed())
        self._trainer = trainer
        return done

    def _new_exchange(self, ranks: Ranks, plan: Plan, runner: Any) -> Exchange:
        from ..backends.exchange import Exchange  # few fits have other processes

        return Exchange(ranks, plan, runner.memory, self._loss_call)

    def predict(self, x: np.ndarray, probabilities: bool) -> np.ndarray:
        """Probabilities, or logits, (n, classes) of images that are right already."""
        out = np.empty((len(x), self._classes), self._dtype)
        threads, fixed, kind = self._threads_for(len(x)), is_fixed(), self._runner_type()
        try:
            runner = self._predictors.pop()  # one for each thread of Python that predicts at the same time
        except IndexError:
            runner = None
        if type(runner) is not kind or runner.threads < threads:
            runner = self._runner(self.plan(self._predicted, training=False), threads, training=False)
        images = self._images_a_call
        if len(x) <= images:
            runner.predict(self.learned, x, out, probabilities, threads, fixed)
        else:
            for i in range(0, len(x), images):
                part = slice(i, i + images)
                runner.predict(self.learned, x[part], out[part], probabilities, threads, fixed)
        self._predictors.append(runner)
        return out

    def _threads_for(self, images: int) -> int:
        return threads_for(MOST if self._is_shared else images)

    def _runner(self, plan: Plan, threads: int, training: bool) -> Any:
        kind = self._runner_type()
        layers = () if self._backend == "compiled" else (self._layers,)  # NumPy runs the layers, not their operations
        return kind(plan, *layers, threads, training)

    def _runner_type(self) -> Any:
        if self._backend == "compiled":
            return KERNELS[self._dtype.char].Runner
        from ..backends.numpy.runner import Runner

        return Runner
