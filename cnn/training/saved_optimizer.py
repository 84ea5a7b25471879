"""The arguments of an optimiser in a checkpoint: as they are between two epochs, whatever callbacks have assigned.

A number is written as it is, a schedule of `cnn.schedules` as its class and its arguments. Another schedule, or a
function, is part of the fit's own arguments: it is given again when the fit is resumed, and has to be the one of the
beginning. A function is known by its qualified name alone; what it does cannot be compared.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .. import schedules
from .optimizer import Optimizer


def described(optimizer: Optimizer) -> dict[str, Any]:
    """Class and arguments, by name; a schedule as its class and its attributes."""
    arguments = optimizer.configuration() | _arguments(optimizer)
    return {"name": type(optimizer).__name__, **{name: _described(value) for name, value in arguments.items()}}


def arguments_to_save(optimizer: Optimizer, now: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a checkpoint holds, from their description now and at the beginning of the fit.

    Raises
    ------
    TypeError
        A callback has put another optimiser into the fit, or a schedule that is none of `cnn.schedules`.
    """
    if now["name"] != first["name"]:
        raise TypeError(f"the optimizer of a fit with a checkpoint must stay {first['name']}, got {now['name']}")
    saved = {}
    for name, value in _arguments(optimizer).items():
        if _can_be_made(value):
            saved[name] = now[name]
        elif now[name] != first[name]:
            raise TypeError(
                f"{name} was changed during the fit, and a checkpoint can hold a number or a schedule of "
                f"cnn.schedules, got {value!r}"
            )
    return saved


def restore_arguments(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Assign what `arguments_to_save` gave; ValueError and others, before any, where it can be none of this."""
    optimizer.configure({name: _made(name, value) for name, value in saved.items()})


def _arguments(optimizer: Optimizer) -> dict[str, Any]:
    """Those that can be assigned; the constructor of a subclass may take others."""
    return {name: getattr(optimizer, name) for name in optimizer.arguments}


def _described(value: Any) -> Any:
    return object_described(value) if hasattr(value, "__dict__") else value


def object_described(value: Any) -> dict[str, Any]:
    """Of a function its qualified name, and what it is called with if it is partial; of others kind and attributes."""
    if hasattr(value, "__qualname__"):
        return {"name": value.__qualname__}
    if isinstance(value, partial):
        return {"name": "partial", "function": value.func, "arguments": list(value.args), **value.keywords}
    attributes = {name: each for name, each in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
    return {"name": getattr(type(value), "__name__", ""), **attributes}


def _can_be_made(value: Any) -> bool:
    return isinstance(value, bool | float) or vars(schedules).get(type(value).__name__) is type(value)


def _made(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    arguments = dict(value)
    kind = vars(schedules).get(arguments.pop("name", ""))
    if kind is schedules.Schedule or not (isinstance(kind, type) and hasattr(kind, "at")):
        raise ValueError(f"{name} must be a number or a schedule of cnn.schedules, got {value}")
    return kind(**arguments)
