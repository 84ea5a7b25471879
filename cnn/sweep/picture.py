"""A picture of a sweep: the trials one after the other, and below them what the most important settings did.

The error is what is missing of the accuracy in validation, in percent.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from ..plot.scales import fit_scale
from ..plot.style import GREY, NAVY, ORANGE, PALE, SMALL, WIDTH, Picture, heading
from .package import optuna_package
from .results import complete
from .space import Space

_LEFT, _RIGHT = 0.58, 0.2
_TOP, _DOWN, _HIGH = 0.54, 0.75, 1.4  # where the first panel begins, what is between two rows, how high one is
_BETWEEN = 0.62  # two slices
_SLICES = 2  # in a row
_MOST_SLICES = 4


def sweep_picture(study: Any, space: Space, path: str) -> None:
    """Draw it and write it as PNG or SVG; at least one trial was trained to the end.

    Raises
    ------
    ValueError
        A path with another suffix.
    OSError
        The file cannot be written.
    """
    weights = list(importances(study).items())[:_MOST_SLICES]
    rows = -(-len(weights) // _SLICES)
    picture = Picture(WIDTH, _TOP + _HIGH + rows * (_DOWN + _HIGH) + 0.65)
    trials = study.get_trials(deepcopy=False)
    _history(picture, trials)
    width = (WIDTH - _LEFT - _RIGHT - (_SLICES - 1) * _BETWEEN) / _SLICES
    for i, (name, weight) in enumerate(weights):
        row, column = divmod(i, _SLICES)
        left, top = _LEFT + column * (width + _BETWEEN), _TOP + (row + 1) * (_HIGH + _DOWN)
        axes = picture.panel(left, top, width, _HIGH)
        _slice(axes, name, space.ranges[name], complete(trials))
        heading(axes, name, f"{weight:.0%}")
    note = "percent behind a setting: how much of the differences it explains"
    picture.text(_LEFT / WIDTH, 0.1 / picture.get_figheight(), note, color=GREY, size=SMALL)
    picture.write(path)


def importances(study: Any) -> dict[str, float]:
    """How much of the differences between trials each setting explains, by Optuna; the most important one first."""
    importance = optuna_package().importance
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials: all are equal then
        return dict(importance.get_param_importances(study, evaluator=importance.PedAnovaImportanceEvaluator()))


def _history(picture: Picture, trials: Sequence[Any]) -> None:
    axes = picture.panel(_LEFT, _TOP, WIDTH - _LEFT - _RIGHT, _HIGH)
    ended = sorted(complete(trials), key=lambda trial: trial.number)
    pruned = [trial for trial in trials if trial.state.name == "PRUNED" and trial.value is not None]
    _dots(axes, [trial.number for trial in pruned], pruned, markerfacecolor="white", color=GREY, label="pruned")
    _dots(axes, [trial.number for trial in ended], ended, color=NAVY, label="trained to the end")
    numbers = [*(trial.number for trial in ended), trials[-1].number]
    best = list(accumulate(map(_error, ended), min))
    axes.plot(numbers, [*best, best[-1]], color=ORANGE, linewidth=1.4, drawstyle="steps-post", label="best so far")
    fit_scale(axes, [_error(trial) for trial in (*ended, *pruned)], "%")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    _frame(axes, "trial")
    heading(axes, "error", f"{best[-1]:.3g}% in validation, trial {complete(trials)[0].number}")
    across, down = picture.get_size_inches()
    picture.legend(
        handles=axes.lines, loc="upper left", bbox_to_anchor=(_LEFT / across, 1 - 0.07 / down), borderaxespad=0,
        borderpad=0, ncols=3, frameon=False, fontsize=SMALL, labelcolor=GREY,
    )  # fmt: skip


def _slice(axes: Axes, name: str, values: Any, every: Sequence[Any]) -> None:
    """The error over one setting, of the trials that have it, on the scale of all."""
    ended = [trial for trial in every if name in trial.params]
    at = [trial.params[name] for trial in ended]
    if isinstance(values, list):
        _dots(axes, [values.index(value) for value in at], ended, color=NAVY)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xticks(range(len(values)), [f"{value}" for value in values])
        axes.minorticks_off()
    else:
        _dots(axes, at, ended, color=NAVY)
        if values["log"]:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=5))
            axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlim(values["low"], values["high"])
    fit_scale(axes, [_error(trial) for trial in every], "%")
    _frame(axes, "log scale" if isinstance(values, dict) and values["log"] else "")


def _dots(axes: Axes, x: Sequence[float], trials: Sequence[Any], **how: Any) -> None:
    axes.plot(x, [_error(trial) for trial in trials], linestyle="", marker="o", markersize=3.5, clip_on=False, **how)


def _error(trial: Any) -> float:
    return 100 * (1 - float(trial.value))


def _frame(axes: Axes, below: str) -> None:
    axes.tick_params(axis="x", pad=6)  # clear of the lowest label of the other axis
    axes.set_xlabel(below, fontsize=SMALL, color=GREY, labelpad=2)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
