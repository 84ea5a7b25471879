"""How a net learned: the figures of a fit, epoch by epoch."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .style import GREY, NAVY, ORANGE, PALE, SMALL, WIDTH, Picture, heading

if TYPE_CHECKING:
    from ..network import History

_MARKED = 30  # epochs; more would be a row of marks
_LOG_FROM = 3  # times the smallest value


def training_curves(history: History, path: str | PathLike[str] | None = None) -> Picture:
    """Loss and error over the epochs, in training and in validation.

    The error is what is missing of the accuracy, in percent: near 99 % it shows what an accuracy hides. A panel has
    a log scale where its values span more than a factor of three.

    Parameters
    ----------
    history : History
        What `fit` returned.
    path : path or None
        Where to write it, as PNG or SVG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        A history without an epoch; a path with another suffix.
    """
    if not history.loss:
        raise ValueError("history must hold at least one epoch, got none")
    errors, val_errors = ([100 * (1 - accuracy) for accuracy in of] for of in (history.accuracy, history.val_accuracy))
    picture = Picture(WIDTH, 2.3)
    loss = _panel(picture, 0.48, "loss", "", history.loss, history.val_loss)
    _panel(picture, 2.85, "error", "%", errors, val_errors)
    if history.val_loss:
        loss.legend(frameon=False, fontsize=SMALL, labelcolor=GREY, loc="upper right", handlelength=1.8)
    return picture.write(path)


def _panel(picture: Picture, left: float, name: str, unit: str, training: list[float], validation: list[float]) -> Axes:
    axes = picture.panel(left, 0.3, 1.65, 1.55)
    mark = "o" if len(training) <= _MARKED else ""
    epochs = range(1, len(training) + 1)
    axes.plot(
        epochs, training, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 1.5)), marker=mark, markersize=3.5,
        markerfacecolor="white", label="training",
    )  # fmt: skip
    if validation:
        axes.plot(
            epochs[-len(validation) :], validation, color=NAVY, linewidth=1.8, marker=mark, markersize=3.5,
            label="validation",
        )  # fmt: skip
    _scale(axes, [*training, *validation], unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=SMALL, color=GREY, labelpad=2)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
    last, where = (validation[-1], "validation") if validation else (training[-1], "training")
    heading(axes, name, f"{last:.3g}{unit} in {where}")
    return axes


def _scale(axes: Axes, values: list[float], unit: str) -> None:
    if min(values) > 0 and max(values) > _LOG_FROM * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, 1.08 * max(values) or 1)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}{unit}")
