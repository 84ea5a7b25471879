"""SPACE.toml, read and checked before the first trial; errors say where in the file, what was expected, what came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..backends import checks
from ..backends.names import meant, nearest
from .nets import arguments_of, builder_for
from .package import toml_package
from .settings import AUGMENT, ONLY_FIXED, TRAINING, Setting, json_value, optimizer_settings, rule_of
from .space import RANGE, Space

_TABLES = ("fixed", "space")
_OF_A_NET = Setting(None, json_value)


def read_space(path: Path) -> Space:
    """Read and check a file.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError, TypeError
        It is no TOML, has an unknown name, or a value or range that is none.
    ImportError
        Without tomli before Python 3.11.
    """
    toml = toml_package()
    try:
        document = toml.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of TOML or UTF-8
        raise ValueError(f"{path} is no TOML: {error}") from error
    for name, table in document.items():
        if name not in _TABLES or not isinstance(table, dict):
            raise ValueError(f"{path} must hold the tables [fixed] and [space], got {name!r}")
    given = Space(path.parent, *(_flat(document.get(name, {})) for name in _TABLES))
    if not given.ranges:
        raise ValueError(f"{path} must have a table [space] with what is chosen from, such as learning_rate")
    return _checked(path, given)


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a table, those of the table `augment` in it under "augment.shift" and so on."""
    inner = table.get("augment")
    if not isinstance(inner, dict):
        return dict(table)
    flat = {name: value for name, value in table.items() if name != "augment"}
    return flat | {f"{AUGMENT}{name}": value for name, value in inner.items()}


def _checked(path: Path, given: Space) -> Space:
    known = _known_settings(path, given)
    for name in given.fixed.keys() & given.ranges.keys():
        raise ValueError(f"{path}: {name} must be in [fixed] or in [space], got it in both")
    fixed, ranges = {}, {}
    for name, value in given.fixed.items():
        with _place(path, "fixed", name):
            fixed[name] = _known(name, known | ONLY_FIXED).checked("it", value)
    for name, value in given.ranges.items():
        with _place(path, "space", name):
            if name in ONLY_FIXED:
                raise ValueError("it is the same for all trials and must be in [fixed]")
            ranges[name] = _checked_range(_known(name, known), value)
    return Space(given.folder, fixed, ranges)


def _known_settings(path: Path, given: Space) -> dict[str, Setting]:
    """By name, the settings that any of the file's nets and optimisers have, beside those of every training."""
    common: dict[str, Any] = {}
    if "recipe" in given.fixed:
        with _place(path, "fixed", "recipe"):
            common["recipe"] = ONLY_FIXED["recipe"].checked("it", given.fixed["recipe"])
    known = dict(TRAINING)
    for name in ("net", "optimizer"):
        with _place(path, "space" if name in given.ranges else "fixed", name):
            for choice in _choices(name, given):
                if name == "optimizer":
                    known = optimizer_settings(rule_of(common | choice)) | known
                else:
                    builder = builder_for(common | choice, given.folder)
                    known = dict.fromkeys(arguments_of(builder), _OF_A_NET) | known
    return known


def _choices(name: str, given: Space) -> list[dict[str, Any]]:
    """A setting for each value that a name can have; an empty one for that of the recipe."""
    if name in given.ranges:
        return [{name: value} for value in _checked_range(TRAINING[name], given.ranges[name])]
    return [{name: TRAINING[name].checked("it", given.fixed[name])}] if name in given.fixed else [{}]


@contextmanager
def _place(path: Path, table: str, name: str) -> Iterator[None]:
    """Let errors say where in which file."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {name} in [{table}]: {error}") from error


def _known(name: str, known: Mapping[str, Setting]) -> Setting:
    if name not in known:
        raise ValueError(f"there is no setting of this name{nearest(name, known)}")
    return known[name]


# ---- ranges and lists ----


def _checked_range(setting: Setting, value: Any) -> Any:
    """A list of choices, or a range with all of its four entries."""
    if isinstance(value, dict) and setting.kind not in (str, bool):
        return _checked_numbers(setting, value)
    if not isinstance(value, list):
        or_range = " or a range such as {low = 1, high = 8}" if setting.kind not in (str, bool) else ""
        raise TypeError(f"it must be a list of choices{or_range}, got {value!r}; a single value stands in [fixed]")
    for choice in value:
        if not isinstance(choice, str | int | float):
            raise TypeError(f"a choice must be a text, a number, true or false, got {choice!r}")
    choices = [setting.checked("a choice", choice) for choice in value]
    if not choices or any(choice in choices[:i] for i, choice in enumerate(choices)):
        raise ValueError(f"it must be a list of choices that differ, got {value!r}")
    return choices


def _checked_numbers(setting: Setting, value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if name not in RANGE:
            raise ValueError(f"a range has {', '.join(RANGE)}, got {name!r}{meant(name, RANGE)}")
    for name in ("low", "high"):
        if name not in value:
            raise ValueError(f"a range must have low and high, got {value!r}")
    low, high = (setting.checked(name, _number(name, value[name])) for name in ("low", "high"))
    log, step = checks.flag("log", value.get("log", False)), value.get("step")
    if setting.kind is None and {type(low), type(high), type(step or low)} != {int}:
        low, high = float(low), float(high)
    if not low < high:
        raise ValueError(f"low must be below high, got {low} and {high}")
    if log and (low <= 0 or step is not None):
        raise ValueError(f"log needs a low end above 0 and no step, got low = {low}, step = {step}")
    return {"low": low, "high": high, "log": log, "step": None if step is None else _checked_step(step, low, high)}


def _number(name: str, value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return value


def _checked_step(step: Any, low: float, high: float) -> float:
    """A step of the range's type that leads from one end to the other, in decimals as they are written."""
    if _number("step", step) <= 0 or (isinstance(low, int) and not isinstance(step, int)):
        raise ValueError(f"step must be {'an integer' if isinstance(low, int) else 'a number'} above 0, got {step}")
    if (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
        raise ValueError(f"high must be a whole number of steps above low, got {low} to {high} in steps of {step}")
    return type(low)(step)
