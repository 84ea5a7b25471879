"""`TimeLimit`: a fit that ends in time."""

from __future__ import annotations

import time
from typing import Any, SupportsFloat

from ..backends import checks
from .callbacks import Callback


class TimeLimit(Callback):
    """End a fit after some time, which counts from its beginning, or from where it is resumed.

    It ends between two calls of compiled code, of some batches in 0.04 seconds or of one batch that takes longer. As
    with any other end in the middle of an epoch, what that epoch has learned stays in the net, but there is no entry
    for it in the history, and a fit that is resumed from its last checkpoint does the whole epoch. Validation and
    callbacks after the last epoch that was done are not cut short.

    Parameters
    ----------
    seconds : float

    Raises
    ------
    TypeError, ValueError
        What is no number, negative, NaN or infinite.
    """

    def __init__(self, seconds: SupportsFloat) -> None:
        self.seconds = checks.number("seconds", seconds)

    def on_fit_begin(self, net: Any, logs: dict[str, Any]) -> None:
        fit = net.current_fit
        fit.deadline = min(fit.deadline, time.monotonic() + self.seconds)
