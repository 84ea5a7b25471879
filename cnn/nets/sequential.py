"""`Sequential`: layers one after the other, trained to make the loss of the last one's outputs small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex

import numpy as np

from ..backends import checks, names
from ..backends.calls import Batches
from ..backends.select import operations
from ..backends.tables import LINE, one_line, without_middle
from ..layers.base import Layer
from ..layers.weighted import with_activations
from ..losses import checked_loss, rule_of
from ..training.history import History
from ..training.optimizer import checked_optimizer
from ..training.optimizers import SGD
from ..training.scale import advice, image_range
from .inputs import Inputs
from .prediction import PredictingNet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..backends.annotations import Backend, DType, Seed, Shape
    from ..losses import AnyLoss
    from ..training.augment import Augment
    from ..training.hooks import AnyCallback
    from ..training.interfaces import RunningFit
    from ..training.optimizer import Optimizer
    from .summary import Row

_VARIABLE = ("stop_training", "step_seed", "history", "classes")  # attributes that may be assigned once the net is made
_FIXED = ("layers", "backend", "dtype", "input_shape", "output_shape", "loss", "inputs", "executor")
_MOST_LAYERS = 20  # that `repr` shows


class Sequential(PredictingNet):
    """A stack of layers; the loss says what it is for, without one the classification of images.

    Parameters
    ----------
    layers : sequence of layers
        Used by this net alone: a layer cannot be in two. The `activation` of one becomes the layer behind it.
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

    Examples
    --------
    >>> import cnn
    >>> net = cnn.Sequential([cnn.Conv2D(4, 3), cnn.ReLU(), cnn.Flatten(), cnn.Dense(10)], input_shape=(8, 8, 1))
    >>> net.summary()
    layer      output shape    parameters   MACs
    --------------------------------------------
    conv2d_1   6 x 6 x 4               40  1,296
    relu_1     6 x 6 x 4                0      0
    flatten_1  144                      0      0
    dense_1    10                   1,450  1,440
    --------------------------------------------
    total      from 8 x 8 x 1       1,490  2,736
    """

    history: History | None = None
    stop_training = False  # set to True, it ends the fit after its epoch, in on_batch_end after its batch

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
        self.layers = tuple(with_activations(layers))
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

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _VARIABLE and "executor" in vars(self):
            if name in _FIXED:
                raise AttributeError(f"{name} of a {type(self).__name__} cannot be changed; make another net")
            if names.is_ours(type(self)):  # a subclass of somebody else's may have attributes of its own
                raise names.attribute_error(self, name, _VARIABLE)
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:  # to a type checker, any attribute would be there

        def __getattr__(self, name: str) -> Any:
            raise names.missing_attribute(self, name)

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

        Examples
        --------
        >>> import cnn
        >>> cnn.models.two_conv().plan(32)
        operation        layers                         output        bytes     MACs
        ----------------------------------------------------------------------------
        load             rescaling_1                    28 x 28 x 1   3,136        0
        image conv+pool  conv2d_1, relu_1, maxpool2d_1  14 x 14 x 8   6,272   56,448
        conv+pool        conv2d_2, relu_2, maxpool2d_2  7 x 7 x 16    3,136  225,792
        dense            dense_1, relu_3                128             512  100,352
        dense            dense_2                        10               40    1,280
        ----------------------------------------------------------------------------
        total                                                        40,448  383,872
        <BLANKLINE>
        32 images: 16 chunks of at most 2, blocks of 16; 4,288 bytes an image until the update, 36,160 within a block
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

    @names.explains_arguments
    def fit(
        self,
        x: ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        epochs: SupportsIndex = 1,
        batch_size: SupportsIndex | None = None,
        optimizer: Optimizer | None = None,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        shuffle: bool | None = None,
        seed: Seed = None,
        callbacks: Iterable[AnyCallback] = (),
        progress: Literal["auto"] | bool = "auto",
        augment: Augment | None = None,
        label_smoothing: SupportsFloat | None = None,
        class_weight: Mapping[int, SupportsFloat] | Literal["balanced"] | None = None,
        sample_weight: ArrayLike | None = None,
        resume: str | PathLike[str] | None = None,
        validation_split: SupportsFloat = 0.0,
        steps_per_epoch: SupportsIndex | None = None,
        comm: Any = None,
    ) -> History:
        """Train on images and labels.

        Parameters
        ----------
        x : array (n, *input_shape), or iterable of batches
            Any real dtype; uint8 images are converted batch by batch. Batches are pairs (x, y) of any sizes, as from a
            list, a generator or PyTorch's DataLoader, and `y` is left out: a list or DataLoader is gone through anew
            in each epoch, a generator goes on.
        y : array
            Integer labels (n,), one-hot rows or rows of probabilities (n, classes); for another loss than the
            cross-entropy, rows (n, outputs).
        epochs : int
        batch_size : int or None
            None stands for 32. The last batch of an epoch may be smaller.
        optimizer : Optimizer or None
            `SGD`, `Adam` or `AdamW`; None stands for `SGD(0.1)`.
        validation_data : (x, y) or None
            Evaluated after every epoch.
        shuffle : bool or None
            Draw a new order of the images for every epoch, from `seed`; None stands for True.
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
        validation_split : float from 0 to 1
            In place of `validation_data`, how much of x and y is kept for the validation: the last part of them as
            they are given, before any shuffling, as in Keras.
        steps_per_epoch : int or None
            How many batches are an epoch, where x gives batches: of a generator for several epochs, and where a
            schedule has to know the number of steps and x has no length.
        comm : mpi4py.MPI.Intracomm or None
            Several processes train this net together, as with ``comm=MPI.COMM_WORLD``: each of them calls `fit` with
            the same arguments, but for x, which may be its part (`cnn.datasets.shard`), and has its part of every
            batch. All begin with the net and the optimiser of rank 0, and end with the same bits, whatever the number
            of processes and threads. Rank 0 alone calls callbacks and prints. Needs compiled kernels, and arrays.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            Arguments that are no images or labels of this net, out of range, or without meaning for batches; a file to
            resume from that is no checkpoint of this fit. In the middle of a fit, whose parameters are then those of
            an earlier step: a batch that is none, or too few of them; a rate of a schedule that is negative, NaN or
            infinite. With `comm`, arguments that are not the same on all ranks.
        OSError
            There is no file to resume from.
        RuntimeError
            The net is being trained, by another thread or by the fit whose callback calls this one: one caller trains
            it at a time. Another thread may predict, save, copy or set the net meanwhile. With `comm`, another rank
            has failed.
        FloatingPointError
            The loss became NaN or infinite, or a parameter did. The message names epoch and step; the parameters
            are set back to those of the end of the last epoch.

        Examples
        --------
        >>> import cnn
        >>> data = cnn.datasets.load_strokes(train=500, test=100)  # digits that a simulated pen draws
        >>> net = cnn.models.tutorial(seed=0)
        >>> history = net.fit(data.train_images, data.train_labels, epochs=3, seed=0, progress=False)
        >>> net.score(data.test_images, data.test_labels) > 0.5  # 0.1 by chance
        True
        """
        from ..training.new_fit import new_fit, ranks_of  # plans and fits are imported when they are made
        from ..training.settings import checked_settings
        from .fit_data import checked_data

        access, caller = self.executor.access, object()
        with ranks_of(comm) as ranks:
            try:
                access.claim(caller, "fit")
                data = checked_data(
                    self.inputs,
                    self.loss,
                    x,
                    y,
                    validation_data,
                    validation_split,
                    epochs,
                    steps_per_epoch,
                    batch_size=batch_size,
                    shuffle=shuffle,
                    resume=resume,
                    class_weight=class_weight,
                    sample_weight=sample_weight,
                )
                settings = checked_settings(
                    data.images or 0,
                    epochs=epochs,
                    batch_size=batch_size,
                    shuffle=shuffle,
                    seed=seed,
                    augment=augment,
                    label_smoothing=label_smoothing,
                    loss=self.loss,
                )
                optimizer = SGD(0.1) if optimizer is None else checked_optimizer(optimizer)
                fit = access.callers[caller] = new_fit(self, data, settings, optimizer, callbacks, ranks)
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

        Examples
        --------
        >>> import cnn
        >>> data = cnn.datasets.load_strokes(train=32, test=0)
        >>> net, optimizer = cnn.models.tutorial(seed=0), cnn.SGD(0.1)
        >>> losses = [net.train_on_batch(data.train_images, data.train_labels, optimizer) for step in range(10)]
        >>> losses[-1] < losses[0]
        True
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
