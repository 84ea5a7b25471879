"""`ReduceLROnPlateau`: a smaller learning rate where a fit no longer gets better."""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

from ..backends import checks
from .callbacks import Waiting


class ReduceLROnPlateau(Waiting):
    """Multiply the learning rate by a factor when epochs are no longer better than the best one, as Keras does.

    The rate that it has set is in checkpoints, and so are the epochs that it has waited.

    Parameters
    ----------
    monitor : str
        A figure of an epoch's logs: of a name with "accuracy" more is better, of any other less.
    factor : float from 0 to below 1
    patience : int
        The rate falls after so many epochs in a row that were no better.
    min_delta : float
        By how much at least an epoch must be better to count.
    cooldown : int
        Epochs after a fall that do not count as waiting.
    minimum_rate : float
        The rate falls to this one at most.

    Raises
    ------
    TypeError, ValueError
        Arguments out of range; at the beginning of a fit, an optimiser with a schedule, or a figure of validation data
        where there are none; after its first epoch, a `monitor` that is not among the logs.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: SupportsFloat = 0.1,
        patience: SupportsIndex = 10,
        min_delta: SupportsFloat = 1e-4,
        cooldown: SupportsIndex = 0,
        minimum_rate: SupportsFloat = 0.0,
    ) -> None:
        super().__init__(monitor, patience, min_delta)
        self.factor = checks.number("factor", factor)
        if self.factor >= 1:
            raise ValueError(f"factor must be below 1, got {self.factor:g}")
        self.cooldown = checks.integer("cooldown", cooldown, minimum=0)
        self.minimum_rate = checks.learning_rate("minimum_rate", minimum_rate)
        self._rests = 0  # epochs of the cooldown that are left

    def on_fit_begin(self, net: Any, logs: dict[str, Any]) -> None:
        super().on_fit_begin(net, logs)
        self._rests = 0
        _checked_rate(net)

    def on_epoch_end(self, net: Any, logs: dict[str, Any]) -> None:
        self.is_better(logs)
        if self._rests:
            self._rests -= 1
            self.waited = 0
        elif self.waited >= self.patience:
            rate = _checked_rate(net)
            if rate > self.minimum_rate:
                net.current_fit.optimizer.learning_rate = max(self.factor * rate, self.minimum_rate)
            self._rests, self.waited = self.cooldown, 0

    def state(self) -> dict[str, Any]:
        """The best figure, how many epochs have passed since it, and how many of the cooldown are left."""
        return {**super().state(), "rests": self._rests}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned; ValueError for anything else."""
        super().restore(state)
        self._rests = checks.integer("rests", state.get("rests"), minimum=0)


def _checked_rate(net: Any) -> float:
    """The learning rate of the fit; TypeError if it is no number, which could be multiplied."""
    rate = net.current_fit.optimizer.learning_rate
    if not isinstance(rate, float):
        raise TypeError(f"ReduceLROnPlateau needs an optimizer whose learning_rate is no schedule, got {rate!r}")
    return rate
