"""Which learning rates a net can be trained with: the losses that a `cnn.LearningRateFinder` has written down."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, cast

from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .style import GREY, NAVY, ORANGE, PALE, SMALL, WIDTH, Picture, heading

_HIGHEST = 1.5  # times the first loss: how it grows from there on tells nothing


class Search(Protocol):
    """What a `LearningRateFinder` has found, as far as it is drawn."""

    @property
    def rates(self) -> Sequence[float]: ...
    @property
    def losses(self) -> Sequence[float]: ...
    @property
    def suggestion(self) -> float: ...


def learning_rates(finder: Search, path: str | PathLike[str] | None = None) -> Picture:
    """The loss over the learning rate, on a log scale, with the rate that is suggested.

    Parameters
    ----------
    finder : LearningRateFinder
        After the fit that it was given to.
    path : path or None
        Where to write it, as PNG or SVG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        What is no finder; one without losses; a path with another suffix.
    OSError
        The file cannot be written; an older one is still there.
    """
    finder = _checked(finder)
    picture = Picture(WIDTH, 2.3)
    axes = picture.panel(0.58, 0.3, WIDTH - 0.58 - 0.25, 1.55)
    axes.set_xscale("log")
    axes.plot(finder.rates, finder.losses, color=NAVY, linewidth=1.8)
    axes.axvline(finder.suggestion, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 1.5)))
    low, high = min(finder.losses), min(max(finder.losses), _HIGHEST * finder.losses[0])
    ticks = MaxNLocator(5).tick_values(min(low, 0.9 * high), high)
    axes.set_ylim(ticks[0], ticks[-1])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("learning rate, log scale", fontsize=SMALL, color=GREY, labelpad=2)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
    heading(axes, "loss", f"suggested rate {finder.suggestion:.2g}")
    return picture.write(path)


def _checked(finder: Any) -> Search:
    if isinstance(finder, type) or not all(hasattr(type(finder), name) for name in ("suggestion", "plot")):
        raise TypeError(f"finder must be a cnn.LearningRateFinder, got {finder!r}")
    if not finder.losses:
        raise ValueError("finder must have been given to a fit, got one without losses")
    return cast(Search, finder)
