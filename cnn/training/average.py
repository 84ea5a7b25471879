"""`ExponentialAverage`: a net whose parameters are the average of those of its last steps."""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from ..backends import checks
from .callbacks import Callback


class ExponentialAverage(Callback):
    """Keep an exponential moving average of the parameters, which is what the net has at the end.

    The average follows the steps, ``average += (1 - d) * (parameters - average)``. At its n-th update d is the smaller
    one of `decay` and (1 + n) / (10 + n), so that a short fit does not end with the parameters of its beginning.

    From the last batch of an epoch to the beginning of the next one the net holds the average: so validation is that of
    the average, other callbacks see it, `EarlyStopping` goes back to the best one, and `cnn.load` of a checkpoint gives
    it. After the fit the net holds it, too, also where the last epoch was cut short. The steps go on from the
    parameters that they have reached, which are kept meanwhile, and in checkpoints. After an error the net holds those
    of the steps. Running statistics of `BatchNorm` are not averaged.

    Parameters
    ----------
    decay : float from 0 to below 1
        How much of the average stays at an update.
    every : int
        Batches from one update to the next.

    Raises
    ------
    TypeError, ValueError
        Arguments out of range.
    """

    comes_first = True  # the others see the average

    def __init__(self, decay: SupportsFloat = 0.999, every: SupportsIndex = 1) -> None:
        self.decay = checks.number("decay", decay)
        if self.decay >= 1:
            raise ValueError(f"decay must be below 1, got {self.decay:g}")
        self.every = checks.integer("every", every, minimum=1)
        self._batches = 0  # in all
        self._parameters: dict[str, np.ndarray] = {}  # those of the net
        self._average: dict[str, np.ndarray] = {}
        self._stepped: dict[str, np.ndarray] = {}  # what the steps go on from, while the net holds the average

    def on_fit_begin(self, net: Any, logs: dict[str, Any]) -> None:
        self._batches, self._stepped = 0, {}
        self._parameters = net.parameters()
        self._average = self._copied()

    def on_epoch_begin(self, net: Any, logs: dict[str, Any]) -> None:
        if self._stepped:
            self._average = self._copied()
            net.set_parameters(self._stepped)
            self._stepped = {}

    def on_batch_end(self, net: Any, logs: dict[str, Any]) -> None:
        self._batches += 1
        if self._batches % self.every == 0:
            n = self._batches // self.every
            decay = min(self.decay, (1 + n) / (10 + n))
            for name, value in self._parameters.items():
                self._average[name] += value.dtype.type(1 - decay) * (value - self._average[name])
        if logs["batch"] == logs["batches"]:
            self._show(net)

    def on_fit_end(self, net: Any, logs: dict[str, Any]) -> None:
        if not self._stepped:  # the last epoch was cut short
            self._show(net)

    def _show(self, net: Any) -> None:
        self._stepped = self._copied()
        net.set_parameters(self._average)

    def _copied(self) -> dict[str, np.ndarray]:
        return {name: value.copy() for name, value in self._parameters.items()}

    def state(self) -> dict[str, Any]:
        """How many batches there were, and what the steps go on from; the average is in the net."""
        return {"batches": self._batches, **self._stepped}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned; ValueError for anything else."""
        self._batches = checks.integer("batches", state.get("batches"), minimum=0)
        self._stepped = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
