"""Learning rates that change over a fit.

A schedule is whatever has a method `at(done, epochs)`, from the fraction of the fit's steps that is done, a number or
an array, and the fit's epochs, to the rate of each next step, finite and at least 0. Those here keep their arguments
under their names, and nothing else, so that `vars` of a schedule describes it.
"""

from __future__ import annotations

import numpy as np

from .backends import checks, tables


class Schedule:
    """What the schedules share: how they are printed."""

    def at(self, done, epochs=1):
        """Rates of the steps before each of which the fraction `done` of all steps, from 0 to 1, was made."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return tables.call(type(self), vars(self))


class Constant(Schedule):
    """The same rate at every step.

    Parameters
    ----------
    rate : float

    Raises
    ------
    TypeError, ValueError
        A rate that is no number, negative, NaN or infinite.
    """

    def __init__(self, rate) -> None:
        self.rate = checks.number("rate", rate)

    def at(self, done, epochs=1):
        return self.rate + np.zeros(np.shape(done))


class Step(Schedule):
    """`rate`, times `factor` after every so many epochs.

    Parameters
    ----------
    rate : float
        The rate of the first epochs.
    every : int
        Epochs between two steps.
    factor : float

    Raises
    ------
    TypeError, ValueError
        An argument that is no number, negative, NaN or infinite; `every` below 1.
    """

    def __init__(self, rate, every, factor) -> None:
        self.rate = checks.number("rate", rate)
        self.every = checks.integer("every", every, minimum=1)
        self.factor = checks.number("factor", factor)

    def at(self, done, epochs=1):
        epoch = np.floor(np.round(done * epochs, 9))  # rounded, or 3 * (1 / 3) could be less than 1
        return self.rate * np.power(self.factor, epoch // self.every)  # the same bits for one as for many


class Cosine(Schedule):
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

    def at(self, done, epochs=1):
        return self.rate * (1 + np.cos(np.pi * done)) / 2


class OneCycle(Schedule):
    """Up to `peak` and down to next to nothing, both along half a cosine wave (Smith and Topin, 2019).

    From peak / 25 up to `peak`, then down to peak / 250,000: the rates of PyTorch's `OneCycleLR` with its cosines and
    its defaults, except that the end is reached after the last step, not before it.

    Parameters
    ----------
    peak : float
        The highest rate.
    warmup : float
        The fraction of the steps that leads up to it, above 0 and below 1.

    Raises
    ------
    TypeError, ValueError
        An argument that is no number or out of range.
    """

    def __init__(self, peak, warmup=0.2) -> None:
        self.peak = checks.number("peak", peak)
        self.warmup = checks.number("warmup", warmup)
        if not 0 < self.warmup < 1:
            raise ValueError(f"warmup must be above 0 and below 1, got {self.warmup:g}")

    def at(self, done, epochs=1):
        first, last = self.peak / 25, self.peak / 25e4
        up = np.minimum(done / self.warmup, 1)
        down = np.maximum(done - self.warmup, 0) / (1 - self.warmup)
        return first + (self.peak - first) * _rise(up) - (self.peak - last) * _rise(down)


def _rise(t):
    """Half a cosine wave from 0 at t = 0 to 1 at t = 1."""
    return (1 - np.cos(np.pi * t)) / 2
