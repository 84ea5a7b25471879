"""Callbacks of a fit: what is called before, between and after its epochs.

`Checkpoint` and `CSVLogger`, which write files of their own, are in modules of their own.

Any object with some of `Callback`'s methods is one. With `state()` and `restore(state)` beside them, what it remembers
is kept in checkpoints: a dict of arrays and of values that JSON has.
"""

from __future__ import annotations

import inspect
import math
from os import PathLike
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from ..backends import checks, names
from ..backends.tables import call

__all__ = ["Callback", "EarlyStopping", "TensorBoard"]

Logs = dict[str, Any]


class Callback:
    """What a fit calls; override what you need. Setting ``net.stop_training = True`` ends the fit after its epoch.

    In `on_batch_end` it ends the fit after that batch. An epoch that is cut short has no validation, no `on_epoch_end`
    and no place in the history; a checkpoint stays that of the epoch before, and a fit that is resumed does the whole
    epoch again.

    `net` is the `cnn.Sequential` that is trained, `net.current_fit` the fit. A fit that a callback of yours has ended
    goes on from its checkpoint when it is resumed.

    Examples
    --------
    >>> import cnn
    >>> class Printing(cnn.Callback):
    ...     def on_epoch_end(self, net, logs):
    ...         print(f"epoch {logs['epoch']} of {logs['epochs']}")
    >>> data = cnn.datasets.load_strokes(train=100, test=0)
    >>> history = cnn.models.lenet5(seed=0).fit(
    ...     data.train_images, data.train_labels, epochs=2, callbacks=[Printing()], progress=False
    ... )
    epoch 1 of 2
    epoch 2 of 2
    """

    comes_first = False  # whether it is called before the others, because it changes the net that they see
    comes_last = False  # whether it is called after the others, because it writes down how they stand

    def __init_subclass__(cls) -> None:
        names.explain_arguments(cls)

    def __repr__(self) -> str:
        arguments = inspect.signature(type(self)).parameters
        return call(type(self), {name: getattr(self, name) for name in arguments if hasattr(self, name)})

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        """Before the first epoch. `logs` has epochs, and epoch: how many are done, if the fit is resumed."""

    def on_epoch_begin(self, net: Any, logs: Logs) -> None:
        """Before an epoch. `logs` has epoch (from 1), epochs and learning_rate, that of the epoch's first step."""

    def on_batch_end(self, net: Any, logs: Logs) -> None:
        """After a batch: `logs` has epoch, epochs, batch (from 1), batches, and the batch's loss, accuracy and rate.

        A fit whose callbacks have this method returns from compiled code after every batch, which takes time; others
        do many batches a call. `batches` is None where it is not known before the last batch. A loss that is NaN or
        infinite is told here, too: the step was not done, and the fit ends with FloatingPointError, or without, where
        `net.stop_training` is set.
        """

    def on_epoch_end(self, net: Any, logs: Logs) -> None:
        """After an epoch. `logs` also has loss, accuracy, seconds, images_per_second, val_loss, val_accuracy if any."""

    def on_fit_end(self, net: Any, logs: Logs) -> None:
        """After the last epoch, with epoch and epochs in `logs`; not after an error."""


class Monitoring(Callback):
    """What goes by a figure of each epoch."""

    def __init__(self, monitor: str) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be the name of a figure, got {monitor!r}")
        self.monitor = monitor

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        if self.monitor.startswith("val_") and net.current_fit.data.validation is None:
            raise ValueError(f"monitor {self.monitor!r} needs validation_data, got none")

    @property
    def more_is_better(self) -> bool:
        """Whether the figure is an accuracy."""
        return "accuracy" in self.monitor

    def figure(self, logs: Logs) -> float:
        """An epoch's figure; ValueError if there is none."""
        if self.monitor not in logs:
            raise ValueError(f"monitor must be one of {', '.join(logs)}, got {self.monitor!r}")
        return float(logs[self.monitor])


class Waiting(Monitoring):
    """The best figure so far, and how many epochs in a row were no better."""

    def __init__(self, monitor: str, patience: SupportsIndex, min_delta: SupportsFloat) -> None:
        super().__init__(monitor)
        self.patience = checks.integer("patience", patience, minimum=1)
        self.min_delta = checks.number("min_delta", min_delta)
        self.best: float | None = None
        self.waited = 0

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        super().on_fit_begin(net, logs)
        self.best, self.waited = None, 0

    def is_better(self, logs: Logs) -> bool:
        """Whether an epoch's figure is better than the best one, whose place it takes; ValueError if there is none."""
        value = self.figure(logs)
        if self.best is None:
            is_better = not math.isnan(value)  # which would be no best to compare with
        else:
            gain = value - self.best if self.more_is_better else self.best - value
            is_better = gain > self.min_delta
        if is_better:
            self.best = value
        self.waited = 0 if is_better else self.waited + 1
        return is_better

    def state(self) -> dict[str, Any]:
        """The best figure, and how many epochs have passed since it."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned; ValueError for anything else."""
        best, waited = state.get("best", ""), state.get("waited")
        if not (best is None or type(best) is float) or type(waited) is not int:
            raise ValueError(f"best must be a float or None, and waited an integer, got {best!r} and {waited!r}")
        self.best, self.waited = best, waited


class EarlyStopping(Waiting):
    """End a fit that no longer gets better, and set the net back to its best epoch.

    Parameters
    ----------
    monitor : str
        A figure of an epoch's logs: of a name with "accuracy" more is better, of any other less.
    patience : int
        The fit ends after so many epochs in a row that were no better than the best one.
    min_delta : float
        By how much at least an epoch must be better to count.
    restore_best : bool
        At the end of the fit, also of one that was not stopped.

    Raises
    ------
    TypeError, ValueError
        Arguments out of range; at the beginning of a fit, a figure of validation data where there are none; after its
        first epoch, a `monitor` that is not among the logs.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: SupportsIndex = 3,
        min_delta: SupportsFloat = 0.0,
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, patience, min_delta)
        self.restore_best = bool(restore_best)
        self._learned: dict[str, np.ndarray] = {}

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        super().on_fit_begin(net, logs)
        self._learned = {}

    def on_epoch_end(self, net: Any, logs: Logs) -> None:
        if self.is_better(logs) and self.restore_best:
            self._learned = net.snapshot()
        if self.has_ended_fit:
            net.stop_training = True

    @property
    def has_ended_fit(self) -> bool:
        """Whether the fit ended here for good, so that a checkpoint of it has nothing to go on with."""
        return self.waited >= self.patience

    def on_fit_end(self, net: Any, logs: Logs) -> None:
        net.set_parameters(self._learned)

    def state(self) -> dict[str, Any]:
        """The best figure, how long ago it was, and what the net had learned then."""
        return {**super().state(), **self._learned}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned; ValueError for anything else."""
        super().restore(state)
        self._learned = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}


class TensorBoard(Callback):
    """Write the figures of every epoch for TensorBoard.

    Parameters
    ----------
    log_dir : str or pathlib.Path
        Made if it is not there.

    Raises
    ------
    ImportError
        At the beginning of a fit, if the package tensorboardX is not installed.
    """

    def __init__(self, log_dir: str | PathLike[str]) -> None:
        self.log_dir = checks.path("log_dir", log_dir)
        self._writer: Any = None

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard needs tensorboardX: pip install 'cnn-c[tensorboard]'") from None
        self._close()
        # What was written of epochs that are done again is not to be shown.
        self._writer = SummaryWriter(self.log_dir, purge_step=logs["epoch"] + 1 if logs["epoch"] else None)

    def on_epoch_end(self, net: Any, logs: Logs) -> None:
        for name, value in logs.items():
            if name not in ("epoch", "epochs"):
                self._writer.add_scalar(name, value, logs["epoch"])
        self._writer.flush()

    def on_fit_end(self, net: Any, logs: Logs) -> None:
        self._close()

    def _close(self) -> None:  # of a fit that ended in an error, too, once the next one begins
        if self._writer is not None:
            self._writer.close()
            self._writer = None
