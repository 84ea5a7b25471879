"""What a sweep has found, in text: a line a trial, the table of the best, the program that trains the best again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from ..backends.tables import aligned
from ..nets.sequential import Sequential
from ..recipes import NETS
from .nets import builder_for, given_to
from .space import Space
from .training import Training

MOST_ROWS = 10

_PREFIXES = {"cnn.schedules": "cnn.schedules.", "cnn.training.augment": "cnn.", "cnn.training.optimizers": "cnn."}


def line_of(trial: Any) -> str:
    """How a trial went, and with what."""
    chosen = "  ".join(f"{name} {_told(value)}" for name, value in trial.params.items())
    return f"trial {trial.number:>3}  {_end(trial)}  {trial.duration.total_seconds():.1f} s  {chosen}"


def _end(trial: Any) -> str:
    if "reason" in trial.user_attrs:
        how = "diverged" if trial.state.name == "PRUNED" else "failed"
        return f"{how}: {trial.user_attrs['reason']}"
    epochs = len(trial.intermediate_values)
    return f"{trial.value:.2%}" if trial.state.name == "COMPLETE" else f"{trial.value:.2%}, pruned after epoch {epochs}"


def _told(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value}"


def complete(trials: Sequence[Any]) -> list[Any]:
    """The trials that were trained to the end, the best one first."""
    return sorted((trial for trial in trials if trial.state.name == "COMPLETE"), key=lambda trial: -trial.value)


def table_of(trials: Sequence[Any], space: Space) -> str:
    """The best of the trials, with what Optuna has chosen for each."""
    rows = [("trial", "val accuracy", "seconds", *space.ranges)]
    for trial in complete(trials)[:MOST_ROWS]:
        chosen = (_told(trial.params[name]) if name in trial.params else "-" for name in space.ranges)
        rows.append((f"{trial.number}", f"{trial.value:.2%}", f"{trial.duration.total_seconds():.1f}", *chosen))
    return "\n".join(aligned(rows, left=0))


def program_of(settings: Mapping[str, Any], training: Training) -> str:
    """Lines of Python that train a net with these settings, on images x and labels y."""
    builder = builder_for(settings, Path(training.folder))
    arguments = given_to(builder, settings, training.given())
    imports, name = ["import cnn"], f"cnn.models.{builder.__name__}"
    if builder not in NETS.values():
        file, _, name = settings["net"].rpartition(":")
        imports.append(f"from {Path(file).stem} import {name}")
    fit = _sources(Sequential.fit, training.fit_arguments(settings))
    return "\n".join(
        [
            *imports,
            f"net = {name}({', '.join(_sources(builder, arguments))})",
            *("net.fit(", "    x,", "    y,", *(f"    {argument}," for argument in fit), ")"),
        ]
    )


def _sources(function: Callable[..., Any], arguments: Mapping[str, Any]) -> list[str]:
    """Those of the arguments that are not the function's defaults."""
    defaults = {name: parameter.default for name, parameter in signature(function).parameters.items()}
    return [f"{name}={_source(value)}" for name, value in arguments.items() if value != defaults[name]]


def _source(value: Any) -> str:
    """A value as it stands in a program, with all of its digits."""
    kind = type(value)
    if kind.__module__ not in _PREFIXES:
        return repr(value)
    arguments = value.configuration() if hasattr(value, "configuration") else vars(value)
    return f"{_PREFIXES[kind.__module__]}{kind.__name__}({', '.join(_sources(kind, arguments))})"
