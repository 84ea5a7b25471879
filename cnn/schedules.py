"""Learning rates that change over a fit.

A schedule is whatever has a method `at(done, epochs)`, from the fraction of the fit's steps that is done, a number or
an array, and the fit's epochs, to the rate of each next step, finite and at least 0. Those here keep their arguments
under their names, and nothing else, so that `vars` of a schedule describes it.

A function ``rate(step, steps)`` serves as well: it gives the rate of one step, counted from 0, of so many in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, SupportsFloat, SupportsIndex, TypeVar

import numpy as np

from .backends import checks, tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Done = TypeVar("Done", float, NDArray[np.float64])  # one fraction, or an array of them


class Schedule(Protocol):
    """What a fit asks of a schedule; and how those here are printed."""

    def at(self, done: NDArray[np.float64], epochs: int, /) -> ArrayLike:
        """Rates of the steps before each of which the fraction `done` of all steps, from 0 to 1, was made."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return tables.call(type(self), vars(self))


if TYPE_CHECKING:  # what the learning rate of an optimiser may be; a function is given a step and the number of steps
    Rate = SupportsFloat | Schedule | Callable[[int, int], SupportsFloat]


class Constant(Schedule):
    """The same rate at every step.

    Parameters
    ----------
    rate : float

    Raises
    ------
    TypeError, ValueError
        A rate that is no number, negative, NaN or beyond float32.
    """

    def __init__(self, rate: SupportsFloat) -> None:
        self.rate = checks.learning_rate("rate", rate)

    def at(self, done: Done, epochs: int = 1) -> Done:
        return self.rate + 0.0 * done  # one for one, many for many


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
        An argument that is no number, negative, NaN or infinite; a rate beyond float32; `every` below 1.
    """

    def __init__(self, rate: SupportsFloat, every: SupportsIndex, factor: SupportsFloat) -> None:
        self.rate = checks.learning_rate("rate", rate)
        self.every = checks.integer("every", every, minimum=1)
        self.factor = checks.number("factor", factor)

    def at(self, done: Done, epochs: int = 1) -> Done:
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
        A rate that is no number, negative, NaN or beyond float32.

    Examples
    --------
    >>> import cnn
    >>> schedule = cnn.schedules.Cosine(0.1)
    >>> [round(float(schedule.at(done)), 3) for done in (0, 0.5, 1)]
    [0.1, 0.05, 0.0]
    """

    def __init__(self, rate: SupportsFloat) -> None:
        self.rate = checks.learning_rate("rate", rate)

    def at(self, done: Done, epochs: int = 1) -> Done:
        return self.rate * (1 + np.cos(np.pi * done)) / 2


class OneCycle(Schedule):
    """Up to `peak` and down to next to nothing, both along half a cosine wave (Smith and Topin, 2019).

    From peak / 25 up to `peak`, then down to peak / 250,000.

    In a fit of n steps the rates are those of PyTorch's `OneCycleLR` with ``total_steps = n + 1``, ``pct_start =
    (n * warmup + 1) / (n + 1)`` and ``cycle_momentum = False``. It differs from `OneCycleLR` in this:

    - `warmup` is 0.2 where nothing else is said; PyTorch's `pct_start` is 0.3.
    - The peak is the rate of the step before which n * warmup steps were made, and the end is reached after the last
      step, so that no step has it. PyTorch has both one step earlier: the last step has the lowest rate.
    - The momentum stays what the optimiser has. PyTorch moves it, or Adam's beta1, from 0.95 (`max_momentum`) to 0.85
      (`base_momentum`) and back, unless `cycle_momentum` is False.
    - PyTorch's other defaults are fixed: `div_factor` is 25; `final_div_factor`, which divides the first rate, is
      10,000; `anneal_strategy` is "cos"; and there is no `three_phase`.

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

    def __init__(self, peak: SupportsFloat, warmup: SupportsFloat = 0.2) -> None:
        self.peak = checks.learning_rate("peak", peak)
        self.warmup = checks.number("warmup", warmup)
        if not 0 < self.warmup < 1:
            raise ValueError(f"warmup must be above 0 and below 1, got {self.warmup:g}")

    def at(self, done: Done, epochs: int = 1) -> Done:
        first, last = self.peak / 25, self.peak / 25e4
        up = np.minimum(done / self.warmup, 1)
        down = np.maximum(done - self.warmup, 0) / (1 - self.warmup)
        return first + (self.peak - first) * _rise(up) - (self.peak - last) * _rise(down)


def _rise(t: Done) -> Done:
    """Half a cosine wave from 0 at t = 0 to 1 at t = 1."""
    return (1 - np.cos(np.pi * t)) / 2
