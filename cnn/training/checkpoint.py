"""`Checkpoint`: a fit on disk between two epochs, so that one that was killed goes on and ends with the same bits.

A checkpoint is a net's file with more in it: the optimiser's arrays and steps, the generator, the history, what the
callbacks remember, and the arguments of the fit, which have to be the same when it is resumed. `saved_fit` reads it.
"""

from __future__ import annotations

import json
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

import cnn_c

from ..backends import checks
from ..storage import archive, description
from ..storage.atomic import checked_target
from ..storage.description import FIT
from .callbacks import Callback
from .fingerprint import in_json
from .saved_optimizer import arguments_to_save, described

if TYPE_CHECKING:
    from .interfaces import Net, RunningFit


class Checkpoint(Callback):
    """Write the fit to a file while it runs; ``net.fit(..., resume=path)`` goes on from there.

    The file is a net's file, too: `cnn.load` gives the net. It is replaced in one moment, and whole at any time.

    Parameters
    ----------
    path : str or pathlib.Path
    every : int
        Epochs from one writing to the next; the end of the fit is written, too, and an epoch after which another
        callback ended it.

    Raises
    ------
    TypeError, ValueError
        `path` is no path, `every` no positive integer; a layer that is none of this package; after an epoch, a
        callback that has changed the fit's optimiser into what no file can hold, such as a schedule of its own.
    OSError
        The file cannot be written; one from before is then as it was.
    """

    comes_last = True  # of all callbacks: what they remember is written, too

    def __init__(self, path: str | PathLike[str], every: SupportsIndex = 1) -> None:
        self.path = checks.path("path", path)
        self.every = checks.integer("every", every, minimum=1)

    def on_fit_begin(self, net: Any, logs: dict[str, Any]) -> None:
        checked_target(self.path)  # an error now costs no epoch
        self._fingerprint = net.current_fit.fingerprint

    def on_epoch_end(self, net: Any, logs: dict[str, Any]) -> None:
        if (logs["epoch"] % self.every == 0 or net.stop_training) and not _is_finished(net.current_fit):
            self._write(net.current_fit, finished=False)

    def on_fit_end(self, net: Any, logs: dict[str, Any]) -> None:
        # Else the net may have been set back to its best epoch, from which nothing goes on.
        if _is_finished(net.current_fit):
            self._write(net.current_fit, finished=True)

    def _write(self, fit: RunningFit, finished: bool) -> None:
        callbacks, tensors = _split_callbacks(fit)
        arrays = fit.optimizer.arrays(fit.net.executor.learned.parameters)
        tensors |= {f"{FIT}/optimizer/{i}": array for i, array in enumerate(arrays)}
        tensors |= {f"{FIT}/history/{name}": np.array(figures) for name, figures in fit.history._asdict().items()}
        state = {
            "fingerprint": self._fingerprint,
            "epoch": fit.epoch,
            "finished": finished,
            "optimizer": arguments_to_save(
                fit.optimizer, in_json(described(fit.optimizer)), self._fingerprint["optimizer"]
            ),
            "steps": fit.optimizer.done,
            "level": level_of(fit.net),
            "generator": fit.rng.bit_generator.state,
            "callbacks": callbacks,
        }
        document = {**description.document(fit.net), FIT: json.loads(json.dumps(state, default=_plain))}
        archive.write(self.path, document, {**fit.net.snapshot(), **tensors})


def _is_finished(fit: RunningFit) -> bool:
    return fit.epoch == fit.settings.epochs or any(getattr(each, "has_ended_fit", False) for each in fit.callbacks)


def _plain(value: Any) -> Any:
    """Arrays of a generator, and numbers of NumPy's, in values that JSON has."""
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"the state of a callback must be arrays and values that JSON has, got {value!r}")
    return value.tolist()


def level_of(net: Net) -> str:
    """What decides the last bits beside the arguments of a fit: the instruction set, if any kernel runs."""
    return cnn_c.LEVEL if net.backend == "compiled" else net.backend


def remembering(fit: RunningFit) -> list[Any]:
    """The callbacks that have something to remember."""
    return [callback for callback in fit.callbacks if hasattr(callback, "state") and hasattr(callback, "restore")]


def _split_callbacks(fit: RunningFit) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """What the callbacks remember: in JSON, and the arrays."""
    entries: list[dict[str, Any]] = []
    tensors: dict[str, np.ndarray] = {}
    for i, callback in enumerate(remembering(fit)):
        state = callback.state()
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        tensors |= {f"{FIT}/callbacks/{i}/{name}": value for name, value in arrays.items()}
        values = {name: value for name, value in state.items() if name not in arrays}
        entries.append({"callback": type(callback).__name__, "state": values})
    return entries, tensors
