"""Optimisers: the rules by which parameters follow their gradients.

Their arguments are attributes that may be assigned at any time; the next step takes them. Each has its arithmetic
beside it in NumPy, for flat parameters p, gradients g (with weight decay in them), the states that a step keeps and the
step scalars. The compiled step has it in `src/cnn_c/step/optimizer.pxd`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from ..backends import checks
from ..backends.calls import Rule
from ..backends.numpy.optimizers import numpy_rule
from .optimizer import Optimizer

if TYPE_CHECKING:
    from ..schedules import Rate

__all__ = ["SGD", "Adadelta", "Adam", "AdamW", "Lion", "RMSprop"]

# How arguments are checked.
_to_one = partial(checks.number, maximum=1.0)
_below_one = partial(checks.number, maximum=math.nextafter(1.0, 0.0))
_normal = partial(checks.number, minimum=float(np.finfo(np.float32).tiny))


def _flag(name: str, value: Any) -> bool:
    return bool(value)


@numpy_rule("sgd", states=0)
def sgd(p: np.ndarray, g: np.ndarray, first: None, second: None, rule: Rule, scalars: np.ndarray) -> None:
    p -= scalars[0] * g


@numpy_rule("sgd_momentum", states=1)
def sgd_momentum(
    p: np.ndarray, g: np.ndarray, velocity: np.ndarray, second: None, rule: Rule, scalars: np.ndarray
) -> None:
    velocity[...] = rule.momentum * velocity + g
    p -= scalars[0] * (g + rule.momentum * velocity if rule.nesterov else velocity)


class SGD(Optimizer):
    """Stochastic gradient descent, with PyTorch's momentum, Nesterov momentum and weight decay.

    Parameters
    ----------
    learning_rate : float, a schedule from `cnn.schedules`, or a function
        A schedule spans the steps of the fit that it is given to; afterwards it stays at its end. A function
        ``rate(step, steps)`` gives the rate of a step, counted from 0, of so many steps in all.
    momentum : float from 0 to 1
    nesterov : bool
        Look ahead along the velocity; needs momentum.
    weight_decay : float
        Added to the gradient, times the parameter.
    clip_norm, clip_value : float above 0, or None
        As for `cnn.Optimizer`; the gradient is clipped before the decay is added.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, negative, NaN or infinite; a learning rate beyond float32, above 3.4e38.

    Examples
    --------
    >>> import cnn
    >>> optimizer = cnn.SGD(cnn.schedules.Cosine(0.03), momentum=0.9, nesterov=True)
    >>> optimizer.learning_rate
    Cosine(rate=0.03)
    """

    arguments = Optimizer.arguments | {"momentum": _to_one, "nesterov": _flag, "weight_decay": checks.number}
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __init__(
        self,
        learning_rate: Rate,
        momentum: SupportsFloat = 0.0,
        nesterov: bool = False,
        weight_decay: SupportsFloat = 0.0,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value)
        self.configure({"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay})

    def checked(self, name: str, value: Any) -> Any:
        value = super().checked(name, value)
        both = {"momentum": self.momentum, "nesterov": self.nesterov, name: value}
        if both["nesterov"] and both["momentum"] == 0:
            raise ValueError("nesterov needs a momentum above 0, got 0")
        return value

    @property
    def rule(self) -> Rule:
        kind = "sgd_momentum" if self.momentum else "sgd"
        return Rule(kind, self.weight_decay, self.momentum, self.nesterov)


@numpy_rule("adam", states=2)
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
    learning_rate : float, a schedule from `cnn.schedules`, or a function
        As for `SGD`.
    beta1, beta2 : float from 0 to below 1
        How much of the first and second moment stays from one step to the next.
    epsilon : float
        Added to the root of the second moment; at least the smallest normal float32, for less is flushed to zero.
    weight_decay : float
    clip_norm, clip_value : float above 0, or None
        As for `cnn.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    arguments = Optimizer.arguments | {
        "beta1": _below_one,
        "beta2": _below_one,
        "epsilon": _normal,
        "weight_decay": checks.number,
    }
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999,
        epsilon: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.0,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value)
        self.configure({"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay})

    @property
    def rule(self) -> Rule:
        return Rule("adam", self.weight_decay, self.beta1, False, self.beta2, self.epsilon)

    def step_scalars(self, rates: np.ndarray) -> np.ndarray:
        """The rates over the bias of the first moment, and one over the root of the second's."""
        t = self.done + 1 + np.arange(len(rates))
        scalars = super().step_scalars(rates)
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
    clip_norm, clip_value : float above 0, or None
        As for `cnn.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999,
        epsilon: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.01,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay, clip_norm=clip_norm, clip_value=clip_value)

    @property
    def rule(self) -> Rule:
        return super().rule._replace(weight_decay=0.0)  # not in the gradient

    def step_scalars(self, rates: np.ndarray) -> np.ndarray:
        """As for Adam; and what the decay leaves of a parameter."""
        scalars = super().step_scalars(rates)
        scalars[:, 2] = 1 - rates * self.weight_decay
        return scalars


@numpy_rule("rmsprop", states=1)
def rmsprop(
    p: np.ndarray, g: np.ndarray, squares: np.ndarray, velocity: np.ndarray | None, rule: Rule, scalars: np.ndarray
) -> None:
    squares[...] = rule.beta2 * squares + (1 - rule.beta2) * g * g
    step = g / (np.sqrt(squares) + rule.epsilon)
    if velocity is not None:
        velocity[...] = step = rule.momentum * velocity + step
    p -= scalars[0] * step


numpy_rule("rmsprop_momentum", states=2)(rmsprop)


class RMSprop(Optimizer):
    """The gradient over the root of a running mean of its squares (Tieleman and Hinton, 2012), by PyTorch's rules.

    Parameters
    ----------
    learning_rate : float, a schedule from `cnn.schedules`, or a function
        As for `SGD`.
    alpha : float from 0 to below 1
        How much of the mean of squares stays from one step to the next.
    momentum : float from 0 to 1
    epsilon : float
        Added to the root; at least the smallest normal float32, for less is flushed to zero.
    weight_decay : float
        Added to the gradient, times the parameter.
    clip_norm, clip_value : float above 0, or None
        As for `cnn.Optimizer`; the gradient is clipped before the decay is added.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    arguments = Optimizer.arguments | {
        "alpha": _below_one,
        "momentum": _to_one,
        "epsilon": _normal,
        "weight_decay": checks.number,
    }
    alpha: float
    momentum: float
    epsilon: float
    weight_decay: float

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        alpha: SupportsFloat = 0.99,
        momentum: SupportsFloat = 0.0,
        epsilon: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.0,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value)
        self.configure({"alpha": alpha, "momentum": momentum, "epsilon": epsilon, "weight_decay": weight_decay})

    @property
    def rule(self) -> Rule:
        kind = "rmsprop_momentum" if self.momentum else "rmsprop"
        return Rule(kind, self.weight_decay, self.momentum, beta2=self.alpha, epsilon=self.epsilon)


@numpy_rule("adadelta", states=2)
def adadelta(
    p: np.ndarray, g: np.ndarray, squares: np.ndarray, steps: np.ndarray, rule: Rule, scalars: np.ndarray
) -> None:
    squares[...] = rule.beta2 * squares + (1 - rule.beta2) * g * g
    step = g * np.sqrt(steps + rule.epsilon) / np.sqrt(squares + rule.epsilon)
    steps[...] = rule.beta2 * steps + (1 - rule.beta2) * step * step
    p -= scalars[0] * step


class Adadelta(Optimizer):
    """The gradient over the root of a running mean of its squares, times that of its steps', by PyTorch's rules.

    (Zeiler, 2012.) The steps have the size of earlier ones, so that a learning rate of 1 is the method as published.

    Parameters
    ----------
    learning_rate : float, or a schedule from `cnn.schedules`
    rho : float from 0 to below 1
        How much of both means of squares stays from one step to the next.
    epsilon : float
        Added to both means; at least the smallest normal float32, for less is flushed to zero.
    weight_decay : float
        Added to the gradient, times the parameter.
    clip_norm, clip_value : float above 0, or None
        As for `cnn.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    arguments = Optimizer.arguments | {"rho": _below_one, "epsilon": _normal, "weight_decay": checks.number}
    rho: float
    epsilon: float
    weight_decay: float

    def __init__(
        self,
        learning_rate: Rate = 1.0,
        rho: SupportsFloat = 0.9,
        epsilon: SupportsFloat = 1e-6,
        weight_decay: SupportsFloat = 0.0,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value)
        self.configure({"rho": rho, "epsilon": epsilon, "weight_decay": weight_decay})

    @property
    def rule(self) -> Rule:
        return Rule("adadelta", self.weight_decay, beta2=self.rho, epsilon=self.epsilon)


@numpy_rule("lion", states=1)
def lion(p: np.ndarray, g: np.ndarray, moment: np.ndarray, second: None, rule: Rule, scalars: np.ndarray) -> None:
    rate, _, keep = scalars
    direction = np.sign(rule.momentum * moment + (1 - rule.momentum) * g)
    moment[...] = rule.beta2 * moment + (1 - rule.beta2) * g
    p *= keep
    p -= rate * direction


class Lion(Optimizer):
    """The sign of a moment (Chen et al., 2023): every parameter moves by the learning rate, or not at all.

    Its steps are larger than those of `Adam`, so that rates are three to ten times smaller, decays as much larger.

    Parameters
    ----------
    learning_rate : float, or a schedule from `cnn.schedules`
    beta1 : float from 0 to below 1
        How much the moment counts beside the gradient, in the sum whose sign is taken.
    beta2 : float from 0 to below 1
        How much of the moment stays from one step to the next.
    weight_decay : float
        Times the learning rate, what a parameter loses of itself in every step, whatever its gradient.
    clip_norm, clip_value : float above 0, or None
        As for `cnn.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        A value that is no number, out of range, NaN or infinite.
    """

    arguments = Optimizer.arguments | {"beta1": _below_one, "beta2": _below_one, "weight_decay": checks.number}
    beta1: float
    beta2: float
    weight_decay: float

    def __init__(
        self,
        learning_rate: Rate = 1e-4,
        beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.99,
        weight_decay: SupportsFloat = 0.0,
        *,
        clip_norm: SupportsFloat | None = None,
        clip_value: SupportsFloat | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value)
        self.configure({"beta1": beta1, "beta2": beta2, "weight_decay": weight_decay})

    @property
    def rule(self) -> Rule:
        return Rule("lion", 0.0, self.beta1, beta2=self.beta2)  # the decay is not in the gradient

    def step_scalars(self, rates: np.ndarray) -> np.ndarray:
        """The rates; and what the decay leaves of a parameter."""
        scalars = super().step_scalars(rates)
        scalars[:, 2] = 1 - rates * self.weight_decay
        return scalars
