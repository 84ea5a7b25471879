"""Optimisers: the rule by which parameters follow their gradients, and how far it has come in a fit.

Each has its arithmetic beside it in NumPy, for flat parameters p, gradients g (with weight decay in them), the states
that a step keeps and the step scalars. The compiled step has it in `src/cnn_c/step/optimizer.pxd`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from cnn_c import KERNELS

from ..backends import checks
from ..backends.buffers import CACHE_LINE, aligned_zeros
from ..backends.calls import Rule, Update
from ..backends.numpy.optimizers import numpy_rule
from ..backends.tables import call

if TYPE_CHECKING:
    from ..schedules import Schedule

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]


class Optimizer:
    """What all optimisers share: a rate that may be a schedule, states as large as the parameters, steps counted."""

    rule: Rule
    _states = 0  # arrays that a step needs beside the parameters

    def __init__(self, learning_rate: SupportsFloat | Schedule) -> None:
        is_schedule = hasattr(learning_rate, "at") and not isinstance(learning_rate, type)
        self.learning_rate = learning_rate if is_schedule else checks.learning_rate("learning_rate", learning_rate)
        self.start(0)

    def __repr__(self) -> str:
        return call(type(self), self.configuration())

    def configuration(self) -> dict[str, Any]:
        """The arguments that make an optimiser like this one, by name."""
        return {name: getattr(self, name, None) for name in inspect.signature(type(self)).parameters}

    def start(self, steps: int, epochs: int = 1) -> None:
        """Begin a fit of so many steps in all: without velocity or moments, and with the schedule's first rate."""
        self._steps, self._epochs = steps, epochs
        self.done = 0
        self._of: np.ndarray | None = None
        self._arrays: list[np.ndarray | None] = [None, None]

    def states(self, parameters: np.ndarray) -> list[np.ndarray | None]:
        """Velocities or moments for these parameters, kept from step to step; None for what is not needed.

        ValueError where they are those of other parameters, and would be lost.
        """
        if self._of is not parameters:
            if self._of is not None and self._states:
                raise ValueError("optimizer holds the velocities or moments of another net; make one for each net")
            self._of, self.done = parameters, 0
            aligned = (-parameters.ctypes.data) % CACHE_LINE // parameters.itemsize  # as the parameters are
            self._arrays = [
                aligned_zeros(parameters.size, parameters.dtype, aligned) if i < self._states else None
                for i in range(2)
            ]
        return self._arrays

    def arrays(self, parameters: np.ndarray) -> list[np.ndarray]:
        """Velocities or moments for these parameters, those that there are."""
        return [array for array in self.states(parameters) if array is not None]

    def restore(self, parameters: np.ndarray, arrays: Sequence[np.ndarray], done: int) -> None:
        """Go on with these parameters after `done` steps, with copies of what `arrays` gave then."""
        held = self.arrays(parameters)
        if len(arrays) != len(held):
            raise ValueError(f"optimizer must have {len(held)} arrays of velocities or moments, got {len(arrays)}")
        for array, value in zip(held, arrays, strict=True):
            array[...] = checks.parameter("optimizer", value, array)
        self.done = done

    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.rates(1)[0])

    def rates(self, steps: int) -> np.ndarray:
        """The learning rates of the next so many steps, float64."""
        rates = np.empty(steps)
        if hasattr(self.learning_rate, "at"):
            # Before a fit a schedule stays at its beginning, after it at its end.
            done = (self.done + np.arange(steps)) / self._steps if self._steps else np.zeros(steps)
            rates[...] = self.learning_rate.at(np.minimum(done, 1.0), self._epochs)
        else:
            rates[...] = self.learning_rate
        return rates

    def step_scalars(self, steps: int) -> np.ndarray:
        """What changes from step to step, for the next so many: float64 (steps, 3).

        The step's length; the factor of the second moment's root; what stays of a parameter before its step.
        """
        return np.stack([self.rates(steps), np.ones(steps), np.ones(steps)], axis=1)

    def update(self, parameters: np.ndarray, steps: int) -> Update:
        """What a runner needs for the next so many steps of these parameters; `done` counts those that were done."""
        first, second = self.states(parameters)
        return Update(self.rule, first, second, self.step_scalars(steps))

    def step(self, parameters: np.ndarray, gradients: np.ndarray, threads: int = 1) -> None:
        """Update flat `parameters` in place from `gradients` of the same size."""
        rule, first, second, step_scalars = self.update(parameters, 1)
        KERNELS[parameters.dtype.char].update(parameters, gradients, first, second, rule, step_scalars, threads)
        self.done += 1


def checked_optimizer(optimizer: Any) -> Optimizer:
    """`optimizer`; TypeError for anything but an optimiser."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an optimiser, such as cnn.SGD(0.1), got {optimizer!r}")
    return optimizer


@numpy_rule("sgd")
def sgd(p: np.ndarray, g: np.ndarray, first: None, second: None, rule: Rule, scalars: np.ndarray) -> None:
    p -= scalars[0] * g


@numpy_rule("sgd_momentum")
def sgd_momentum(
    p: np.ndarray, g: np.ndarray, velocity: np.ndarray, second: None, rule: Rule, scalars: np.ndarray
) -> None:
    velocity[...] = rule.momentum * velocity + g
    p -= scalars[0] * (g + rule.momentum * velocity if rule.nesterov else velocity)


class SGD(Optimizer):
    """Stochastic gradient descent, with PyTorch's momentum, Nesterov momentum and weight decay.

    Parameters
    ----------
    learning_rate : float, or a schedule from `cnn.schedules`
        A schedule spans the steps of the fit that it is given to; afterwards it stays at its end.
    momentum : float from 0 to 1
    nesterov : bool
        Look ahead along the velocity; needs momentum.
    weight_decay : float
        Added to the gradient, times the parameter.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, negative, NaN or infinite; a learning rate beyond float32, above 3.4e38.
    """

    def __init__(
        self,
        learning_rate: SupportsFloat | Schedule,
        momentum: SupportsFloat = 0.0,
        nesterov: bool = False,
        weight_decay: SupportsFloat = 0.0,
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = checks.number("momentum", momentum, maximum=1.0)
        self.nesterov = bool(nesterov)
        self.weight_decay = checks.number("weight_decay", weight_decay)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, got 0")
        kind = "sgd_momentum" if self.momentum else "sgd"
        self.rule = Rule(kind, self.weight_decay, self.momentum, self.nesterov)
        self._states = 1 if self.momentum else 0


@numpy_rule("adam")
def adam(p: np.ndarray, g: np.ndarray, first: np.ndarray, second: np.ndarray, rule: Rule, scalars: np.ndarray) -> None:
    rate, root_scale, keep = scalars
    first[...] = rule.momentum * first + (1 - rule.momentum) * g
    second[...] = rule.beta2 * second + (1 - rule.beta2) * g * g
    p *= keep
    p -= rate * first / (np.sqrt(second) * root_scale + rule.epsilon)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), by PyTorch's rules: weight decay is added to the gradient.

    Parameters
    ----------
    learning_rate : float, or a schedule from `cnn.schedules`
    beta1, beta2 : float from 0 to below 1
        How much of the first and second moment stays from one step to the next.
    epsilon : float
        Added to the root of the second moment; at least the smallest normal float32, for less is flushed to zero.
    weight_decay : float

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    _states = 2

    def __init__(
        self,
        learning_rate: SupportsFloat | Schedule = 0.001,
        beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999,
        epsilon: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.0,
    ) -> None:
        super().__init__(learning_rate)
        below_one = math.nextafter(1.0, 0.0)
        self.beta1 = checks.number("beta1", beta1, maximum=below_one)
        self.beta2 = checks.number("beta2", beta2, maximum=below_one)
        self.epsilon = checks.number("epsilon", epsilon, minimum=float(np.finfo(np.float32).tiny))
        self.weight_decay = checks.number("weight_decay", weight_decay)
        self.rule = Rule("adam", self.weight_decay, self.beta1, False, self.beta2, self.epsilon)

    def step_scalars(self, steps: int) -> np.ndarray:
        """The rates over the bias of the first moment, and one over the root of the second's."""
        t = self.done + 1 + np.arange(steps)
        scalars = super().step_scalars(steps)
        scalars[:, 0] /= 1 - self.beta1**t
        scalars[:, 1] /= np.sqrt(1 - self.beta2**t)
        return scalars


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), by PyTorch's rules.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon
        As for `Adam`.
    weight_decay : float
        Times the learning rate, what a parameter loses of itself in every step, whatever its gradient.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    def __init__(
        self,
        learning_rate: SupportsFloat | Schedule = 0.001,
        beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999,
        epsilon: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.01,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay)
        self.rule = self.rule._replace(weight_decay=0.0)  # not in the gradient

    def step_scalars(self, steps: int) -> np.ndarray:
        """As for Adam; and what the decay leaves of a parameter."""
        scalars = super().step_scalars(steps)
        scalars[:, 2] = 1 - self.rates(steps) * self.weight_decay
        return scalars


@numpy_rule("rmsprop")
def rmsprop(
    p: np.ndarray, g: np.ndarray, squares: np.ndarray, velocity: np.ndarray | None, rule: Rule, scalars: np.ndarray
) -> None:
    squares[...] = rule.beta2 * squares + (1 - rule.beta2) * g * g
    step = g / (np.sqrt(squares) + rule.epsilon)
    if velocity is not None:
        velocity[...] = step = rule.momentum * velocity + step
    p -= scalars[0] * step


numpy_rule("rmsprop_momentum")(rmsprop)


class RMSprop(Optimizer):
    """The gradient over the root of a running mean of its squares (Tieleman and Hinton, 2012), by PyTorch's rules.

    Parameters
    ----------
    learning_rate : float, or a schedule from `cnn.schedules`
    alpha : float from 0 to below 1
        How much of the mean of squares stays from one step to the next.
    momentum : float from 0 to 1
    epsilon : float
        Added to the root; at least the smallest normal float32, for less is flushed to zero.
    weight_decay : float
        Added to the gradient, times the parameter.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    def __init__(
        self,
        learning_rate: SupportsFloat | Schedule = 0.01,
        alpha: SupportsFloat = 0.99,
        momentum: SupportsFloat = 0.0,
        epsilon: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.0,
    ) -> None:
        super().__init__(learning_rate)
        self.alpha = checks.number("alpha", alpha, maximum=math.nextafter(1.0, 0.0))
        self.momentum = checks.number("momentum", momentum, maximum=1.0)
        self.epsilon = checks.number("epsilon", epsilon, minimum=float(np.finfo(np.float32).tiny))
        self.weight_decay = checks.number("weight_decay", weight_decay)
        kind = "rmsprop_momentum" if self.momentum else "rmsprop"
        self.rule = Rule(kind, self.weight_decay, self.momentum, beta2=self.alpha, epsilon=self.epsilon)
        self._states = 2 if self.momentum else 1
