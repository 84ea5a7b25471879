"""Scales of vertical axes: where the ticks are, and which scale is a logarithmic one."""

from __future__ import annotations

import math
from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from .style import GREY, SMALL

_LOG_FROM = 3  # times the smallest value
_MOST_TICKS = 9  # of a log scale


def fit_scale(axes: Axes, values: list[float], unit: str) -> None:
    """A scale from tick to tick, with all values between the first and the last; logarithmic where they differ much."""
    low, high = min(values), max(values)
    if low > 0 and high > _LOG_FROM * low:
        axes.set_yscale("log")
        axes.set_ylabel("log scale", fontsize=SMALL, color=GREY, labelpad=2)
        ticks = _log_ticks(low, high)
    else:
        ticks = list(MaxNLocator(5).tick_values(0, high or 1))
    axes.set_ylim(ticks[0], ticks[-1])
    axes.set_yticks(ticks, [f"{tick:g}{unit}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def _log_ticks(low: float, high: float) -> list[float]:
    """From the last one below to the first one above: 1, 2 and 5 of each decade if these are few enough, or only 1."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = _between(low, high, (float(f"{m}e{e}") for e in range(first - 1, last + 1) for m in (1, 2, 5)))
    if len(ticks) <= _MOST_TICKS:
        return ticks
    step = -(-(last - first) // (_MOST_TICKS - 1))
    return [float(f"1e{e}") for e in range(first, last + step, step)]


def _between(low: float, high: float, ticks: Iterable[float]) -> list[float]:
    """Those of rising ticks that are needed to have `low` and `high` between them."""
    ticks = list(ticks)
    first = max(i for i, tick in enumerate(ticks) if tick <= low)
    last = min(i for i, tick in enumerate(ticks) if tick >= high)
    return ticks[first : last + 1]
