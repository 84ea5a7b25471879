"""`Sequential`: layers one after the other, trained on the softmax cross-entropy of the last one's outputs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnn_c import KERNELS

from ..backends import checks
from ..backends.compiled import aligned_zeros
from ..backends.program import Noise, Plan
from ..backends.select import operations
from ..backends.tables import text_table
from ..backends.threads import get_num_threads
from ..layers.base import Layer, layer_names
from ..plan.make import BLOCK, make_plan
from ..training.augment import Augment
from ..training.fit import Data, History, Run, Settings
from ..training.optimizers import SGD, Optimizer

_PIXELS_A_CALL = 1 << 22  # of a prediction in compiled code; between two calls Python looks at signals
_UINT8 = np.dtype(np.uint8)
_READ_DIRECTLY = (_UINT8, checks.FLOAT32, checks.FLOAT64)  # dtypes of images
# Made anew for a copied net.
_NOT_COPIED = ("_ops", "_parameters", "_gradients", "_statistics", "_trainer", "_predictors", "run")


class Evaluation(NamedTuple):
    """What `Sequential.evaluate` returns: the mean loss in nats, and the fraction of right labels."""

    loss: float
    accuracy: float


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

    run: Run | None = None  # the fit that is running
    stop_training = False  # set to True, it ends that after its epoch

    def __init__(self, layers, input_shape, dtype="float32", seed=None, backend="compiled") -> None:
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a sequence of layers, got {layers!r}")
        self.layers: tuple[Layer, ...] = tuple(layers)
        self._ops = operations(backend)
        self.backend = backend
        self.dtype = checks.dtype(dtype)
        if not self.layers:
            raise ValueError("layers must hold at least one layer")
        rng = checks.generator("seed", seed)
        shape = checks.image_shape("input_shape", input_shape)
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
        self._image_shapes = {self.input_shape}
        if backend == "compiled" and self.input_shape[-1] == 1:  # the kernels see no difference
            self._image_shapes.add(self.input_shape[:-1])
        self._plan(1, True)  # a layer that no plan can have is refused now
        self._gather()
        self._noise = int(rng.integers(2**63))  # seeds what is random in the steps of train_on_batch
        self._trainer: tuple[Any, Any] | None = None
        self._predictors: list[Any] = []
        for layer in self.layers:
            layer.in_net = True

    def _gather(self) -> None:
        """One flat buffer for all parameters, one for all gradients, one for statistics; layers hold views of them."""
        values = [value for layer in self.layers for value in layer.parameters.values()]
        ends = np.cumsum([0, *(value.size for value in values)])
        largest = max(range(len(values)), key=lambda i: values[i].size, default=0)
        flat = aligned_zeros(int(ends[-1]), self.dtype, int(ends[largest]))
        gradients = aligned_zeros(int(ends[-1]), self.dtype, int(ends[largest]))
        start = 0
        for layer in self.layers:
            for name, value in layer.parameters.items():
                place = slice(start, start + value.size)
                flat[place] = value.ravel(order=layer.memory_order)
                layer.parameters[name] = flat[place].reshape(value.shape, order=layer.memory_order)
                layer.gradients[name] = gradients[place].reshape(value.shape, order=layer.memory_order)
                start += value.size
        self._parameters, self._gradients = flat, gradients
        held = [(layer.statistics, name, value) for layer in self.layers for name, value in layer.statistics.items()]
        self._statistics = np.concatenate([value for _, _, value in held]) if held else np.empty(0, self.dtype)
        start = 0
        for statistics, name, value in held:
            statistics[name] = self._statistics[start : start + value.size]
            start += value.size

    def __copy__(self) -> Sequential:
        return copy.deepcopy(self)  # two nets cannot share their layers

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name not in _NOT_COPIED}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._ops = operations(self.backend)
        self._gather()  # or the copied layers would have left the buffer
        self._trainer, self._predictors = None, []

    def __repr__(self) -> str:
        layers = "".join(f"    {layer!r},\n" for layer in self.layers)
        return f"Sequential([\n{layers}], input_shape={self.input_shape}, dtype={self.dtype.name!r})"

    def _names(self) -> list[str]:
        return layer_names(self.layers)

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name ("conv2d_1.weights"), in the order of the layers: views, not copies."""
        return {
            f"{name}.{parameter}": value
            for name, layer in zip(self._names(), self.layers, strict=True)
            for parameter, value in layer.parameters.items()
        }

    def state(self) -> dict[str, np.ndarray]:
        """All that a trained net has learned, by name: its parameters and running statistics, as views."""
        statistics = {
            f"{name}.{statistic}": value
            for name, layer in zip(self._names(), self.layers, strict=True)
            for statistic, value in layer.statistics.items()
        }
        return self.parameters() | statistics

    def save(self, path) -> None:
        """Write the net to a file, from which `cnn.load` makes it again: in safetensors, with its layers as JSON.

        Parameters
        ----------
        path : str or pathlib.Path
            An old file is replaced in one moment; whatever happens, there is that one or the new one.

        Raises
        ------
        TypeError, ValueError
            A layer that is none of this package; a path that is none.
        OSError
            The folder is missing or read-only, the disk is full, what is there is no file.
        """
        from ..storage import archive  # with hashing and JSON, which not every program needs
        from ..storage import description as saving

        archive.write(path, saving.document(self), self.state())

    def plan(self, batch_size=32) -> None:
        """Print how `fit` runs the net: fused operations, with bytes and multiply-adds of an image.

        Parameters
        ----------
        batch_size : int
            By which the memory is laid out.

        Raises
        ------
        TypeError, ValueError
            A batch size that is no integer or below 1.
        """
        print(self._plan(checks.integer("batch_size", batch_size, minimum=1), True).table(self.dtype.itemsize))

    def _plan(self, batch_size: int, training: bool) -> Plan:
        return make_plan(self.layers, self._names(), batch_size, training)

    def summary(self) -> None:
        """Print a table: layer, output shape, parameters, and multiply-adds of one image's forward pass."""
        print(self._summary())

    def _summary(self) -> str:
        heading = "layer", "output shape", "parameters", "MACs"
        rows = ((name, shape, f"{size:,}", f"{macs:,}") for name, shape, size, macs in self._table())
        return text_table([heading, *rows], left=2)

    def _table(self, times="x") -> list[tuple[str, str, int, int]]:
        """Name, output shape, parameters and multiply-adds of every layer, and of all."""

        def sizes(shape: tuple[int, ...]) -> str:
            return f" {times} ".join(map(str, shape))

        rows = [
            (name, sizes(layer.output_shape), sum(value.size for value in layer.parameters.values()), layer.macs)
            for name, layer in zip(self._names(), self.layers, strict=True)
        ]
        macs = sum(layer.macs for layer in self.layers)
        return [*rows, ("total", f"from {sizes(self.input_shape)}", self._parameters.size, macs)]

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
        augment=None,
        label_smoothing=0.0,
        resume=None,
    ) -> History:
        """Train on images and labels.

        Parameters
        ----------
        x : array (n, *input_shape)
            Any real dtype; uint8 images are converted batch by batch.
        y : integer labels (n,) or one-hot rows (n, classes)
        epochs, batch_size : int
            The last batch of an epoch may be smaller.
        optimizer : Optimizer or None
            `SGD`, `Adam` or `AdamW`; None stands for `SGD(0.1)`.
        validation_data : (x, y) or None
            Evaluated after every epoch.
        shuffle : bool
            Draw a new order of the images for every epoch, from `seed`.
        seed : int, np.random.Generator or None
        callbacks : sequence of `cnn.Callback`, or of objects with some of its methods
            `on_epoch_end(net, logs)` of each is called after every epoch, with the epoch's figures in a dict.
        progress : "auto", True or False
            A bar in a terminal, a line an epoch in a file; or nothing.
        augment : Augment or None
            How images are changed at random, anew in every epoch.
        label_smoothing : float from 0 to 1
            How much of every label is spread evenly over all classes (Szegedy et al., 2016).
        resume : str, pathlib.Path or None
            A file that a `cnn.Checkpoint` wrote: the fit goes on from there, and ends as the one that wrote it would
            have ended, with the same bits. All other arguments have to be those of that fit; of callbacks, those
            that remember something have to be of the same kinds.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            Arguments that are no images or labels of this net, or out of range; a file to resume from that is no
            checkpoint of this fit.
        OSError
            There is no file to resume from.
        RuntimeError
            The net is being trained, by another thread or by the fit whose callback calls this one.
        FloatingPointError
            The loss became NaN or infinite, or a parameter did. The message names epoch and step; the parameters
            are set back to those of the end of the last epoch.
        """
        if self.run is not None:
            raise RuntimeError("fit was called while the net is being trained; wait for that fit to end")
        x = self._images("x", x)
        y = self._labels("y", y, len(x))
        if validation_data is not None:
            if not isinstance(validation_data, Sequence) or len(validation_data) != 2:
                raise TypeError(f"validation_data must be a pair (x, y), got {type(validation_data).__name__}")
            x_val = self._images("validation_data[0]", validation_data[0])
            validation_data = x_val, self._labels("validation_data[1]", validation_data[1], len(x_val))
        if augment is not None and not isinstance(augment, Augment):
            raise TypeError(f"augment must be a cnn.Augment or None, got {augment!r}")
        settings = Settings(
            checks.integer("epochs", epochs, minimum=0),
            min(checks.integer("batch_size", batch_size, minimum=1), len(x)),
            bool(shuffle),
            seed,
            augment,
            checks.number("label_smoothing", label_smoothing, maximum=1.0),
        )
        optimizer = SGD(0.1) if optimizer is None else _optimizer(optimizer)
        run = Run(self, Data(x, y, validation_data), settings, optimizer, callbacks)
        if resume is None:
            return run.go(progress)
        from ..training.checkpoint import SavedRun

        return run.go(progress, SavedRun(resume, run))

    def _train(self, x, y, order, batch_size, optimizer, noise) -> tuple[np.ndarray, np.ndarray, int]:
        """Steps on the images that `order` names: loss and rightness of each image, and how many steps were done.

        All of them, unless a loss was not finite; the parameters are then as before that step.
        """
        threads = get_num_threads()
        key = batch_size, threads, self._runner_type()
        trainer, self._trainer = self._trainer, None  # another thread of Python makes its own
        if trainer is None or trainer[0] != key:
            trainer = key, self._runner(batch_size, threads, True)
        losses, right = np.empty(len(order)), np.empty(len(order), np.uint8)
        states = optimizer.states(self._parameters)
        factors = optimizer.factors(-(-len(order) // batch_size))
        done = trainer[1].train(
            self._parameters,
            self._statistics,
            *states,
            optimizer.rule,
            factors,
            noise,
            x,
            y,
            order,
            losses,
            right,
            threads,
        )
        self._trainer = trainer
        optimizer.done += done
        return losses[: done * batch_size], right[: done * batch_size], done

    def _runner(self, batch_size: int, threads: int, training: bool) -> Any:
        plan, kind = self._plan(batch_size, training), self._runner_type()
        layers = () if self.backend == "compiled" else (self.layers,)  # NumPy runs the layers, not their operations
        return kind(plan, *layers, threads, training)

    def _runner_type(self) -> Any:
        if self.backend == "compiled":
            return KERNELS[self.dtype.char].Runner
        from ..backends.numpy.runner import Runner

        return Runner

    def train_on_batch(self, x, y, optimizer) -> float:
        """One step on one batch; returns the loss before the update.

        Parameters
        ----------
        x, y
            As for `fit`.
        optimizer : Optimizer
            For this net alone, from step to step: it holds the velocities or moments.

        Raises
        ------
        TypeError, ValueError
            Arguments that are no images, labels or optimiser of this net.
        FloatingPointError
            The loss is NaN or infinite; the parameters are left as they were.
        """
        optimizer = _optimizer(optimizer)
        x = self._images("x", x)
        y = self._labels("y", y, len(x))
        self._noise = (self._noise + 1) % 2**63
        noise = Noise(seed=self._noise)
        losses, _, done = self._train(x, y, np.arange(len(x)), len(x), optimizer, noise)
        if not done:
            raise FloatingPointError("the loss is NaN or infinite; the parameters are left as they were")
        return float(losses.mean())

    # ---- prediction ----

    def predict_proba(self, x) -> np.ndarray:
        """Class probabilities of images.

        Parameters
        ----------
        x : array (n, *input_shape)
            Of any real dtype; one channel may be left out. No images give an empty result.

        Returns
        -------
        array (n, classes) in the net's dtype

        Raises
        ------
        TypeError, ValueError
            What are no images of this net.
        """
        return self._predict(self._images("x", x), probabilities=True)

    def predict(self, x) -> np.ndarray:
        """The class of the highest probability of each image.

        Parameters
        ----------
        x
            As for `predict_proba`.

        Returns
        -------
        array (n,) of int64

        Raises
        ------
        TypeError, ValueError
            What are no images of this net.
        """
        return self._predict(self._images("x", x), probabilities=False).argmax(axis=1)

    def evaluate(self, x, y) -> Evaluation:
        """Mean loss and accuracy on images and labels.

        Parameters
        ----------
        x, y
            As for `fit`.

        Returns
        -------
        Evaluation
            The mean cross-entropy in nats, and the fraction of right labels.

        Raises
        ------
        TypeError, ValueError
            What are no images or labels of this net, or none at all.
        """
        x = self._images("x", x)
        y = self._labels("y", y, len(x))
        logits = self._predict(x, probabilities=False)
        loss, probabilities, _ = self._ops.softmax_cross_entropy(logits, y)
        return Evaluation(loss, float(np.mean(probabilities.argmax(axis=1) == y)))

    def score(self, x, y) -> float:
        """The accuracy alone, under the name that scikit-learn's classifiers give it.

        Parameters
        ----------
        x, y
            As for `fit`.

        Raises
        ------
        TypeError, ValueError
            As for `evaluate`.
        """
        return self.evaluate(x, y).accuracy

    def _predict(self, x: np.ndarray, probabilities: bool) -> np.ndarray:
        out = np.empty((len(x), self.output_shape[0]), self.dtype)
        threads, kind = get_num_threads(), self._runner_type()
        try:
            runner = self._predictors.pop()  # one for each thread of Python that predicts at the same time
        except IndexError:
            runner = None
        if type(runner) is not kind or runner.threads < threads:
            runner = self._runner(BLOCK, threads, False)
        images = max(BLOCK, _PIXELS_A_CALL // math.prod(self.input_shape))
        if len(x) <= images:
            runner.predict(self._parameters, self._statistics, x, out, probabilities, threads)
        else:
            for i in range(0, len(x), images):
                part = slice(i, i + images)
                runner.predict(self._parameters, self._statistics, x[part], out[part], probabilities, threads)
        self._predictors.append(runner)
        return out

    def _images(self, name: str, x) -> np.ndarray:
        """Images as the runners read them: uint8 or float, in one piece."""
        # What is right already passes after a look of a few hundred nanoseconds, a tenth of a small prediction.
        if type(x) is np.ndarray and x.shape[1:] in self._image_shapes:
            dtype, flags = x.dtype, x.flags
            if dtype in (_UINT8, self.dtype) and flags.c_contiguous and flags.aligned:
                return x
        images = checks.images(name, x, self.input_shape)
        if images.dtype in _READ_DIRECTLY:
            return np.require(images, None, ["C", "A"])
        return checks.real(name, images, self.dtype)

    def _labels(self, name: str, y, n: int) -> np.ndarray:
        if n == 0:
            raise ValueError(f"{name} must hold at least one label, got none")
        return checks.labels(name, y, n, self.output_shape[0])


def _optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an optimiser, such as cnn.SGD(0.1), got {optimizer!r}")
    return optimizer
