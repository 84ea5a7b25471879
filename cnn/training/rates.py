"""What a learning rate may be, and the rates of the next steps from a function `rate(step, steps)`.

A function is called once for each step, and once more where an epoch's first rate is told to callbacks: it has to give
the same rate for the same step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import checks


def learning_rate(name: str, value: Any) -> Any:
    """A number from 0 to the largest float32, a schedule, or a function of step and steps; else an error."""
    if isinstance(value, type) or not (hasattr(value, "at") or callable(value)):
        return checks.learning_rate(name, value)
    if not hasattr(value, "at"):
        try:
            inspect.signature(value).bind(0, 1)
        except TypeError:
            allowed = "a number, a schedule or a function rate(step, steps)"
            raise TypeError(f"{name} must be {allowed}, got {value!r}") from None
        except ValueError:  # a compiled function that does not tell its arguments
            pass
    return value


def rates_of_function(rate: Callable[[int, int], Any], done: int, steps: int, of: int) -> np.ndarray:
    """`rate(step, of)` for so many steps from `done` on, of `of` in all.

    Before a fit, `of` is 0 and the rate that of its beginning; after it, that of its end, ``rate(of, of)``. TypeError
    and ValueError where a rate is no number, negative, NaN or infinite.
    """
    asked = [min(done + i, of) if of else 0 for i in range(steps)]
    of = max(of, 1)
    return np.array([checks.learning_rate(f"learning_rate({step}, {of})", rate(step, of)) for step in asked])
