"""What steps call in Python, between their compiled parts: a layer, a loss, an update that somebody else has written.

Each passes arrays to and fro and checks what comes back. In a compiled step one thread calls, while the others wait;
it reads the array that is returned, so each of these objects keeps it until its next call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def returned(what: str, value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A value that somebody's function returned, as an array of this shape and dtype, in one piece.

    Raises
    ------
    TypeError, ValueError
        What is no array of real numbers, or has another shape.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{what} must be an array of shape {shape}, got {type(value).__name__}") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what} must be an array of real numbers, got {type(value).__name__} of dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, got {array.shape}")
    return np.ascontiguousarray(array, dtype)


class LayerCall:
    """Calls `apply` and `apply_gradient` of a layer on a whole batch.

    Parameters
    ----------
    layer : cnn.Layer
        One that has its shapes and its dtype.

    Attributes
    ----------
    inputs, outputs, learned : int
        Sizes of an image's x and y, and of all parameters of the layer.
    x, dy : array
        What `apply` and `apply_gradient` are given, for so many images as were reserved.
    """

    x: np.ndarray
    dy: np.ndarray

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.inputs, self.outputs = math.prod(layer.input_shape), math.prod(layer.output_shape)
        self.learned = sum(value.size for value in layer.parameters.values())
        self._kept: Any = None
        self._result: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._layer!r})"

    def reserve(self, batch_size: int) -> None:
        """Take memory for so many images."""
        layer = self._layer
        self.x = np.empty((batch_size, *layer.input_shape), layer.dtype)
        self.dy = np.empty((batch_size, *layer.output_shape), layer.dtype)

    def __call__(self, n: int, forward: bool, training: bool) -> np.ndarray:
        """What the layer makes of the first `n` images: y, or dx."""
        if forward:
            self._result, self._kept = applied(self._layer, self.x[:n], training)
        else:
            kept, self._kept = self._kept, None
            self._result = applied_gradient(self._layer, self.dy[:n], kept)
            if not self._layer.trainable:  # an update that looks at all gradients sees none of a frozen layer
                for gradient in self._layer.gradients.values():
                    gradient[...] = 0
        return self._result


def applied(layer: Any, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
    """What `layer.apply` returns; TypeError and ValueError where a layer of somebody else's returns something else."""
    result = layer.apply(x, training)
    if not layer.in_python:
        return result
    what = f"apply of a {type(layer).__name__}"
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{what} must return a pair, y and what apply_gradient needs, got {type(result).__name__}")
    y, kept = result
    return returned(f"y, which {what} returned,", y, (len(x), *layer.output_shape), layer.dtype), kept


def applied_gradient(layer: Any, dy: np.ndarray, kept: Any) -> np.ndarray:
    """What `layer.apply_gradient` returns, as `applied`."""
    dx = layer.apply_gradient(dy, kept)
    if not layer.in_python:
        return dx
    what = f"dx, which apply_gradient of a {type(layer).__name__} returned,"
    return returned(what, dx, (len(dy), *layer.input_shape), layer.dtype)


class LossCall:
    """Calls a loss on the outputs of a batch, and writes the batch's losses.

    Parameters
    ----------
    loss : callable
        ``loss(outputs, targets) -> (mean loss, d_outputs)``.
    outputs : int
        Of an image.
    dtype : np.dtype
    correct : callable
        ``correct(outputs, targets)`` says which images are right.

    Attributes
    ----------
    outputs : array
        What the loss is given, for so many images as were reserved.
    """

    outputs: np.ndarray

    def __init__(self, loss: Callable[..., Any], outputs: int, dtype: np.dtype, correct: Callable[..., Any]) -> None:
        self._loss, self._size, self._dtype, self._correct = loss, outputs, dtype, correct
        self._batches: Any = None
        self._result: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._loss!r})"

    def of(self, batches: Any) -> Any:
        """The batches with this call, which is for them from now on."""
        self._batches = batches
        return batches._replace(loss_call=self)

    def reserve(self, batch_size: int) -> None:
        """Take memory for so many images."""
        self.outputs = np.empty((batch_size, self._size), self._dtype)

    def __call__(self, first: int, n: int, forward: bool) -> np.ndarray:
        """The gradient for the outputs of a batch, whose images begin at `first` in the order of the batches."""
        self._result = self.gradient(self.outputs[:n], self._batches.part(first, first + n))
        return self._result

    def gradient(self, outputs: np.ndarray, batch: Any) -> np.ndarray:
        """That of one batch; its losses and which images are right are written."""
        targets = batch.targets[batch.order]
        name = getattr(self._loss, "__name__", type(self._loss).__name__)
        result = self._loss(outputs, targets)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                f"the loss {name} must return a pair, the mean loss and d_outputs, got {type(result).__name__}"
            )
        try:
            batch.losses[...] = float(result[0])
        except (TypeError, ValueError) as error:
            raise TypeError(f"the loss {name} must return a number first, got {type(result[0]).__name__}") from error
        batch.correct[...] = self._correct(outputs, targets)
        return returned(f"d_outputs, which the loss {name} returned,", result[1], outputs.shape, self._dtype)


class UpdateCall:
    """Calls `update` of an optimiser for a step.

    Parameters
    ----------
    optimizer : cnn.Optimizer
    learned : Learned
    rates : array
        Of the next steps.
    """

    def __init__(self, optimizer: Any, learned: Any, rates: np.ndarray) -> None:
        self._optimizer, self._learned, self._rates = optimizer, learned, rates.tolist()
        self._done: int = optimizer.done

    def __call__(self, step: int) -> None:
        """Change the parameters, by the gradients that lie in their array."""
        self._optimizer.done = self._done + step
        result = self._optimizer.update(self._learned.parameters, self._learned.gradients, self._rates[step])
        if result is not None:
            raise TypeError(f"update must change the parameters in place and return None, got {type(result).__name__}")
