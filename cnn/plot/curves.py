"""How a net learned: the figures of a fit, epoch by epoch."""

from __future__ import annotations

import math
from os import PathLike

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .arguments import History, checked_history
from .scales import fit_scale
from .style import GREY, NAVY, ORANGE, PALE, SMALL, WIDTH, Picture, heading

_LEFT = 0.58  # of the first panel
_MARKED = 30  # epochs; more would be a row of marks


def training_curves(history: History, path: str | PathLike[str] | None = None) -> Picture:
    """Loss and error over the epochs, in training and in validation; of a net for values, the loss alone.

    The error is what is missing of the accuracy, in percent: near 99 % it shows what an accuracy hides. A panel has
    a log scale, and says so, where its values span more than a factor of three.

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
    TypeError, ValueError
        What is no history; one without an epoch; a path with another suffix.
    OSError
        The file cannot be written; an older one is still there.
    """
    history = checked_history(history)
    errors, val_errors = ([100 * (1 - accuracy) for accuracy in of] for of in (history.accuracy, history.val_accuracy))
    key = 0.24 if history.val_loss else 0.0  # height, above the panels: no line runs there
    height = key + 2.3
    picture = Picture(WIDTH, height)
    loss = _panel(picture, (_LEFT, key + 0.3), "loss", "", history.loss, history.val_loss)
    if errors:
        _panel(picture, (2.78, key + 0.3), "error", "%", errors, val_errors)
    if history.val_loss:
        picture.legend(
            handles=loss.lines, loc="upper left", bbox_to_anchor=(_LEFT / WIDTH, 1 - 0.07 / height), borderaxespad=0,
            borderpad=0, ncols=2, frameon=False, fontsize=SMALL, labelcolor=GREY, handlelength=3,
        )  # fmt: skip
    return picture.write(path)


def _panel(
    picture: Picture, place: tuple[float, float], name: str, unit: str, training: list[float], validation: list[float]
) -> Axes:
    axes = picture.panel(*place, 1.55, 1.55)
    mark = "o" if len(training) <= _MARKED else ""
    epochs = range(1, len(training) + 1)
    axes.plot(
        epochs, training, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 1.5)), marker=mark, markersize=3.5,
        markerfacecolor="white", label="training", clip_on=False,
    )  # fmt: skip
    if validation:
        axes.plot(
            epochs[-len(validation) :], validation, color=NAVY, linewidth=1.8, marker=mark, markersize=3.5,
            label="validation", clip_on=False,
        )  # fmt: skip
    fit_scale(axes, [value for value in (*training, *validation) if math.isfinite(value)] or [0.0], unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=SMALL, color=GREY, labelpad=2)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
    last, where = (validation[-1], "validation") if validation else (training[-1], "training")
    told = f"{round(last, 3):g}" if unit and last < 0.1 else f"{last:.3g}"  # there is no room for more
    heading(axes, name, f"{told}{unit} in {where}")
    return axes
