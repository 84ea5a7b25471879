"""Checkpoints: a fit on disk between two epochs, so that one that was killed goes on and ends with the same bits.

A checkpoint is a net's file with more in it: the optimiser's arrays and steps, the generator, the history, what the
callbacks remember, and the arguments of the fit, which have to be the same when it is resumed.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import cnn_c

from ..backends import checks
from ..storage import archive
from ..storage import description as saving
from ..storage.atomic import checked_target
from ..storage.description import RUN
from .callbacks import Callback
from .fingerprint import is_digest
from .fit import History

if TYPE_CHECKING:
    from .fit import Run


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
        `path` is no path, `every` no positive integer; a layer that is none of this package.
    OSError
        The file cannot be written; one from before is then as it was.
    """

    comes_last = True  # of all callbacks: what they remember is written, too

    def __init__(self, path, every=1) -> None:
        self.path = checks.path("path", path)
        self.every = checks.integer("every", every, minimum=1)

    def on_fit_begin(self, net, logs):
        checked_target(self.path)  # an error now costs no epoch
        self._fingerprint = net.run.fingerprint

    def on_epoch_end(self, net, logs):
        if (logs["epoch"] % self.every == 0 or net.stop_training) and not _is_finished(net.run):
            self._write(net.run, finished=False)

    def on_fit_end(self, net, logs):
        if _is_finished(net.run):  # else the net may have been set back to its best epoch, from which nothing goes on
            self._write(net.run, finished=True)

    def _write(self, run: Run, finished: bool) -> None:
        callbacks, tensors = _split_callbacks(run)
        tensors |= {f"{RUN}/optimizer/{i}": array for i, array in enumerate(run.optimizer.arrays(run.net._parameters))}
        tensors |= {f"{RUN}/history/{name}": np.array(figures) for name, figures in run.history._asdict().items()}
        state = {
            "fingerprint": self._fingerprint,
            "epoch": run.epoch,
            "finished": finished,
            "steps": run.optimizer.done,
            "level": _level(run),
            "generator": run.rng.bit_generator.state,
            "callbacks": callbacks,
        }
        document = {**saving.document(run.net), RUN: json.loads(json.dumps(state, default=_plain))}
        archive.write(self.path, document, {**run.net.state(), **tensors})


def _is_finished(run: Run) -> bool:
    return run.epoch == run.settings.epochs or any(getattr(each, "has_ended_fit", False) for each in run.callbacks)


def _plain(value: Any) -> Any:
    """Arrays of a generator, and numbers of NumPy's, in values that JSON has."""
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"the state of a callback must be arrays and values that JSON has, got {value!r}")
    return value.tolist()


def _level(run: Run) -> str:
    """What decides the last bits beside the arguments: the instruction set, if any kernel runs."""
    return cnn_c.LEVEL if run.net.backend == "compiled" else run.net.backend


def _remembering(run: Run) -> list[Any]:
    """The callbacks that have something to remember."""
    return [callback for callback in run.callbacks if hasattr(callback, "state") and hasattr(callback, "restore")]


def _split_callbacks(run: Run) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """What the callbacks remember: in JSON, and the arrays."""
    entries: list[dict[str, Any]] = []
    tensors: dict[str, np.ndarray] = {}
    for i, callback in enumerate(_remembering(run)):
        state = callback.state()
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        tensors |= {f"{RUN}/callbacks/{i}/{name}": value for name, value in arrays.items()}
        values = {name: value for name, value in state.items() if name not in arrays}
        entries.append({"callback": type(callback).__name__, "state": values})
    return entries, tensors


class Standing(NamedTuple):
    """How far the fit in a checkpoint has come, of how many epochs."""

    epoch: int
    epochs: int
    finished: bool
    history: History


def standing(path) -> Standing:
    """How far the fit in a checkpoint has come; the fit itself is not needed.

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It is no checkpoint, or is damaged.
    """
    path = checks.path("path", path)
    with saving.reading(path), archive.Archive(path) as file:
        document = _run_document(file)
        tensors = file.tensors()
        return Standing(
            _field(document, "epoch", int),
            _field(_field(document, "fingerprint", dict), "epochs", int),
            _field(document, "finished", bool),
            History(*(tensors[f"{RUN}/history/{name}"].tolist() for name in History._fields)),
        )


class SavedRun:
    """A checkpoint that has been read, and found to be one of the fit `run`.

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It is no checkpoint, is damaged, or is one of a fit with other arguments; these are named.
    """

    def __init__(self, path, run: Run) -> None:
        self.path = checks.path("resume", path)
        with saving.reading(self.path), archive.Archive(self.path) as file:
            document = _run_document(file)
            fingerprint = _field(document, "fingerprint", dict)
            callbacks = [archive.mapping("callbacks", entry) for entry in _field(document, "callbacks", list)]
            saved_names = [_field(entry, "callback", str) for entry in callbacks]
            self._states = [_field(entry, "state", dict) for entry in callbacks]
            self._tensors = file.tensors()
        names = [type(callback).__name__ for callback in _remembering(run)]
        _compare(self.path, fingerprint | {"callbacks": saved_names}, run.fingerprint | {"callbacks": names})
        with saving.reading(self.path):
            saving.compare_shapes({name: value.shape for name, value in run.net.state().items()}, file)
            self._generator = _generator(run.rng, _field(document, "generator", dict))
            self._steps = checks.integer("steps", _field(document, "steps", int), minimum=0)
            self.finished = _field(document, "finished", bool)
            level = _field(document, "level", str)
            self._epoch = _field(document, "epoch", int)
            self._history = self._read_history(run)
        if level != _level(run) and not self.finished:
            warnings.warn(
                f"the run in {self.path!r} began at level {level} and goes on at {_level(run)}: its last bits will not "
                "be those of a run at one level, which CNN_C_LEVEL chooses",
                RuntimeWarning,
                stacklevel=3,
            )

    def _read_history(self, run: Run) -> History:
        """The history, with a figure for each epoch that is done."""
        figures = self._arrays("history")
        history = History(**{name: array.tolist() for name, array in figures.items()})
        if not 0 <= self._epoch <= run.settings.epochs:
            raise ValueError(f"epoch must be from 0 to {run.settings.epochs}, got {self._epoch}")
        for name, array in figures.items():
            epochs = self._epoch if run.data.validation or not name.startswith("val_") else 0
            if array.shape != (epochs,) or array.dtype != np.float64:
                raise ValueError(f"{name} must be {epochs} figures in float64, got {array.shape} in {array.dtype}")
        return history

    def restore_net(self, run: Run) -> None:
        """Set optimiser, net, generator and history to how they were."""
        with saving.reading(self.path):
            run.optimizer.restore(run.net._parameters, list(self._arrays("optimizer").values()), self._steps)
            saving.set_state(run.net, self._tensors)
        run.rng.bit_generator.state = self._generator
        run.epoch, run.history = self._epoch, self._history

    def restore_callbacks(self, run: Run) -> None:
        """Let the callbacks remember what they did."""
        for i, (callback, state) in enumerate(zip(_remembering(run), self._states, strict=True)):
            callback.restore(state | self._arrays(f"callbacks/{i}"))

    def _arrays(self, kind: str) -> dict[str, np.ndarray]:
        """Copies of the tensors of one kind, in the order of their names."""
        start = f"{RUN}/{kind}/"
        names = sorted(name for name in self._tensors if name.startswith(start))
        return {name.removeprefix(start): self._tensors[name].copy() for name in names}


def _run_document(file: archive.Archive) -> dict[str, Any]:
    """What a checkpoint says of the fit, beside its tensors."""
    saving.check_version(file.document)
    if RUN not in file.document:
        raise ValueError("it holds a net, but no fit to go on with")
    return archive.mapping(RUN, file.document[RUN])


def _generator(rng: np.random.Generator, state: dict[str, Any]) -> dict[str, Any]:
    """A state that a generator like `rng` takes; ValueError and others where it does not."""
    type(rng.bit_generator)(0).state = state
    return state


def _field(document: dict[str, Any], name: str, kind: type) -> Any:
    if type(document.get(name)) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}, got {document.get(name)!r}")
    return document[name]


def _compare(path: str, saved: dict[str, Any], given: dict[str, Any]) -> None:
    """ValueError, with both values, where the arguments of two fits differ."""
    differences = _differences(saved, given)
    if differences:
        raise ValueError(f"resume: the run in {path!r} had {'; '.join(differences)}")


def _differences(saved: dict[str, Any], given: dict[str, Any], of="") -> list[str]:
    """What differs, a line each; of two objects of one kind, such as optimisers, what differs in them."""
    result = []
    for name in [*saved, *(name for name in given if name not in saved)]:
        one, other = saved.get(name), given.get(name)
        if json.dumps(one) == json.dumps(other):
            continue
        if isinstance(one, dict) and isinstance(other, dict) and _kind(one) == _kind(other):
            result += _differences(one, other, f"{of}{name}.")
        elif is_digest(one) and is_digest(other):
            result.append(f"another {of}{name}")
        else:
            one, other = ("an array or generator" if is_digest(value) else json.dumps(value) for value in (one, other))
            result.append(f"{of}{name} {one}, not {other}")
    return result


def _kind(described: dict[str, Any]) -> Any:
    return described.get("name"), described.get("layer")
