"""Optimisers: one pass over a net's flat buffers of parameters and gradients."""

from __future__ import annotations

import numpy as np

from . import checks


class SGD:
    """Stochastic gradient descent, with PyTorch's momentum, Nesterov momentum and weight decay.

    Parameters
    ----------
    learning_rate : float
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
        self.learning_rate = checks.number("learning_rate", learning_rate)
        self.momentum = checks.number("momentum", momentum, maximum=1.0)
        self.nesterov = bool(nesterov)
        self.weight_decay = checks.number("weight_decay", weight_decay)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, got 0")
        self._velocity: np.ndarray | None = None

    def start(self, parameters: np.ndarray) -> None:
        """Forget the velocity; called before the first step of a fit."""
        self._velocity = np.zeros_like(parameters) if self.momentum else None

    def step(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        """Update `parameters` in place; `gradients` is used as scratch memory."""
        if self.weight_decay:
            gradients += self.weight_decay * parameters
        if self._velocity is not None:
            self._velocity *= self.momentum
            self._velocity += gradients
            if self.nesterov:
                gradients += self.momentum * self._velocity
            else:
                gradients[...] = self._velocity
        gradients *= self.learning_rate
        parameters -= gradients
