"""Losses: what a net is trained to make small, given to `cnn.Sequential(..., loss=...)` and saved with the net.

`SoftmaxCrossEntropy` is the default. Each has its meaning in NumPy here, and compiled, within the training step, in
`src/cnn_c/step/loss.pxd`. A loss of your own is any function ``loss(outputs, targets) -> (mean loss, d_outputs)``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, SupportsFloat

import numpy as np

from .backends import checks, names
from .backends.calls import LossRule
from .backends.numpy.loss import target_rows, values_and_gradients
from .backends.tables import call

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .backends.annotations import Floats

__all__ = ["BinaryCrossEntropy", "Huber", "Loss", "MeanSquaredError", "SoftmaxCrossEntropy"]

Targets = Literal["labels", "bits", "values"]
AnyLoss = Callable[[Any, Any], tuple[Any, Any]]


class Loss:
    """What all losses share, and the base class of one of your own.

    A subclass needs ``__call__(outputs, targets)``, which returns the mean loss and its gradient for the outputs, and
    says by `targets` what it compares the outputs with.

    Attributes
    ----------
    targets : "labels", "bits" or "values"
        Of a class: integer labels, one an image, or rows that sum to one; rows of zeros and ones; rows of any numbers.
        What `predict` gives is of the same kind. Accuracy has a meaning for labels and bits.
    """

    targets: ClassVar[Targets] = "values"

    def __call__(self, outputs: ArrayLike, targets: ArrayLike) -> tuple[float, Floats]:
        """Mean loss of a batch, and its gradient for the outputs.

        Parameters
        ----------
        outputs : array (n, outputs)
            Of the net's last layer; logits, where the loss holds a softmax or a sigmoid.
        targets : array (n,) of labels, or (n, outputs)

        Returns
        -------
        loss : float
        d_outputs : array (n, outputs)

        Raises
        ------
        TypeError, ValueError
            Arrays that are no outputs or no targets for them.
        """
        outputs = checks.real("outputs", outputs)
        if outputs.ndim != 2 or not len(outputs):
            raise ValueError(f"outputs must have shape (n, outputs), n at least 1, got {outputs.shape}")
        rows = target_rows(checked_targets(self, "targets", targets, len(outputs), outputs), outputs)
        losses, gradients = self.values_and_gradients(outputs, rows)
        return float(losses.mean(dtype=np.float64)), gradients / outputs.dtype.type(len(outputs))

    def values_and_gradients(self, outputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each image's loss (n,), and its gradient for the image's outputs, from rows of targets of the same shape."""
        return values_and_gradients(self.rule, outputs, rows)

    @property
    def rule(self) -> LossRule:
        """The arithmetic of the compiled step."""
        raise NotImplementedError

    def configuration(self) -> dict[str, Any]:
        """The arguments that make a loss like this one, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __init_subclass__(cls) -> None:
        if cls.targets not in ("labels", "bits", "values"):
            raise ValueError(f'targets of {cls.__name__} must be "labels", "bits" or "values", got {cls.targets!r}')

    def __setattr__(self, name: str, value: Any) -> None:
        if names.is_ours(type(self)) and name in vars(self):
            raise AttributeError(f"{name} of a {type(self).__name__} cannot be changed; make another loss")
        if names.is_ours(type(self)) and name not in inspect.signature(type(self)).parameters:
            raise names.attribute_error(self, name, inspect.signature(type(self)).parameters)
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        try:
            return call(type(self), self.configuration())
        except AttributeError:  # a class of somebody else's, which keeps its arguments under other names
            return f"{type(self).__name__}(...)"


class SoftmaxCrossEntropy(Loss):
    """The cross-entropy of the outputs' softmax, in nats: for one class of several.

    Parameters
    ----------
    label_smoothing : float from 0 to 1
        How much of every target is spread evenly over all classes (Szegedy et al., 2016).

    Raises
    ------
    TypeError, ValueError
        What is no number, or out of range.
    """

    targets = "labels"

    def __init__(self, label_smoothing: SupportsFloat = 0.0) -> None:
        self.label_smoothing = checks.number("label_smoothing", label_smoothing, maximum=1.0)

    @property
    def rule(self) -> LossRule:
        return LossRule("softmax_cross_entropy", self.targets, self.label_smoothing)


class BinaryCrossEntropy(Loss):
    """The cross-entropy of the outputs' sigmoids, in nats, the mean over outputs: for several answers of yes or no.

    Targets are rows of probabilities, mostly 0 or 1. `predict` gives 1 where a probability is above one half.
    """

    targets = "bits"

    @property
    def rule(self) -> LossRule:
        return LossRule("binary_cross_entropy", self.targets)


class MeanSquaredError(Loss):
    """The squared distance of outputs and targets, the mean over outputs: for values."""

    @property
    def rule(self) -> LossRule:
        return LossRule("squared_error", self.targets)


class Huber(Loss):
    """Half the squared distance where that is at most `delta`, and linear beyond (Huber, 1964); the mean over outputs.

    Parameters
    ----------
    delta : float above 0

    Raises
    ------
    TypeError, ValueError
        What is no number, or out of range.

    Examples
    --------
    >>> import cnn
    >>> loss, d_outputs = cnn.losses.Huber()([[0.0, 3.0]], [[0.5, 0.0]])
    >>> loss  # the mean of 0.5 * 0.5**2 and 3 - 0.5
    1.3125
    """

    def __init__(self, delta: SupportsFloat = 1.0) -> None:
        self.delta = checks.number("delta", delta, minimum=math.ulp(0.0))

    @property
    def rule(self) -> LossRule:
        return LossRule("huber", self.targets, self.delta)


# ---- targets ----


def checked_targets(loss: Any, name: str, value: ArrayLike, n: int, like: np.ndarray) -> np.ndarray:
    """Targets of n images for a loss, as a new array: int64 labels (n,), or rows (n, outputs) of the dtype of `like`.

    Parameters
    ----------
    loss : callable
    name : str
        Of the argument.
    value : array
    n : int
    like : array (anything, outputs)

    Raises
    ------
    TypeError, ValueError
        Another shape, or a target that the loss cannot take; the first bad one is named.
    """
    outputs = like.shape[-1]
    kind = targets_of(loss)
    if kind == "labels":
        return _labels_or_rows(name, value, n, like)
    rows = checks.array(name, value)
    if kind == "any":
        if not rows.ndim or len(rows) != n:
            raise ValueError(f"{name} must have one target for each of the {n} images, got shape {rows.shape}")
        return rows.copy()
    if rows.shape == (n,) and outputs == 1:
        rows = rows[:, None]
    if rows.shape != (n, outputs):
        raise ValueError(f"{name} must have shape ({n}, {outputs}), a row for each image, got {rows.shape}")
    with np.errstate(over="ignore"):  # beyond the dtype a value is infinite
        rows = rows.astype(like.dtype, order="C")
    good = np.isfinite(rows) if kind == "values" else np.logical_and(rows >= 0, rows <= 1)
    _all_good(name, rows, np.all(good, axis=1), "finite" if kind == "values" else "from 0 to 1")
    return rows


def _labels_or_rows(name: str, value: ArrayLike, n: int, like: np.ndarray) -> np.ndarray:
    """Labels as int64 (n,), also of one-hot rows; soft labels as rows of probabilities."""
    outputs, rows = like.shape[-1], checks.array(name, value)
    if rows.shape != (n, outputs) or rows.dtype.kind != "f" or np.isin(rows, (0, 1)).all():
        return checks.labels(name, rows, n, outputs)
    sums = rows.sum(axis=1, dtype=np.float64)
    _all_good(
        name, rows, (rows >= 0).all(axis=1) & (np.abs(sums - 1) <= 1e-3), "one-hot, or probabilities with the sum 1"
    )
    return rows.astype(like.dtype, order="C")


def _all_good(name: str, rows: np.ndarray, good: np.ndarray, expected: str) -> None:
    if not good.all():
        first = int(np.argmin(good))
        raise ValueError(f"{name}[{first}] must be {expected}, got {rows[first]}")


def rule_of(loss: Any) -> LossRule:
    """The arithmetic of a loss: its own for one of this file's, "python" for any other one."""
    return loss.rule if is_known(loss) else LossRule("python", targets_of(loss))


def targets_of(loss: Any) -> str:
    """What a loss compares outputs with; "any" for a function, which does not say."""
    return getattr(loss, "targets", "any")


def has_accuracy(loss: Any) -> bool:
    """Whether there are right and wrong outputs."""
    return targets_of(loss) in ("labels", "bits")


def is_known(loss: Any) -> bool:
    """Whether a loss is one of this file's, whose name and arguments a file may hold."""
    return type(loss) in KNOWN.values()


def checked_loss(name: str, loss: Any) -> Any:
    """A loss: one of this file's, or a callable; TypeError for anything else."""
    if loss is None:
        return SoftmaxCrossEntropy()
    if isinstance(loss, type) or not callable(loss):
        known = ", ".join(f"cnn.losses.{each}()" for each in KNOWN)
        raise TypeError(f"{name} must be one of {known}, or a function, got {loss!r}")
    return loss


KNOWN: dict[str, type[Loss]] = {
    kind.__name__: kind for kind in (SoftmaxCrossEntropy, BinaryCrossEntropy, MeanSquaredError, Huber)
}
