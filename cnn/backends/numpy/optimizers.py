"""One step of an optimiser in NumPy: the rule of its kind, registered from `cnn/training/optimizers.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..calls import Rule

# Changes in place: parameters, and the states that the rule has; given are gradients, rule and step scalars.
NumpyRule = TypeVar("NumpyRule", bound=Callable[..., None])
_RULES: dict[str, Callable[..., None]] = {}
_STATES: dict[str, int] = {}


def numpy_rule(kind: str, states: int) -> Callable[[NumpyRule], NumpyRule]:
    """Decorator: the function is the rule of that kind, and keeps so many arrays from step to step, at most two."""

    def register(rule: NumpyRule) -> NumpyRule:
        _RULES[kind], _STATES[kind] = rule, states
        return rule

    return register


def state_count(kind: str) -> int:
    """How many arrays the rule of that kind keeps; ValueError where there is none of that kind."""
    if kind not in _STATES:
        raise ValueError(f"the kind of a rule must be one of {', '.join(_STATES)}, got {kind!r}")
    return _STATES[kind]


def update(
    parameters: np.ndarray,
    gradients: np.ndarray,
    first: np.ndarray | None,
    second: np.ndarray | None,
    rule: Rule,
    scalars: np.ndarray,
) -> None:
    """Change `parameters` and the states in place; weight decay that goes into the gradient is all rules' own."""
    _RULES[rule.kind](parameters, gradients + rule.weight_decay * parameters, first, second, rule, scalars)
