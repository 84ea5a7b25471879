"""`Sequential`: layers one after the other, trained on the softmax cross-entropy of the last one's outputs."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import NamedTuple

import numpy as np

from . import checks
from .layers import Layer, operations
from .optimizers import SGD
from .progress import reporter
from .threads import threads_for

_PREDICTION_BATCH = 256  # images that predict and evaluate take at a time
_NOT_COPIED = ("_ops", "_parameters", "_gradients")  # made anew when a net is copied or unpickled


class Evaluation(NamedTuple):
    """What `Sequential.evaluate` returns: the mean loss in nats, and the fraction of right labels."""

    loss: float
    accuracy: float


class History(NamedTuple):
    """What `Sequential.fit` returns: one entry an epoch. Without validation data the two val lists stay empty."""

    loss: list[float]
    accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    seconds: list[float]
    images_per_second: list[float]


class Sequential:
    """A stack of layers for classification; the last layer gives the logits.

    Parameters
    ----------
    layers : sequence of layers
        Used by this net alone: a layer cannot be in two.
    input_shape : tuple of int
        Of one image, (height, width, channels).
    dtype : "float32" or "float64"
    seed : int or None
        Of the initial parameters.
    backend : "compiled" or "numpy"
        The kernels, or the pure-NumPy reference.

    Raises
    ------
    TypeError, ValueError
        What is no layer, or layers whose shapes do not fit.
    """

    def __init__(self, layers, input_shape, dtype="float32", seed=None, backend="compiled") -> None:
        self.layers: list[Layer] = list(layers)
        self._ops = operations(backend)
        self.backend = backend
        self.dtype = checks.dtype(dtype)
        if not self.layers:
            raise ValueError("layers must hold at least one layer")
        rng = np.random.default_rng(seed)
        shape = tuple(input_shape)
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{i}] must be a layer, got {layer!r}")
            if layer in self.layers[:i]:
                raise ValueError(f"layers[{i}] stands in the net twice; make a layer for each place")
            if layer.in_net:
                raise ValueError(f"layers[{i}] is in another net already; make a layer for each net")
            layer.backend = backend
            shape = layer.build(shape, dtype=self.dtype, seed=rng).output_shape
        if len(shape) != 1:
            raise ValueError(f"the last layer must give one row of logits an image, got shape {shape}; add Dense")
        self.input_shape = self.layers[0].input_shape
        self.output_shape = shape
        self._parameters, self._gradients = self._gather()
        self._lowest = next((i for i, layer in enumerate(self.layers) if layer.parameters), len(self.layers))
        for layer in self.layers:
            layer.in_net = True

    def _gather(self) -> tuple[np.ndarray, np.ndarray]:
        """One flat buffer for all parameters, one for all gradients; the layers hold views of them."""
        values = [value for layer in self.layers for value in layer.parameters.values()]
        flat = np.concatenate([np.zeros(0, self.dtype), *(value.ravel() for value in values)])
        gradients = np.zeros_like(flat)
        start = 0
        for layer in self.layers:
            for name, value in layer.parameters.items():
                place = slice(start, start + value.size)
                layer.parameters[name] = flat[place].reshape(value.shape)
                layer.gradients[name] = gradients[place].reshape(value.shape)
                start += value.size
        return flat, gradients

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name not in _NOT_COPIED}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._ops = operations(self.backend)
        self._parameters, self._gradients = self._gather()  # or the copied layers would have left the buffer

    def _names(self) -> list[str]:
        """One a layer: "conv2d_1", "relu_1", "maxpool2d_1", "conv2d_2" and so on."""
        seen: Counter[str] = Counter()
        names = []
        for layer in self.layers:
            kind = type(layer).__name__.lower()
            seen[kind] += 1
            names.append(f"{kind}_{seen[kind]}")
        return names

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name ("conv2d_1.weights"), in the order of the layers: views, not copies."""
        return {
            f"{name}.{parameter}": value
            for name, layer in zip(self._names(), self.layers, strict=True)
            for parameter, value in layer.parameters.items()
        }

    def summary(self) -> None:
        """Print a table: layer, output shape, parameters, and multiply-adds of one image's forward pass."""
        print(self._summary())

    def _summary(self) -> str:
        rows = [("layer", "output shape", "parameters", "MACs")]
        for name, layer in zip(self._names(), self.layers, strict=True):
            size = sum(value.size for value in layer.parameters.values())
            rows.append((name, " x ".join(map(str, layer.output_shape)), f"{size:,}", f"{layer.macs:,}"))
        total = f"{self._parameters.size:,}", f"{sum(layer.macs for layer in self.layers):,}"
        rows.append(("total", f"from {' x '.join(map(str, self.input_shape))}", *total))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            f"{layer:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}  {macs:>{widths[3]}}"
            for layer, shape, size, macs in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    # ---- training ----

    def fit(
        self,
        x,
        y,
        epochs=1,
        batch_size=32,
        optimizer=None,
        validation_data=None,
        shuffle=True,
        seed=None,
        callbacks=(),
        progress="auto",
    ) -> History:
        """Train on images and labels.

        Parameters
        ----------
        x : array (n, *input_shape)
            Any real dtype; uint8 images are converted batch by batch.
        y : integer labels (n,) or one-hot rows (n, classes)
        epochs, batch_size : int
            The last batch of an epoch may be smaller.
        optimizer : SGD or None
            None stands for `SGD(0.1)`.
        validation_data : (x, y) or None
            Evaluated after every epoch.
        shuffle : bool
            Draw a new order of the images for every epoch, from `seed`.
        seed : int or None
        callbacks : sequence of objects
            `on_epoch_end(net, logs)` of each is called after every epoch, with the epoch's figures in a dict.
        progress : "auto", True or False
            A bar in a terminal, a line an epoch in a file; or nothing.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            Arguments that are no images or labels of this net, or out of range.
        FloatingPointError
            The loss became NaN or infinite, or a parameter did. The message names epoch and step; the parameters
            are set back to those of the end of the last epoch.
        """
        x = checks.images("x", x, self.input_shape)
        y = self._labels("y", y, len(x))
        epochs = checks.integer("epochs", epochs, minimum=0)
        batch_size = checks.integer("batch_size", batch_size, minimum=1)
        optimizer = SGD(0.1) if optimizer is None else _optimizer(optimizer)
        if validation_data is not None:
            x_val = checks.images("validation_data[0]", validation_data[0], self.input_shape)
            y_val = self._labels("validation_data[1]", validation_data[1], len(x_val))
        rng = np.random.default_rng(seed)
        history = History([], [], [], [], [], [])
        optimizer.start(epochs * -(-len(x) // batch_size))
        with reporter(progress, epochs, len(x)) as report:
            for epoch in range(1, epochs + 1):
                report.epoch_begin(epoch)
                order = rng.permutation(len(x)) if shuffle else np.arange(len(x))
                logs = self._run_epoch(epoch, x, y, order, batch_size, optimizer, report)
                if validation_data is not None:
                    evaluation = self.evaluate(x_val, y_val)
                    logs |= {"val_loss": evaluation.loss, "val_accuracy": evaluation.accuracy}
                for name, value in logs.items():
                    getattr(history, name).append(value)
                report.epoch_end(logs)
                for callback in callbacks:
                    callback.on_epoch_end(self, logs)
        return history

    def _run_epoch(self, epoch, x, y, order, batch_size, optimizer, report) -> dict[str, float]:
        """All batches once; the epoch's figures."""
        good = self._parameters.copy()
        total, right, seen = 0.0, 0, 0
        start = time.perf_counter()
        for step, first in enumerate(range(0, len(order), batch_size), start=1):
            batch = order[first : first + batch_size]
            labels = y[batch]
            loss, probabilities = self._forward_backward(x[batch], labels)
            if not math.isfinite(loss):
                self._parameters[...] = good
                raise _diverged(f"the loss became {loss}", epoch, step)
            optimizer.step(self._parameters, self._gradients, threads_for(len(batch)))
            seen += len(batch)
            total += loss * len(batch)
            right += int(np.count_nonzero(probabilities.argmax(axis=1) == labels))
            report.step(seen, total / seen, right / seen)
        if not np.isfinite(self._parameters).all():  # the last step's doing, which no loss has seen
            self._parameters[...] = good
            raise _diverged("parameters became NaN or infinite", epoch, step)
        seconds = time.perf_counter() - start
        return {
            "loss": total / seen,
            "accuracy": right / seen,
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }

    def _forward_backward(self, x: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and probabilities of a batch; fills the gradients."""
        kept = []
        x = checks.real("x", x, self.dtype)
        for layer in self.layers:
            x, state = layer.run(x)
            kept.append(state)
        loss, probabilities, d = self._ops.softmax_cross_entropy(x, labels)
        for i in range(len(self.layers) - 1, self._lowest - 1, -1):
            self.layers[i].run_weight_gradient(d, kept[i])
            if i > self._lowest:  # below the first layer with parameters nobody needs a gradient
                d = self.layers[i].run_input_gradient(d, kept[i])
        return loss, probabilities

    def train_on_batch(self, x, y, optimizer) -> float:
        """One step on one batch; returns the loss before the update.

        Raises
        ------
        FloatingPointError
            The loss is NaN or infinite; the parameters are left as they were.
        """
        optimizer = _optimizer(optimizer)
        x = checks.images("x", x, self.input_shape)
        loss, _ = self._forward_backward(x, self._labels("y", y, len(x)))
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}; the parameters are left as they were")
        optimizer.step(self._parameters, self._gradients, threads_for(len(x)))
        return loss

    # ---- prediction ----

    def predict_proba(self, x) -> np.ndarray:
        """Class probabilities (n, classes) of images (n, *input_shape)."""
        return self._ops.softmax(self._logits(checks.images("x", x, self.input_shape)))

    def predict(self, x) -> np.ndarray:
        """Labels (n,), int64: the class of the highest probability."""
        return self._logits(checks.images("x", x, self.input_shape)).argmax(axis=1)

    def evaluate(self, x, y) -> Evaluation:
        """Mean loss and accuracy on images and labels; ValueError for none."""
        x = checks.images("x", x, self.input_shape)
        y = self._labels("y", y, len(x))
        logits = self._logits(x)
        loss, probabilities, _ = self._ops.softmax_cross_entropy(logits, y)
        return Evaluation(loss, float(np.mean(probabilities.argmax(axis=1) == y)))

    def score(self, x, y) -> float:
        """Accuracy on images and labels, as scikit-learn's classifiers have it."""
        return self.evaluate(x, y).accuracy

    def _logits(self, x: np.ndarray) -> np.ndarray:
        logits = np.empty((len(x), *self.output_shape), self.dtype)
        for first in range(0, len(x), _PREDICTION_BATCH):
            batch = checks.real("x", x[first : first + _PREDICTION_BATCH], self.dtype)
            for layer in self.layers:
                batch, _ = layer.run(batch)
            logits[first : first + _PREDICTION_BATCH] = batch
        return logits

    def _labels(self, name: str, y, n: int) -> np.ndarray:
        if n == 0:
            raise ValueError(f"{name} must hold at least one label, got none")
        return checks.labels(name, y, n, self.output_shape[0])


def _optimizer(optimizer):
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        raise TypeError(f"optimizer must be an optimiser, such as cnn.SGD(0.1), got {optimizer!r}")
    return optimizer


def _diverged(what: str, epoch: int, step: int) -> FloatingPointError:
    return FloatingPointError(
        f"{what} in epoch {epoch}, step {step}; the parameters are set back to the start of that epoch. "
        "A smaller learning rate may help, or look for NaN and inf in x"
    )
