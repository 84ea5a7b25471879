"""The study of a sweep in a file of SQLite: made whole or not at all, at work for one sweep at a time, gone on from.

A trial that had no outcome when its process or the whole sweep was killed is told as failed, without a reason, and
repeated with the same parameters. Each trial has a sampler of its own, with a seed that follows from its place among
the others, so that a sweep that was killed goes on with the trials that it would have had.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..storage.atomic import checked_target, write_atomically
from .package import PRUNERS, optuna_package

_NAME = "cnn sweep"
_UNUSABLE = "?%{}"  # in SQLAlchemy's addresses of files


@contextmanager
def opened(path: Path, asked: Mapping[str, Any], pruner: str) -> Iterator[Any]:
    """The study in a file, which is made if it is not there; no trial of it is running.

    Parameters
    ----------
    path : Path
    asked : dict
        By name, what the study is about, in values that JSON has: a study of something else is not gone on with.
    pruner : str
        A name in `PRUNERS`.

    Raises
    ------
    ValueError
        The file holds no study of a sweep, or one of something else.
    OSError
        The file cannot be read or written, or another sweep is at work on it.
    ImportError
        Without Optuna.
    """
    optuna = optuna_package()
    checked_target(str(path))
    if set(_UNUSABLE) & set(str(path.resolve())):
        raise ValueError(f"the path of a study must not have any of {', '.join(_UNUSABLE)} in it, got {path.resolve()}")
    with _locked(path), _faults_of(path):
        if path.exists():
            _check_kind(path)
        else:
            _create(path, asked)
        storage = optuna.storages.RDBStorage(_address(path))
        try:
            study = optuna.load_study(
                study_name=_NAME, storage=storage, pruner=getattr(optuna.pruners, PRUNERS[pruner])()
            )
            _check_same(path, study.user_attrs, asked)
            for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
                give_up(study, trial)
            yield study
        finally:
            storage.engine.dispose()


def done(study: Any) -> list[Any]:
    """The trials that have an outcome: a figure, or a reason why there is none."""
    ends = ("COMPLETE", "PRUNED")
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state.name in ends or "reason" in trial.user_attrs]


def begun(study: Any, seed: int) -> Any:
    """A new trial of the study: one that has to be repeated, with the same parameters, or the next one."""
    optuna = optuna_package()
    trials = study.get_trials(deepcopy=False)
    repeated = {number for trial in trials for number in _repeats(trial)}
    for trial in trials:
        if trial.state.name == "FAIL" and "reason" not in trial.user_attrs and trial.number not in repeated:
            parameters = trial.params if "settings" in trial.user_attrs else {}  # without: killed before it had all
            carried = {"repeats": [*_repeats(trial), trial.number], "deaths": trial.user_attrs.get("deaths", 0)}
            study.enqueue_trial(parameters, user_attrs=carried)
    waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
    first = _repeats(waiting[0])[0] if waiting else len(trials)
    place = sum(not _repeats(trial) for trial in trials[:first])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.TPESampler(
            seed=int(np.random.SeedSequence([seed, place]).generate_state(1)[0]),
            constant_liar=True,  # parallel trials are to differ
        )
    return study.ask()


def give_up(study: Any, trial: Any) -> None:
    """Tell that a trial was killed, so that it is repeated."""
    study.tell(trial.number, state=optuna_package().trial.TrialState.FAIL)


def _repeats(trial: Any) -> list[int]:
    """The trials that this one repeats, the first one first."""
    return list(trial.user_attrs.get("repeats", ()))


# ---- the file ----


def _address(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def _create(path: Path, asked: Mapping[str, Any]) -> None:
    """Make the file in another place first: one that is there is a whole one."""
    optuna = optuna_package()
    with TemporaryDirectory() as folder:
        file = Path(folder, "study.db")
        storage = optuna.storages.RDBStorage(_address(file))
        study = optuna.create_study(study_name=_NAME, storage=storage, direction="maximize")
        for name, value in asked.items():
            study.set_user_attr(name, value)
        storage.engine.dispose()
        write_atomically(path, file.read_bytes())


def _check_kind(path: Path) -> None:
    """ValueError for a file that holds no study of a sweep; it is not changed."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
            found = connection.execute("SELECT count(*) FROM studies WHERE study_name = ?", (_NAME,)).fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} holds no study of cnn sweep ({error}): name another file with --study") from error
    if not found:
        raise ValueError(f"{path} holds no study of cnn sweep: name another file with --study")


def _check_same(path: Path, held: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    for name, value in asked.items():
        if held.get(name) != json.loads(json.dumps(value)):
            raise ValueError(
                f"{path} holds a study with {name} = {held.get(name)}, got {value}: "
                "name another file with --study to begin a new one"
            )


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Make what Optuna raises where the file cannot be read or written an OSError that names it."""
    try:
        yield
    except optuna_package().exceptions.StorageInternalError as error:
        raise OSError(None, f"the study cannot be read or written: {error.__cause__ or error}", str(path)) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other sweeps off the study; a lock ends with its process, however that comes about."""
    name = f"{path}.lock"
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise BlockingIOError(error.errno, "another cnn sweep is at work on it", str(path)) from None
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # whoever had it has removed it
    try:
        yield
    finally:
        os.unlink(name)
        os.close(descriptor)
