"""What a sweep can set in a training: names, how their values are checked, and the arguments of a fit that they make.

The names are those of the options of `cnn train`, of `Sequential.fit` and of the optimisers. What is not set is that of
a recipe.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..backends import checks
from ..recipes import OPTIMIZERS, RECIPES, Recipe
from ..schedules import Constant, Cosine, OneCycle, Schedule
from ..training.augment import Augment
from ..training.optimizer import Optimizer

SCHEDULES: dict[str, Callable[[float], Schedule]] = {"constant": Constant, "cosine": Cosine, "one-cycle": OneCycle}
AUGMENT = "augment."  # how the names of `Augment`'s arguments begin


class Setting(NamedTuple):
    """What a value has to be: of a type, None for any, and what a function returns without an error."""

    kind: type | None
    check: Callable[[str, Any], Any]

    def checked(self, name: str, value: Any) -> Any:
        """The value; TypeError or ValueError for what is none."""
        if self.kind is not None and isinstance(value, bool) != (self.kind is bool):
            expected = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}[self.kind]
            raise TypeError(f"{name} must be {expected}, got {value!r}")
        if self.kind is str and not isinstance(value, str):
            raise TypeError(f"{name} must be a text, got {value!r}")
        return self.check(name, value)


def _one_of(names: Collection[str]) -> Callable[[str, Any], str]:
    def check(name: str, value: str) -> str:
        if value not in names:
            raise ValueError(f"{name} must be one of {', '.join(names)}, got {value!r}")
        return value

    return check


def _augment(argument: str) -> Callable[[str, Any], float]:
    return lambda name, value: getattr(Augment(**{argument: value}), argument)


def json_value(name: str, value: Any) -> Any:
    """The check of what may be anything that the study can hold, which has no dates."""
    try:
        json.dumps(value)
    except TypeError as error:
        raise TypeError(f"{name} must be made of texts, numbers, true and false, got {value!r}") from error
    return value


_count = Setting(int, partial(checks.integer, minimum=1))
_part = Setting(float, partial(checks.number, minimum=math.ulp(0.0), maximum=math.nextafter(1.0, 0.0)))

# What is the same in all trials: where the images come from, and what is not set otherwise.
ONLY_FIXED = {
    "recipe": Setting(str, _one_of(RECIPES)),
    "data": Setting(str, json_value),
    "validation": _part,
    "color": Setting(bool, json_value),
    "size": _count,
    "validation_fraction": _part,
}
TRAINING = {
    "net": Setting(str, json_value),  # checked where nets are made
    "epochs": _count,
    "batch_size": _count,
    "learning_rate": Setting(float, checks.learning_rate),
    "schedule": Setting(str, _one_of(SCHEDULES)),
    "optimizer": Setting(str, _one_of(OPTIMIZERS)),
    "label_smoothing": Setting(float, partial(checks.number, maximum=1.0)),
    **{f"{AUGMENT}{name}": Setting(float, _augment(name)) for name in vars(Augment())},
}


def recipe_of(settings: Mapping[str, Any]) -> Recipe:
    """The recipe of which the rest is taken."""
    return RECIPES[settings.get("recipe", "two-conv")]


def optimizer_settings(rule: Callable[..., Optimizer]) -> dict[str, Setting]:
    """The arguments of an optimiser beside its learning rate."""
    arguments = _arguments(rule)
    return {name: Setting(bool if name == "nesterov" else float, check) for name, check in arguments.items()}


def rule_of(settings: Mapping[str, Any]) -> Callable[..., Optimizer]:
    """The optimiser as it is set, or the recipe's."""
    return OPTIMIZERS[settings["optimizer"]] if "optimizer" in settings else recipe_of(settings).rule


def fit_arguments(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What `Sequential.fit` takes beside images and labels.

    Raises
    ------
    TypeError, ValueError
        Settings that cannot be together; an optimiser without a learning rate, for that of a recipe is for another.
    """
    recipe = recipe_of(settings)
    if "optimizer" in settings and "learning_rate" not in settings:
        raise ValueError(f"optimizer = {settings['optimizer']!r} needs a learning_rate beside it, got none")
    changed = {name: settings[name] for name in ("epochs", "batch_size", "learning_rate") if name in settings}
    if "schedule" in settings:
        changed["schedule"] = SCHEDULES[settings["schedule"]]
    chosen = recipe._replace(**changed, augment=_augmentation(settings, recipe))
    arguments = chosen.arguments(seed) | {"optimizer": _optimizer(settings, chosen)}
    if "label_smoothing" in settings:
        arguments["label_smoothing"] = settings["label_smoothing"]
    return arguments


def _optimizer(settings: Mapping[str, Any], recipe: Recipe) -> Optimizer:
    rule = rule_of(settings)
    given = {name: settings[name] for name in _arguments(rule) if name in settings}
    if "optimizer" not in settings:
        given.setdefault("weight_decay", recipe.weight_decay)
    if "nesterov" in _arguments(rule) and given.get("momentum") == 0:
        given.setdefault("nesterov", False)  # which it is without momentum
    return rule(recipe.schedule(recipe.learning_rate), **given)


def _arguments(rule: Callable[..., Optimizer]) -> dict[str, Callable[[str, Any], Any]]:
    kind: Any = rule.func if isinstance(rule, partial) else rule
    return {name: check for name, check in kind.arguments.items() if name != "learning_rate"}


def _augmentation(settings: Mapping[str, Any], recipe: Recipe) -> Augment | None:
    given = {name.removeprefix(AUGMENT): settings[name] for name in settings if name.startswith(AUGMENT)}
    if not given:
        return recipe.augment
    return Augment(**{**vars(recipe.augment or Augment()), **given})
