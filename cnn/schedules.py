"""Learning rates that change over a fit: each gives the rate for the fraction of the fit's steps that is done."""

from __future__ import annotations

import math

from . import checks


class Cosine:
    """From `rate` down to zero along half a cosine wave (Loshchilov and Hutter, 2017, without restarts).

    Parameters
    ----------
    rate : float
        The rate of the first step.

    Raises
    ------
    TypeError, ValueError
        A rate that is no number, negative, NaN or infinite.
    """

    def __init__(self, rate) -> None:
        self.rate = checks.number("rate", rate)

    def at(self, done: float) -> float:
        """The rate of the step before which the fraction `done` of all steps, from 0 to 1, was made."""
        return self.rate * (1 + math.cos(math.pi * done)) / 2
