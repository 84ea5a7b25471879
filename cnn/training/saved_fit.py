"""A checkpoint that is read: how far its fit has come, and all that a fit of the same arguments needs to go on.

Nothing in a file is taken on trust; what does not fit is a ValueError that names the file.
"""

from __future__ import annotations

import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backends import checks
from ..losses import has_accuracy
from ..storage import archive, description
from ..storage.archive import opened, reading
from ..storage.description import FIT
from .checkpoint import level_of, remembering
from .fingerprint import differences
from .history import History
from .saved_optimizer import restore_arguments

if TYPE_CHECKING:
    from .interfaces import RunningFit


class Status(NamedTuple):
    """How far the fit in a checkpoint has come, of how many epochs."""

    epoch: int
    epochs: int
    finished: bool
    history: History


def read_status(path: str | PathLike[str]) -> Status:
    """How far the fit in a checkpoint has come; the fit itself is not needed.

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It is no checkpoint, or is damaged.
    """
    path = checks.path("path", path)
    with opened(path) as file:
        document = _fit_document(file)
        epoch, figures = _field(document, "epoch", int), _arrays(file.tensors(), "history")
        return Status(
            epoch,
            _field(_field(document, "fingerprint", dict), "epochs", int),
            _field(document, "finished", bool),
            _history(figures, epoch, figures["val_loss"].size > 0, figures["accuracy"].size > 0),
        )


def holds_fit(path: str | PathLike[str]) -> bool:
    """Whether a net's file is a checkpoint: OSError and ValueError as for `read_status`."""
    with opened(checks.path("path", path)) as file:
        return FIT in file.document


class SavedFit:
    """A checkpoint that has been read, and found to be one of `fit`.

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It is no checkpoint, is damaged, or is one of a fit with other arguments; these are named.
    """

    def __init__(self, path: str | PathLike[str], fit: RunningFit) -> None:
        self.path = checks.path("resume", path)
        with opened(self.path) as file:
            document = _fit_document(file)
            fingerprint = _field(document, "fingerprint", dict)
            callbacks = [archive.mapping("callbacks", entry) for entry in _field(document, "callbacks", list)]
            saved_names = [_field(entry, "callback", str) for entry in callbacks]
            self._states = [_field(entry, "state", dict) for entry in callbacks]
            # Files of earlier versions do not have it: nothing had been assigned.
            self._arguments = archive.mapping("optimizer", document.get("optimizer", {}))
            self._tensors = file.tensors()
        names = [type(callback).__name__ for callback in remembering(fit)]
        _compare(self.path, fingerprint | {"callbacks": saved_names}, fit.fingerprint | {"callbacks": names})
        with reading(self.path):
            description.compare_shapes({name: value.shape for name, value in fit.net.state().items()}, file)
            self._generator = _generator(fit.rng, _field(document, "generator", dict))
            self._steps = checks.integer("steps", _field(document, "steps", int), minimum=0)
            self.finished = _field(document, "finished", bool)
            level = _field(document, "level", str)
            self._epoch = _field(document, "epoch", int)
            if not 0 <= self._epoch <= fit.settings.epochs:
                raise ValueError(f"epoch must be from 0 to {fit.settings.epochs}, got {self._epoch}")
            figures = _arrays(self._tensors, "history")
            has_validation, accuracy = fit.data.validation is not None, has_accuracy(fit.net.loss)
            self._history = _history(figures, self._epoch, has_validation, accuracy)
        here = level_of(fit.net)
        if level != here and not self.finished:
            warnings.warn(
                f"the run in {self.path!r} began at level {level} and goes on at {here}: its last bits will not "
                "be those of a run at one level, which CNN_C_LEVEL chooses",
                RuntimeWarning,
                stacklevel=6,  # where Sequential.fit was called
            )

    def restore_net(self, fit: RunningFit) -> None:
        """Set optimiser, net, generator and history to how they were."""
        with reading(self.path):
            parameters, arrays = fit.net.executor.learned.parameters, list(_arrays(self._tensors, "optimizer").values())
            restore_arguments(fit.optimizer, self._arguments)
            fit.optimizer.restore(parameters, arrays, self._steps)
            fit.net.set_parameters({name: self._tensors[name] for name in fit.net.state()})
        fit.rng.bit_generator.state = self._generator
        fit.epoch, fit.history = self._epoch, self._history

    def restore_callbacks(self, fit: RunningFit) -> None:
        """Let the callbacks remember what they did, whatever they have assigned at the beginning of this fit."""
        restore_arguments(fit.optimizer, self._arguments)
        for i, (callback, state) in enumerate(zip(remembering(fit), self._states, strict=True)):
            callback.restore(state | _arrays(self._tensors, f"callbacks/{i}"))


def _arrays(tensors: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """Copies of the tensors of one kind, in the order of their names."""
    start = f"{FIT}/{kind}/"
    names = sorted(name for name in tensors if name.startswith(start))
    return {name.removeprefix(start): tensors[name].copy() for name in names}


def _history(figures: dict[str, np.ndarray], epoch: int, has_validation: bool, accuracy: bool) -> History:
    """The history, with a figure for each epoch that is done."""
    history = History(**{name: array.tolist() for name, array in figures.items()})
    for name, array in figures.items():
        lacks = (name.startswith("val_") and not has_validation) or ("accuracy" in name and not accuracy)
        epochs = 0 if lacks else epoch
        if array.shape != (epochs,) or array.dtype != np.float64:
            raise ValueError(f"{name} must be {epochs} figures in float64, got {array.shape} in {array.dtype}")
    return history


def _fit_document(file: archive.Archive) -> dict[str, Any]:
    """What a checkpoint says of the fit, beside its tensors."""
    description.check_version(file.document)
    if FIT not in file.document:
        raise ValueError("it holds a net, but no fit to go on with")
    return archive.mapping(FIT, file.document[FIT])


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
    different = differences(saved, given)
    if different:
        raise ValueError(f"resume: the run in {path!r} had {'; '.join(different)}")
