"""Callbacks of a fit: what is called before, between and after its epochs. `Checkpoint` has a file of its own.

Any object with some of `Callback`'s methods is one. With `state()` and `restore(state)` beside them, what it remembers
is kept in checkpoints: a dict of arrays and of values that JSON has.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends import checks

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "TensorBoard"]

Logs = Mapping[str, Any]


class Callback:
    """What a fit calls; override what you need. Setting ``net.stop_training = True`` ends the fit after its epoch.

    `net` is the `cnn.Sequential` that is trained, `net.current_fit` the fit. A fit that a callback of yours has ended,
    at a time limit say, goes on from its checkpoint when it is resumed.
    """

    comes_last = False  # whether it is called after the others, because it writes down how they stand

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        """Before the first epoch. `logs` has epochs, and epoch: how many are done, if the fit is resumed."""

    def on_epoch_begin(self, net: Any, logs: Logs) -> None:
        """Before an epoch. `logs` has epoch (from 1), epochs and learning_rate, that of the epoch's first step."""

    def on_epoch_end(self, net: Any, logs: Logs) -> None:
        """After an epoch. `logs` also has loss, accuracy, seconds, images_per_second, val_loss, val_accuracy if any."""

    def on_fit_end(self, net: Any, logs: Logs) -> None:
        """After the last epoch, with epoch and epochs in `logs`; not after an error."""


class EarlyStopping(Callback):
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

    def __init__(self, monitor="val_loss", patience=3, min_delta=0.0, restore_best=True) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be the name of a figure, got {monitor!r}")
        self.monitor = monitor
        self.patience = checks.integer("patience", patience, minimum=1)
        self.min_delta = checks.number("min_delta", min_delta)
        self.restore_best = bool(restore_best)
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.waited = 0
        self._learned: dict[str, np.ndarray] = {}

    def on_fit_begin(self, net, logs):
        if self.monitor.startswith("val_") and net.current_fit.data.validation is None:
            raise ValueError(f"monitor {self.monitor!r} needs validation_data, got none")
        self._forget()

    def on_epoch_end(self, net, logs):
        if self.monitor not in logs:
            raise ValueError(f"monitor must be one of {', '.join(logs)}, got {self.monitor!r}")
        if self._is_better(logs[self.monitor]):
            self.best, self.waited = float(logs[self.monitor]), 0
            if self.restore_best:
                self._learned = net.snapshot()
            return
        self.waited += 1
        if self.has_ended_fit:
            net.stop_training = True

    @property
    def has_ended_fit(self) -> bool:
        """Whether the fit ended here for good, so that a checkpoint of it has nothing to go on with."""
        return self.waited >= self.patience

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return not math.isnan(value)  # which would be no best to compare with
        gain = value - self.best if "accuracy" in self.monitor else self.best - value
        return gain > self.min_delta

    def on_fit_end(self, net, logs):
        net.set_parameters(self._learned)

    def state(self) -> dict[str, Any]:
        """The best figure, how long ago it was, and what the net had learned then."""
        return {"best": self.best, "waited": self.waited, **self._learned}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.best, self.waited = state.pop("best"), state.pop("waited")
        self._learned = state


class CSVLogger(Callback):
    """Write the figures of every epoch to a CSV file, a row an epoch, at once.

    Parameters
    ----------
    path : str or pathlib.Path
    append : bool
        Add to the rows that the file has. A fit that is resumed always does, after the epoch where it goes on.

    Raises
    ------
    TypeError, ValueError
        `path` is no path; the file to append to has other columns.
    OSError
        The file cannot be written.
    """

    def __init__(self, path, append=False) -> None:
        self.path = checks.path("path", path)
        self.append = bool(append)

    def on_fit_begin(self, net, logs):
        self._epoch = logs["epoch"]
        with open(self.path, "a" if self.append or logs["epoch"] else "w"):
            pass  # an error now costs no epoch

    def on_epoch_end(self, net, logs):
        import csv  # which not every program needs

        self._epoch = logs["epoch"]
        with open(self.path, "a+", newline="", encoding="utf-8") as file:
            file.seek(0)
            columns = next(csv.reader(file), None)
            if columns is not None and columns != list(logs):
                raise ValueError(f"the columns of {self.path!r} must be {', '.join(logs)}, got {', '.join(columns)}")
            writer = csv.DictWriter(file, list(logs), lineterminator="\n")
            if columns is None:
                writer.writeheader()
            writer.writerow(logs)

    def state(self) -> dict[str, Any]:
        """How long the file is, and how many epochs are in it."""
        return {"bytes": os.path.getsize(self.path), "epoch": self._epoch}

    def restore(self, state: dict[str, Any]) -> None:
        """Take away the rows of epochs that are about to be done again; ValueError for rows that are none of these."""
        with open(self.path, "rb") as file:
            file.seek(state["bytes"])
            rows = file.read().decode(errors="replace").splitlines()
        again = [row.partition(",")[0] for row in rows]
        if again != [str(state["epoch"] + 1 + i) for i in range(len(again))]:
            raise ValueError(f"{self.path!r} has rows of another fit after those of this one; resume with another file")
        if rows:
            os.truncate(self.path, state["bytes"])


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

    def __init__(self, log_dir) -> None:
        self.log_dir = checks.path("log_dir", log_dir)
        self._writer: Any = None

    def on_fit_begin(self, net, logs):
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard needs tensorboardX: pip install 'cnn-c[tensorboard]'") from None
        self._close()
        # What was written of epochs that are done again is not to be shown.
        self._writer = SummaryWriter(self.log_dir, purge_step=logs["epoch"] + 1 if logs["epoch"] else None)

    def on_epoch_end(self, net, logs):
        for name, value in logs.items():
            if name not in ("epoch", "epochs"):
                self._writer.add_scalar(name, value, logs["epoch"])
        self._writer.flush()

    def on_fit_end(self, net, logs):
        self._close()

    def _close(self) -> None:  # of a fit that ended in an error, too, once the next one begins
        if self._writer is not None:
            self._writer.close()
            self._writer = None
