"""`Sequential`: layers one after the other, trained to make the loss of the last one's outputs small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex

import numpy as np

from ..backends import checks, names
from ..backends.calls import Batches
from ..backends.numpy.loss import sigmoid
from ..backends.select import operations
from ..backends.tables import LINE, one_line, without_middle
from ..layers.base import Layer
from ..losses import checked_loss, rule_of
from ..training.history import History
from ..training.optimizer import checked_optimizer
from ..training.optimizers import SGD
from ..training.scale import advice, image_range
from .evaluation import Evaluation, evaluation
from .inputs import Inputs
from .state import NetState

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from ..backends.annotations import Backend, DType, Floats, Labels, Seed, Shape
    from ..losses import AnyLoss
    from ..training.augment import Augment
    from ..training.hooks import AnyCallback
    from ..training.interfaces import RunningFit
    from ..training.optimizer import Optimizer
    from .summary import Row

_VARIABLE = ("stop_training", "step_seed", "history")  # attributes that may be assigned once the net is made
_FIXED = ("layers", "backend", "dtype", "input_shape", "output_shape", "loss", "inputs", "executor")
_MOST_LAYERS = 20  # that `repr` shows


class Sequential(NetState):
    """A stack of layers; the loss says what it is for, without one the classification of images.

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
    loss : Loss, callable or None
        One of `cnn.losses`, or a function ``loss(outputs, targets) -> (mean loss, d_outputs)``, which a step calls in
        Python with the batch's outputs (n, outputs) and targets. None stands for `cnn.losses.SoftmaxCrossEntropy()`,
        of which the last layer gives the logits.

    Attributes
    ----------
    history : History or None
        The epochs that the last fit has done so far, also when it was interrupted; None before the first fit. It is
        copied and pickled with the net, but not saved.

    Raises
    ------
    TypeError, ValueError
        What is no layer, or layers whose shapes do not fit.
    """

    history: History | None = None
    stop_training = False  # set to True, it ends the fit after its epoch

    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: Shape,
        dtype: DType = "float32",
        seed: Seed = None,
        backend: Backend = "compiled",
        loss: AnyLoss | None = None,
    ) -> None:
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a sequence of layers, got {layers!r}")
        self.layers = tuple(layers)
        operations(backend)  # a wrong name is found before any layer is built
        self.backend = backend
        self.dtype = checks.dtype(dtype)
        self.loss = checked_loss("loss", loss)
        if not self.layers:
            raise ValueError("layers must hold at least one layer")
        rng = checks.generator("seed", seed)
        self.input_shape, self.output_shape = self._build(checks.image_shape("input_shape", input_shape), rng)
        self.inputs = Inputs(self.input_shape, self.output_shape[0], self.dtype, backend, self.loss)
        self._gather()
        self.step_seed = int(rng.integers(2**63))  # of what is random in the last step of train_on_batch
        for layer in self.layers:
            layer.in_net = True

    def _build(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Build all layers, if each of them can be in this net; the shapes of its inputs and outputs."""
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{i}] must be a layer, got {layer!r}")
            if layer in self.layers[:i]:
                raise ValueError(f"layers[{i}] stands in the net twice; make a layer for each place")
            if layer.in_net:
                raise ValueError(
                    f"layers[{i}] is in another net already; make a layer for each net, or take a trained net's first "
                    "layers with Sequential.from_layers(trained, upto, head)"
                )
            layer.backend = self.backend
            shape = layer.build(shape, dtype=self.dtype, seed=rng).output_shape
        if len(shape) != 1:
            raise ValueError(f"the last layer must give one row of logits an image, got shape {shape}; add Dense")
        return self.layers[0].input_shape, shape

    @classmethod
    def from_layers(
        cls,
        trained: Sequential,
        upto: SupportsIndex | str | None = None,
        head: Iterable[Layer] = (),
        *,
        freeze: bool = True,
        seed: Seed = None,
        loss: AnyLoss | None = None,
    ) -> Self:
        """A new net of copies of a trained net's first layers, with what they have learned, and new layers after them.

        Input shape, dtype and backend are those of `trained`, which stays as it is.

        Parameters
        ----------
        trained : Sequential
        upto : int, str or None
            How many layers, or the name of the first one that is left out, such as "flatten_1"; None leaves out the
            last `Dense` and what comes after it.
        head : sequence of layers
        freeze : bool
            Whether the copies stay as they are while the new net is trained: their `trainable` is False then.
        seed : int or None
            Of the head's initial parameters.
        loss : Loss, callable or None
            None stands for that of `trained`.

        Raises
        ------
        TypeError, ValueError
            What is no net, no layer of it, or no layer; layers whose shapes do not fit; a layer of somebody else's that
            cannot be made anew.
        """
        from .transfer import transferred

        return transferred(cls, trained, upto, head, freeze, seed, loss)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _VARIABLE and "executor" in vars(self):
            if name in _FIXED:
                raise AttributeError(f"{name} of a {type(self).__name__} cannot be changed; make another net")
            if names.is_ours(type(self)):  # a subclass of somebody else's may have attributes of its own
                raise names.attribute_error(self, name, _VARIABLE)
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        lines = [one_line(f"{layer!r},", LINE - 4) for layer in self.layers]
        layers = "".join(f"    {line}\n" for line in without_middle(lines, _MOST_LAYERS, "# ... {} more layers".format))
        return f"Sequential([\n{layers}], input_shape={self.input_shape}, dtype={self.dtype.name!r})"

    def _repr_html_(self) -> str:
        from .summary import summary_html

        return summary_html(self.layers, type(self).__name__, self.dtype.name)

    def plan(self, batch_size: SupportsIndex = 32) -> None:
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
        plan = self.executor.plan(checks.integer("batch_size", batch_size, minimum=1), training=True)
        print(plan.table(self.dtype.itemsize))

    def summary(self) -> None:
        """Print a table: layer, output shape, parameters, and multiply-adds of one image's forward pass."""
        from .summary import summary_table

        print(summary_table(self.layers))

    def summary_rows(self, times: str = "x") -> list[Row]:
        """What `summary` prints: a row for each layer, and one for all.

        Parameters
        ----------
        times : str
            What stands between the sizes of a shape.

        Raises
        ------
        TypeError
            `times` is no text.
        """
        from .summary import summary_rows

        return summary_rows(self.layers, times)

    # ---- training ----

    @property
    def current_fit(self) -> RunningFit | None:
        """The fit that trains the net, for its callbacks; None while there is none."""
        fit: RunningFit | None = self.executor.access.fit
        return fit

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        epochs: SupportsIndex = 1,
        batch_size: SupportsIndex = 32,
        optimizer: Optimizer | None = None,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        shuffle: bool = True,
        seed: Seed = None,
        callbacks: Iterable[AnyCallback] = (),
        progress: Literal["auto"] | bool = "auto",
        augment: Augment | None = None,
        label_smoothing: SupportsFloat | None = None,
        class_weight: Mapping[int, SupportsFloat] | Literal["balanced"] | None = None,
        sample_weight: ArrayLike | None = None,
        resume: str | PathLike[str] | None = None,
    ) -> History:
        """Train on images and labels.

        Parameters
        ----------
        x : array (n, *input_shape)
            Any real dtype; uint8 images are converted batch by batch.
        y : array
            Integer labels (n,), one-hot rows or rows of probabilities (n, classes); for another loss than the
            cross-entropy, rows (n, outputs).
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
        label_smoothing : float from 0 to 1, or None
            How much of every label is spread evenly over all classes in this fit; None leaves it to the net's loss.
        class_weight : dict of class to float, "balanced" or None
            What an image counts, by its label; 1 for a class that is not in the dict. "balanced" gives each class the
            same sum: images / (classes * images of the class), as in scikit-learn.
        sample_weight : array (n,) or None
            What each image counts. Both weights are multiplied. A batch's loss is sum(weight * loss) / sum(weight), as
            in PyTorch's `CrossEntropyLoss(weight=...)` and scikit-learn's `MLPClassifier`; Keras divides by the number
            of images instead. With label smoothing an image's whole loss counts so much, where PyTorch weighs
            each class's part of it. The accuracy of a fit is not weighted.
        resume : str, pathlib.Path or None
            A file that a `cnn.Checkpoint` wrote: the fit goes on from there, and ends as the one that wrote it would
            have ended, with the same bits. All other arguments have to be those of that fit; of callbacks, those
            that remember something have to be of the same kinds. What callbacks had assigned to the optimiser, such as
            its learning rate, is in the file.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            Arguments that are no images or labels of this net, or out of range; a file to resume from that is no
            checkpoint of this fit; before a step, a rate of a schedule that is negative, NaN or infinite: the
            parameters are those of an earlier step then.
        OSError
            There is no file to resume from.
        RuntimeError
            The net is being trained, by another thread or by the fit whose callback calls this one: one caller trains
            it at a time. Another thread may predict, save, copy or set the net meanwhile.
        FloatingPointError
            The loss became NaN or infinite, or a parameter did. The message names epoch and step; the parameters
            are set back to those of the end of the last epoch.
        """
        from ..training.fit import Fit  # plans and fits are imported when they are made
        from ..training.settings import Data, checked_settings
        from ..training.weights import image_weights

        access, caller = self.executor.access, object()
        try:
            access.claim(caller, "fit")
            x = self.inputs.images("x", x)
            y = self.inputs.targets("y", y, len(x))
            validation = None if validation_data is None else self.inputs.pair("validation_data", validation_data)
            settings = checked_settings(
                len(x),
                epochs=epochs,
                batch_size=batch_size,
                shuffle=shuffle,
                seed=seed,
                augment=augment,
                label_smoothing=label_smoothing,
                loss=self.loss,
            )
            weights = image_weights(self.loss, y, self.output_shape[0], class_weight, sample_weight)
            optimizer = SGD(0.1) if optimizer is None else checked_optimizer(optimizer)
            fit = access.callers[caller] = Fit(self, Data(x, y, validation, weights), settings, optimizer, callbacks)
            return fit.train(progress, resume)
        finally:
            access.callers.pop(caller, None)

    def train_on_batch(self, x: ArrayLike, y: ArrayLike, optimizer: Optimizer) -> float:
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
            Arguments that are no images, labels or optimiser of this net; a rate of a schedule that is none.
        RuntimeError
            The net is being trained, as for `fit`.
        FloatingPointError
            The loss is NaN or infinite; the parameters are left as they were.
        """
        optimizer = checked_optimizer(optimizer)
        x = self.inputs.images("x", x)
        y = self.inputs.targets("y", y, len(x))
        losses, correct = np.empty(len(x)), np.empty(len(x), np.uint8)
        access, caller = self.executor.access, object()
        try:
            access.claim(caller, "train_on_batch")
            if self.inputs.fitted is None:
                self.inputs.fit_to(image_range(x))
            self.step_seed = (self.step_seed + 1) % 2**63
            batch = Batches(x, y, np.arange(len(x)), losses, correct, self.step_seed, loss=rule_of(self.loss))
            done = optimizer.done
            if not self.executor.train(len(x), batch, optimizer.next_update(self.executor.learned, steps=1)):
                cause = advice(self.layers, image_range(x))
                raise FloatingPointError(f"the loss is NaN or infinite; the parameters are left as they were: {cause}")
            optimizer.done = done + 1
        finally:
            access.callers.pop(caller, None)
        return float(losses.mean())

    # ---- prediction ----

    def predict_proba(self, x: ArrayLike) -> Floats:
        """Class probabilities of images, or of each output that of a yes; of a net for labels or for yes and no.

        Parameters
        ----------
        x : array (n, *input_shape)
            Of any real dtype; one channel may be left out. No images give an empty result.

        Returns
        -------
        array (n, outputs) in the net's dtype

        Raises
        ------
        TypeError, ValueError
            What are no images of this net.
        RuntimeError
            The net's loss is one for values.
        """
        x, targets = self.inputs.to_predict(x), getattr(self.loss, "targets", "values")
        if targets == "values":
            raise RuntimeError(f"a net trained by {self.loss!r} gives no probabilities; call predict")
        outputs = self.executor.predict(x, targets == "labels")
        return outputs if targets == "labels" else sigmoid(outputs)

    def predict_logits(self, x: ArrayLike) -> Floats:
        """The last layer's outputs, of which `predict_proba` gives the softmax.

        Parameters
        ----------
        x
            As for `predict_proba`.

        Returns
        -------
        array (n, classes) in the net's dtype

        Raises
        ------
        TypeError, ValueError
            What are no images of this net.
        """
        return self.executor.predict(self.inputs.to_predict(x), False)

    def predict(self, x: ArrayLike) -> Labels | Floats:
        """What the net reads in each image, in the form of its targets.

        Parameters
        ----------
        x
            As for `predict_proba`.

        Returns
        -------
        array
            Of a net for labels, the class of the highest probability: (n,) of int64. With `BinaryCrossEntropy`, 1
            where a probability is above one half, else 0: (n, outputs) of int64. Of a net for values, its outputs:
            (n, outputs) in the net's dtype.

        Raises
        ------
        TypeError, ValueError
            What are no images of this net.
        """
        outputs = self.executor.predict(self.inputs.to_predict(x), False)
        targets = getattr(self.loss, "targets", "values")
        if targets == "labels":
            return outputs.argmax(axis=1)
        return (outputs > 0).astype(np.int64) if targets == "bits" else outputs

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> Evaluation:
        """Mean loss and accuracy on images and labels.

        Parameters
        ----------
        x, y
            As for `fit`.

        Returns
        -------
        Evaluation
            The mean loss, such as the cross-entropy in nats, and the fraction of images that are right.

        Raises
        ------
        TypeError, ValueError
            What are no images or labels of this net, or none at all.
        """
        x = self.inputs.to_predict(x)
        y = self.inputs.targets("y", y, len(x))
        return evaluation(self.loss, self.executor.predict(x, False), y, self._ops)

    def evaluate_logits(self, logits: np.ndarray, y: ArrayLike) -> Evaluation:
        """What `evaluate` returns, from what `predict_logits` returned: for those who need the predictions, too.

        Parameters
        ----------
        logits : array (n, classes)
            Of all images, in the net's dtype.
        y
            As for `fit`.

        Raises
        ------
        TypeError, ValueError
            What are no labels of so many images, or none at all.
        """
        return evaluation(self.loss, logits, self.inputs.targets("y", y, len(logits)), self._ops)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """The accuracy alone, under the name that scikit-learn's classifiers give it; NaN where there is none.

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
