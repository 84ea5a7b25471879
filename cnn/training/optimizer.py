"""`Optimizer`, what all optimisers share: arguments that may be assigned at any time, a rate, states, steps counted.

A step of the package's own optimisers is compiled. What it does follows from `rule`, `rates` and `step_scalars`, which
are asked for before it. Anybody else's optimiser has an `update`, which is called in each step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, SupportsFloat

import numpy as np

from cnn_c import KERNELS

from ..backends import checks, names
from ..backends.buffers import CACHE_LINE, aligned_zeros
from ..backends.calls import Learned, Rule, Update
from ..backends.numpy.optimizers import state_count
from ..backends.python_calls import UpdateCall
from ..backends.tables import call
from .rates import learning_rate, rates_of_function

if TYPE_CHECKING:
    from ..schedules import Rate

_STATE = {"done", "_steps", "_epochs", "_of", "_arrays"}  # attributes beside the arguments
_NEVER_CALLED = ("rate", "step")  # by a fit
_RULES_STATES = ("first", "second")  # what rules keep


def _limit(name: str, value: Any) -> float | None:
    return None if value is None else checks.number(name, value, minimum=float(np.finfo(np.float32).tiny))


class Optimizer:
    """What all optimisers share, and the base class of one of your own.

    A subclass of your own has an `update`, which is called in each step:

    >>> import cnn, numpy as np
    >>> class SignSGD(cnn.Optimizer):
    ...     def update(self, parameters, gradients, rate):
    ...         parameters -= rate * np.sign(gradients)

    A subclass of one of the package's may override `rule`, `rates` and `step_scalars` instead, whose results are
    checked before each step; the step then stays compiled. One that overrides what no fit calls is a TypeError.

    Parameters
    ----------
    learning_rate : float, a schedule from `cnn.schedules`, or a function ``rate(step, steps)``
    clip_norm : float above 0, or None
        The largest norm of all gradients together: above it, all are multiplied by what brings it there.
    clip_value : float above 0, or None
        The largest size of each gradient.

    Attributes
    ----------
    arguments : dict
        By name, how each argument is checked when it is assigned, by the constructor or later.
    states : tuple of str
        Of a class: names of the arrays that its `update` keeps from step to step in `self.state[name]`, as large as the
        parameters and zeros at first. Checkpoints hold them.
    done : int
        Steps that were done since the beginning of the fit.

    Raises
    ------
    TypeError, ValueError
        A value that is no number or out of range; both a norm and a value to clip by.
    """

    arguments: ClassVar[dict[str, Callable[[str, Any], Any]]] = {
        "learning_rate": learning_rate,
        "clip_norm": _limit,
        "clip_value": _limit,
    }
    states: ClassVar[tuple[str, ...]] = ()
    learning_rate: Any
    clip_norm: float | None = None
    clip_value: float | None = None
    done: int
    _is_ours = True  # of this package, and so without attributes that it does not declare
    _in_python = False  # whether its `update` is one of somebody else's

    def __init__(
        self,
        learning_rate: Rate,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        self.configure({"learning_rate": learning_rate, "clip_norm": clip_norm, "clip_value": clip_value})
        self.start(0)

    def __init_subclass__(cls) -> None:
        cls._is_ours = names.is_ours(cls)
        names.explain_arguments(cls)
        cls._in_python = cls.update is not Optimizer.update
        for name in _NEVER_CALLED:
            if getattr(cls, name, None) is not getattr(Optimizer, name, None):
                raise TypeError(
                    f"{cls.__name__} overrides {name}, which no fit calls; "
                    "a subclass of an optimiser may override update, or rule, rates and step_scalars"
                )
        if not isinstance(cls.states, tuple) or not all(isinstance(name, str) for name in cls.states):
            raise TypeError(f"states of {cls.__name__} must be a tuple of names, got {cls.states!r}")

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
        value = self.arguments[name](name, value)
        both = {"clip_norm": self.clip_norm, "clip_value": self.clip_value, name: value}
        if both["clip_norm"] is not None and both["clip_value"] is not None:
            raise ValueError(f"clip_norm and clip_value exclude each other, got {self.clip_norm} and {self.clip_value}")
        return value

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
        self._arrays: dict[str, np.ndarray] = {}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The arrays that `update` keeps from step to step, by the names in `states`."""
        return {name: self._arrays[name] for name in self.states}

    def arrays(self, parameters: np.ndarray) -> list[np.ndarray]:
        """All that is kept from step to step for these parameters: velocities or moments of the rule, then `state`.

        ValueError where they are those of other parameters, and would be lost.
        """
        return list(self._bound(parameters).values())

    def _bound(self, parameters: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays by name; new ones are zeros."""
        if self._of is not parameters:
            if self._arrays:
                raise ValueError("optimizer holds the velocities or moments of another net; make one for each net")
            self._of, self.done = parameters, 0
        needed = [*_RULES_STATES[: state_count(self._checked_rule().kind)], *self.states]
        if list(self._arrays) != needed:  # also in mid-training, once an argument is assigned
            aligned = (-parameters.ctypes.data) % CACHE_LINE // parameters.itemsize  # as the parameters are
            held = self._arrays
            self._arrays = {
                name: held[name] if name in held else aligned_zeros(parameters.size, parameters.dtype, aligned)
                for name in needed
            }
        return self._arrays

    def _checked_rule(self) -> Rule:
        """The rule; one without arithmetic for an optimiser that has an `update` alone."""
        return Rule("python") if self._in_python and type(self).rule is Optimizer.rule else self.rule

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

    def next_update(self, learned: Learned, steps: int) -> Update:
        """What a runner needs for the next so many steps; `done` counts those that were done."""
        arrays, rule = self._bound(learned.parameters), self._checked_rule()
        rates = self._next_rates(steps)
        update = Update(
            rule,
            arrays.get("first"),
            arrays.get("second"),
            self._checked_scalars(rates),
            self.clip_norm or 0.0,
            self.clip_value or 0.0,
        )
        if not self._in_python:
            return update
        return update._replace(rule=Rule("python"), call=UpdateCall(self, learned, rates))

    def _checked_scalars(self, rates: np.ndarray) -> np.ndarray:
        scalars = self.step_scalars(rates)
        if not self._is_ours:
            scalars = checks.real("step_scalars", scalars, checks.FLOAT64)
            if scalars.shape != (len(rates), 3) or not np.isfinite(scalars).all():
                raise ValueError(f"step_scalars must be finite and of shape ({len(rates)}, 3), got {scalars}")
        return scalars

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

    # ---- for one who has gradients of their own ----

    def update(self, parameters: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        """Change `parameters` in place, at this learning rate.

        A fit calls the `update` of a subclass of somebody else's; the package's own are compiled into the step, and do
        what this method does.

        Parameters
        ----------
        parameters, gradients : array (n,)
            All of a net, flat; the gradients clipped already. `gradients` may be changed.
        rate : float
        """
        arrays, scalars = self._bound(parameters), self._checked_scalars(np.array([rate]))
        given = parameters, gradients, arrays.get("first"), arrays.get("second"), self.rule, scalars
        KERNELS[parameters.dtype.char].update(*given, 1)

    def step(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        """One step of flat `parameters`, changed in place, from `gradients` of the same size; neither is clipped."""
        self.update(parameters, gradients, self.rate())
        self.done += 1


def checked_optimizer(optimizer: Any) -> Optimizer:
    """`optimizer`; TypeError for anything but an optimiser."""
    if not isinstance(optimizer, Optimizer):
        from ..backends.foreign import OPTIMIZERS

        example = OPTIMIZERS.get(str(getattr(optimizer, "__name__", optimizer)).lower(), "cnn.SGD(0.1)")
        raise TypeError(f"optimizer must be an optimiser, such as {example}, got {optimizer!r}")
    return optimizer
