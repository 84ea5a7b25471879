"""Nets by what SPACE.toml calls them: the command line's names, or FILE.py:FUNCTION for one of your own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from ..nets.sequential import Sequential
from ..recipes import NETS
from .settings import recipe_of

Builder = Callable[..., Any]

_GIVEN = ("seed", "input_shape", "classes")  # what the images and the command say


def builder_of(net: str, folder: Path) -> Builder:
    """The function that makes a net; a file is looked for in `folder`.

    Raises
    ------
    ValueError
        What is no name of a net; a file that cannot be imported, or has no such function.
    """
    if net in NETS:
        return NETS[net]
    file, _, name = net.rpartition(":")
    if not file.endswith(".py"):
        raise ValueError(f"net must be one of {', '.join(NETS)}, or FILE.py:FUNCTION, got {net!r}")
    path = folder / file
    if not path.is_file():
        raise ValueError(f"net must name a file that is there, got {net!r}: there is no {path}")
    spec: Any = spec_from_file_location(f"cnn_sweep_{path.stem}", path)
    module = sys.modules[spec.name] = module_from_spec(spec)  # where dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file does
        raise ValueError(f"net {net!r}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    function: Any = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"net must name a function of {path}, got {net!r}")
    return function


def builder_for(settings: Mapping[str, Any], folder: Path) -> Builder:
    """The function that makes the net of these settings, or the recipe's; ValueError as for `builder_of`."""
    return builder_of(settings["net"], folder) if "net" in settings else recipe_of(settings).build


def arguments_of(builder: Builder) -> list[str]:
    """The names of the arguments that SPACE.toml can set."""
    return [name for name in _named(builder) if name not in _GIVEN]


def given_to(builder: Builder, settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings and of what else is given that the function takes."""
    known = _named(builder)
    return {name: value for name, value in (*settings.items(), *given.items()) if name in known}


def built(builder: Builder, settings: Mapping[str, Any], given: Mapping[str, Any]) -> Sequential:
    """The net of a function with those of its arguments that are set, and those of `given` that it has.

    Raises
    ------
    TypeError
        What the function returns is no net.
    Exception
        Of the function.
    """
    net = builder(**given_to(builder, settings, given))
    if not isinstance(net, Sequential):
        raise TypeError(f"{builder.__name__} must return a cnn.Sequential, got {net!r}")
    return net


def _named(builder: Builder) -> list[str]:
    """Its arguments that can be given by name."""
    parameters = inspect.signature(builder).parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
