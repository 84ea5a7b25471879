"""One step of an optimiser in NumPy: the rule of its kind, registered from `cnn/training/optimizers.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..calls import Learned, Update

# Changes in place: parameters, and the states that the rule has; given are gradients, rule and step scalars.
NumpyRule = TypeVar("NumpyRule", bound=Callable[..., None])
_RULES: dict[str, Callable[..., None]] = {}
_STATES: dict[str, int] = {"python": 0}


def numpy_rule(kind: str, states: int) -> Callable[[NumpyRule], NumpyRule]:
    """Decorator: the function is the rule of that kind, and keeps so many arrays from step to step, at most two."""

    def register(rule: NumpyRule) -> NumpyRule:
        _RULES[kind], _STATES[kind] = rule, states
        return rule

    return register


def state_count(kind: str) -> int:
    """How many arrays the rule of that kind keeps; ValueError where there is none of that kind."""
    if kind not in _STATES:
        raise ValueError(f"the kind of a rule must be one of {', '.join(_RULES)}, got {kind!r}")
    return _STATES[kind]


def apply_update(learned: Learned, update: Update, frozen: np.ndarray, step: int) -> None:
    """Change parameters and states in place, by the gradients and the scalars of one of the steps.

    Clipping comes first, then a rule's weight decay that goes into the gradient. Where `frozen` (n,) is True,
    parameters and a rule's states stay as they are; all parameters do, if an optimiser in Python raises an exception.
    """
    parameters, gradients = learned.parameters, learned.gradients
    if update.clip_value:
        np.clip(gradients, -update.clip_value, update.clip_value, out=gradients)
    if update.clip_norm:
        gradients *= min(1.0, update.clip_norm / (float(np.linalg.norm(gradients.astype(np.float64))) + 1e-6))
    before = parameters.copy()
    if update.call is None:
        rule = update.rule
        decayed = gradients + rule.weight_decay * parameters
        states = [state for state in (update.first, update.second) if state is not None]
        held = [state[frozen] for state in states]
        _RULES[rule.kind](parameters, decayed, update.first, update.second, rule, update.step_scalars[step])
        parameters[frozen] = before[frozen]
        for state, values in zip(states, held, strict=True):
            state[frozen] = values
        return
    try:
        update.call(step)
    except BaseException:
        parameters[...] = before
        raise
    parameters[frozen] = before[frozen]
