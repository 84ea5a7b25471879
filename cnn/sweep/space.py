"""What is the same in all trials of a sweep, and from what Optuna chooses in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .nets import arguments_of, builder_for
from .settings import ONLY_FIXED, TRAINING, optimizer_settings, rule_of

FIRST = ("net", "optimizer")  # whose values say which other names apply
RANGE = ("low", "high", "log", "step")


class Space(NamedTuple):
    """Values by name, and ranges or lists of choices by name.

    A range is a dict of low, high, log and step; its numbers are all int or all float, or step is None.
    """

    folder: Path  # where files of nets are
    fixed: dict[str, Any]
    ranges: dict[str, Any]

    def suggested(self, trial: Any) -> dict[str, Any]:
        """The settings of a trial: what is fixed, and what Optuna chooses of the rest, as far as it applies."""
        return self._settings(lambda name, values: _suggested(trial, name, values))

    def examples(self) -> Iterator[dict[str, Any]]:
        """Settings that trials could have: of lists the first and of ranges the low end, then each other choice."""
        first = {name: values[0] if isinstance(values, list) else values["low"] for name, values in self.ranges.items()}
        yield self._settings(partial(_chosen, first))
        for name, values in self.ranges.items():
            for value in values[1:] if isinstance(values, list) else ():
                chosen = {**first, name: value}
                yield self._settings(partial(_chosen, chosen))

    def _settings(self, choose: Callable[[str, Any], Any]) -> dict[str, Any]:
        settings = dict(self.fixed)
        for name in sorted(self.ranges, key=lambda name: name not in FIRST):  # otherwise as in the file
            if name in FIRST or _applies(name, settings, self.folder):
                settings[name] = choose(name, self.ranges[name])
        return settings


def _chosen(chosen: Mapping[str, Any], name: str, values: Any) -> Any:
    return chosen[name]


def _applies(name: str, settings: Mapping[str, Any], folder: Path) -> bool:
    """Whether a training with these settings reads the one of that name."""
    if name in TRAINING or name in ONLY_FIXED or name in optimizer_settings(rule_of(settings)):
        return True
    return name in arguments_of(builder_for(settings, folder))


def _suggested(trial: Any, name: str, values: Any) -> Any:
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    low, high, log, step = (values[key] for key in RANGE)
    if isinstance(low, int):
        return trial.suggest_int(name, low, high, log=log, step=step or 1)
    return trial.suggest_float(name, low, high, log=log, step=step)
