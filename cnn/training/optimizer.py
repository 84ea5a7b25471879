"""`Optimizer`, what all optimisers share: arguments that may be assigned at any time, a rate, states, steps counted.

A step is compiled. What it does follows from `rule`, `rates` and `step_scalars`, which are asked for before it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cnn_c import KERNELS

from ..backends import checks, names
from ..backends.buffers import CACHE_LINE, aligned_zeros
from ..backends.calls import Rule, Update
from ..backends.numpy.optimizers import state_count
from ..backends.tables import call
from .rates import learning_rate, rates_of_function

if TYPE_CHECKING:
    from ..schedules import Rate

_STATE = {"done", "_steps", "_epochs", "_of", "_arrays"}  # attributes beside the arguments
_NEVER_CALLED = ("rate", "step", "update")  # by a fit: steps are compiled


class Optimizer:
    """What all optimisers share.

    A subclass may override `rule`, `rates` and `step_scalars`, whose results are checked before each step. One that
    overrides what no fit calls is a TypeError.

    Attributes
    ----------
    arguments : dict
        By name, how each argument is checked when it is assigned, by the constructor or later.
    done : int
        Steps that were done since the beginning of the fit.
    """

    arguments: ClassVar[dict[str, Callable[[str, Any], Any]]] = {"learning_rate": learning_rate}
    learning_rate: Any
    done: int
    _is_ours = True  # of this package, and so without attributes that it does not declare

    def __init__(self, learning_rate: Rate) -> None:
        self.learning_rate = learning_rate
        self.start(0)

    def __init_subclass__(cls) -> None:
        cls._is_ours = names.is_ours(cls)
        names.explain_arguments(cls)
        for name in _NEVER_CALLED:
            if getattr(cls, name, None) is not getattr(Optimizer, name, None):
                raise TypeError(
                    f"{cls.__name__} overrides {name}, which no fit calls, because its steps are compiled; "
                    "a subclass of an optimiser may override rule, rates and step_scalars"
                )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.arguments:
            value = self.checked(name, value)
        elif name not in _STATE and (self._is_ours or hasattr(Optimizer, name)):
            raise names.attribute_error(self, name, self.arguments)
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return call(type(self), self.configuration())

    def checked(self, name: str, value: Any) -> Any:
        """The value of an argument; TypeError and ValueError where it can have no such value beside the others."""
        return self.arguments[name](name, value)

    def configuration(self) -> dict[str, Any]:
        """The arguments that make an optimiser like this one, by name."""
        return {name: getattr(self, name, None) for name in inspect.signature(type(self)).parameters}

    def configure(self, arguments: dict[str, Any]) -> None:
        """Assign several arguments together; TypeError and ValueError, before any, where they cannot be together."""
        together = copy(self)
        vars(together).update(arguments)
        vars(self).update({name: together.checked(name, value) for name, value in arguments.items()})

    # ---- how far it has come ----

    def start(self, steps: int, epochs: int = 1) -> None:
        """Begin a fit of so many steps in all: without velocity or moments, and with the schedule's first rate."""
        self._steps, self._epochs = steps, epochs
        self.done = 0
        self._of: np.ndarray | None = None
        self._arrays: list[np.ndarray | None] = [None, None]

    def arrays(self, parameters: np.ndarray) -> list[np.ndarray]:
        """Velocities or moments for these parameters, as many as the rule needs, kept from step to step.

        ValueError where they are those of other parameters, and would be lost.
        """
        return [array for array in self._states(parameters, self.rule) if array is not None]

    def _states(self, parameters: np.ndarray, rule: Rule) -> list[np.ndarray | None]:
        """The two states that a step of this rule takes, None for what it does not need; new ones are zeros."""
        if self._of is not parameters:
            if any(array is not None for array in self._arrays):
                raise ValueError("optimizer holds the velocities or moments of another net; make one for each net")
            self._of, self.done = parameters, 0
        needed = state_count(rule.kind)
        for i, array in enumerate(self._arrays):
            if (array is not None) != (i < needed):  # also in mid-training, once an argument is assigned
                aligned = (-parameters.ctypes.data) % CACHE_LINE // parameters.itemsize  # as the parameters are
                self._arrays[i] = aligned_zeros(parameters.size, parameters.dtype, aligned) if i < needed else None
        return self._arrays

    def restore(self, parameters: np.ndarray, arrays: Sequence[np.ndarray], done: int) -> None:
        """Go on with these parameters after `done` steps, with copies of what `arrays` gave then."""
        held = self.arrays(parameters)
        if len(arrays) != len(held):
            raise ValueError(f"optimizer must have {len(held)} arrays of velocities or moments, got {len(arrays)}")
        for array, value in zip(held, arrays, strict=True):
            array[...] = checks.parameter("optimizer", value, array)
        self.done = done

    # ---- the next steps ----

    @property
    def rule(self) -> Rule:
        """The arithmetic of a step, from the arguments as they are now."""
        raise NotImplementedError

    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._next_rates(1)[0])

    def rates(self, steps: int) -> np.ndarray:
        """The learning rates of the next so many steps, float64 (steps,).

        ValueError where a schedule or function gives another number of rates, or one that is negative, NaN or infinite.
        """
        if isinstance(self.learning_rate, float):
            return np.full(steps, self.learning_rate)
        if not hasattr(self.learning_rate, "at"):
            return rates_of_function(self.learning_rate, self.done, steps, self._steps)
        # Before a fit a schedule stays at its beginning, after it at its end.
        done = (self.done + np.arange(steps)) / self._steps if self._steps else np.zeros(steps)
        return self._checked_rates(self.learning_rate.at(np.minimum(done, 1.0), self._epochs), steps)

    def step_scalars(self, rates: np.ndarray) -> np.ndarray:
        """What changes from step to step, for the next steps, of these rates: float64 (steps, 3).

        The step's length; the factor of the second moment's root; what stays of a parameter before its step.
        """
        scalars = np.ones((len(rates), 3))
        scalars[:, 0] = rates
        return scalars

    def next_update(self, parameters: np.ndarray, steps: int) -> Update:
        """What a runner needs for the next so many steps of these parameters; `done` counts those that were done."""
        rule = self.rule
        first, second = self._states(parameters, rule)
        scalars = self.step_scalars(self._next_rates(steps))
        if not self._is_ours:
            scalars = checks.real("step_scalars", scalars, checks.FLOAT64)
            if scalars.shape != (steps, 3) or not np.isfinite(scalars).all():
                raise ValueError(f"step_scalars must be finite and of shape ({steps}, 3), got {scalars}")
        return Update(rule, first, second, scalars)

    def _next_rates(self, steps: int) -> np.ndarray:
        rates = self.rates(steps)
        return rates if self._is_ours else self._checked_rates(rates, steps)

    def _checked_rates(self, rates: Any, steps: int) -> np.ndarray:
        rates = checks.real("learning_rate", rates, checks.FLOAT64)
        if rates.shape not in ((), (steps,)):
            raise ValueError(f"learning_rate must be one rate for each of {steps} steps, got shape {rates.shape}")
        rates = np.broadcast_to(rates, (steps,))
        good = np.isfinite(rates) & (rates >= 0)
        if not good.all():
            first = int(np.argmin(good))
            raise ValueError(
                f"learning_rate must be finite and at least 0, got {rates[first]} for step {self.done + first + 1}"
            )
        return rates

    def step(self, parameters: np.ndarray, gradients: np.ndarray, threads: int = 1) -> None:
        """Update flat `parameters` in place from `gradients` of the same size."""
        rule, first, second, step_scalars = self.next_update(parameters, 1)
        KERNELS[parameters.dtype.char].update(parameters, gradients, first, second, rule, step_scalars, threads)
        self.done += 1


def checked_optimizer(optimizer: Any) -> Optimizer:
    """`optimizer`; TypeError for anything but an optimiser."""
    if not isinstance(optimizer, Optimizer):
        from ..backends.foreign import OPTIMIZERS

        example = OPTIMIZERS.get(str(getattr(optimizer, "__name__", optimizer)).lower(), "cnn.SGD(0.1)")
        raise TypeError(f"optimizer must be an optimiser, such as {example}, got {optimizer!r}")
    return optimizer
