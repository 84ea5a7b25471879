"""Optimisers: one pass over a net's flat buffers of parameters and gradients."""

from __future__ import annotations

import numpy as np

from cnn_c import KERNELS

from . import checks


class SGD:
    """Stochastic gradient descent, with PyTorch's momentum, Nesterov momentum and weight decay.

    Parameters
    ----------
    learning_rate : float, or a schedule from `cnn.schedules`
        A schedule spans the steps of the fit that it is given to.
    momentum : float from 0 to 1
    nesterov : bool
        Look ahead along the velocity; needs momentum.
    weight_decay : float
        Added to the gradient, times the parameter.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, negative, NaN or infinite.
    """

    def __init__(self, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0) -> None:
        is_schedule = hasattr(learning_rate, "at")
        self.learning_rate = learning_rate if is_schedule else checks.number("learning_rate", learning_rate)
        self.momentum = checks.number("momentum", momentum, maximum=1.0)
        self.nesterov = bool(nesterov)
        self.weight_decay = checks.number("weight_decay", weight_decay)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, got 0")
        self._parameters: np.ndarray | None = None
        self._velocity: np.ndarray | None = None
        self._done = self._steps = 0

    def start(self, steps: int) -> None:
        """Begin a fit of so many steps: without velocity, and with the schedule's first rate."""
        self._parameters = self._velocity = None
        self._done, self._steps = 0, steps

    def rate(self) -> float:
        """The learning rate of the next step."""
        if hasattr(self.learning_rate, "at"):
            return self.learning_rate.at(self._done / max(self._steps, 1))
        return self.learning_rate

    def step(self, parameters: np.ndarray, gradients: np.ndarray, threads: int = 1) -> None:
        """Update a net's flat buffer of `parameters` in place, with as many threads as its gradients were made by.

        Each core then finds its part of the gradients, and in the next step of the parameters, in its own cache.
        """
        if self.momentum and self._parameters is not parameters:  # the velocity is that of one net
            self._parameters, self._velocity = parameters, np.zeros_like(parameters)
        KERNELS[parameters.dtype.char].sgd(
            parameters,
            gradients,
            self._velocity,
            self.rate(),
            self.momentum,
            self.nesterov,
            self.weight_decay,
            threads,
        )
        self._done += 1
