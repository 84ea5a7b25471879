"""The optimiser of a fit, from what an estimator was given; and what it keeps from one `partial_fit` to the next."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..backends.names import nearest
from ..recipes import OPTIMIZERS
from ..training.callbacks import Callback
from ..training.optimizer import Optimizer, checked_optimizer

_RATES = {"adam": 0.002, "adamw": 0.002, "sgd": 0.03}  # where the optimiser has none, or one for longer fits


def new_optimizer(optimizer: Any, learning_rate: Any) -> Optimizer:
    """An optimiser for one fit: that of a name, or a copy of one that was given, with its rate or another one.

    TypeError and ValueError for what is none, or for a rate that is none.
    """
    if not isinstance(optimizer, str):
        made = copy.deepcopy(checked_optimizer(optimizer))
    elif optimizer in OPTIMIZERS:
        rates = [_RATES[optimizer]] if optimizer in _RATES else []
        made = OPTIMIZERS[optimizer](*rates)
    else:
        known = f"must be one of {', '.join(OPTIMIZERS)}, or an optimiser"
        raise ValueError(f"optimizer {known}, got {optimizer!r}{nearest(optimizer, OPTIMIZERS)}")
    if learning_rate is not None:
        made.learning_rate = learning_rate
    return made


class Moments(Callback):
    """Velocities or moments of the steps before: set when a fit begins, and kept when it ends."""

    comes_first = True

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.done = 0

    def on_fit_begin(self, net: Any, logs: dict[str, Any]) -> None:
        optimizer = net.current_fit.optimizer
        if not isinstance(optimizer.learning_rate, float):
            raise ValueError(f"partial_fit needs a learning_rate that is a number, got {optimizer.learning_rate!r}")
        if self.arrays:
            optimizer.restore(net.executor.learned.parameters, self.arrays, self.done)

    def on_fit_end(self, net: Any, logs: dict[str, Any]) -> None:
        optimizer = net.current_fit.optimizer
        self.arrays = [array.copy() for array in optimizer.arrays(net.executor.learned.parameters)]
        self.done = optimizer.done
