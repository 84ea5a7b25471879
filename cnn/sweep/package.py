"""The packages of the extra `sweep`, imported when they are needed."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

PRUNERS = {"median": "MedianPruner", "halving": "SuccessiveHalvingPruner", "none": "NopPruner"}  # as Optuna calls them

_INSTALL = "a sweep needs the package {}: pip install 'cnn-c[sweep]'"


def optuna_package() -> Any:
    """The module `optuna`, which prints errors only; ImportError that says how it is installed."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError(_INSTALL.format("optuna")) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def toml_package() -> Any:
    """The module that reads TOML: Python's own, or tomli before Python 3.11."""
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(_INSTALL.format(name)) from error
