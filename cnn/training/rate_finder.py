"""`LearningRateFinder`: which learning rates a net can be trained with, from one short fit."""

from __future__ import annotations

import math
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import numpy as np

from ..backends import checks
from .callbacks import Callback

if TYPE_CHECKING:
    from ..plot.style import Picture

_SMOOTHING = 0.98  # how much of the mean stays at each batch
_DIVERGED = 4  # times the lowest loss
_BELOW_LOWEST = 10  # the suggestion is so many times smaller than the rate of the lowest loss


class LearningRateFinder(Callback):
    """Raise the learning rate from batch to batch, and write down the loss (Smith, 2017), as fastai does.

    ``finder = cnn.LearningRateFinder(); net.fit(x, y, optimizer=optimizer, callbacks=[finder])``. The fit ends once
    all rates were tried, or as the loss is four times the lowest one, NaN or infinite. The net has its parameters back
    then, and the optimiser its learning rate, without velocity or moments; not after an error, such as Ctrl-C.

    Parameters
    ----------
    lowest, highest : float
        The rates of the first and of the last batch; between them they grow by the same factor from batch to batch.
    steps : int
        How many batches, of one epoch or of several, if the fit has as many.

    Attributes
    ----------
    rates : list of float
        Of each batch.
    losses : list of float
        The mean of the losses so far, in which those of the last 50 batches count most.

    Raises
    ------
    TypeError, ValueError
        Arguments out of range; a fit of less than two steps.
    """

    def __init__(self, lowest: SupportsFloat = 1e-5, highest: SupportsFloat = 1.0, steps: SupportsIndex = 100) -> None:
        self.lowest = checks.learning_rate("lowest", lowest)
        self.highest = checks.learning_rate("highest", highest)
        if not 0 < self.lowest < self.highest:
            raise ValueError(f"lowest must be above 0 and below highest, got {self.lowest:g} and {self.highest:g}")
        self.steps = checks.integer("steps", steps, minimum=2)
        self.rates: list[float] = []
        self.losses: list[float] = []

    @property
    def suggestion(self) -> float:
        """A rate to begin with: a tenth of the one of the lowest loss; RuntimeError if there are no losses."""
        if not self.losses:
            raise RuntimeError("LearningRateFinder has no losses: give it to fit; the first one may have been NaN")
        return self.rates[int(np.argmin(self.losses))] / _BELOW_LOWEST

    def plot(self, path: str | PathLike[str] | None = None) -> Picture:
        """The losses over the rates, as `cnn.plot.learning_rates` draws them."""
        from ..plot import learning_rates

        return learning_rates(self, path)

    def on_fit_begin(self, net: Any, logs: dict[str, Any]) -> None:
        fit = net.current_fit
        self._steps = self.steps if fit.steps is None else min(self.steps, fit.steps)
        if self._steps < 2:
            raise ValueError(f"LearningRateFinder needs a fit of two steps or more, got {self._steps}")
        self.rates, self.losses, self._mean = [], [], 0.0
        self._learned: dict[str, np.ndarray] = net.snapshot()
        self._rate = fit.optimizer.learning_rate
        fit.optimizer.learning_rate = self.lowest

    def on_batch_end(self, net: Any, logs: dict[str, Any]) -> None:
        if not self._learned:
            return
        loss = logs["loss"]
        if math.isfinite(loss):
            self.rates.append(logs["learning_rate"])
            self._mean = _SMOOTHING * self._mean + (1 - _SMOOTHING) * loss
            self.losses.append(self._mean / (1 - _SMOOTHING ** len(self.rates)))
        done = len(self.rates)
        if not math.isfinite(loss) or done == self._steps or self.losses[-1] > _DIVERGED * min(self.losses):
            self._set_back(net)
            net.stop_training = True
        else:
            factor = (self.highest / self.lowest) ** (done / (self._steps - 1))
            net.current_fit.optimizer.learning_rate = self.lowest * factor

    def on_fit_end(self, net: Any, logs: dict[str, Any]) -> None:
        if self._learned:  # another callback has ended the fit
            self._set_back(net)

    def _set_back(self, net: Any) -> None:
        optimizer = net.current_fit.optimizer
        net.set_parameters(self._learned)
        self._learned = {}
        optimizer.learning_rate = self._rate
        optimizer.start(0)
