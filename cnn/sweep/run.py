"""The trials of a sweep, some at a time, each in a process of its own, until so many have an outcome."""

from __future__ import annotations

from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from typing import Any, NamedTuple

from .package import optuna_package
from .process import TrialProcess
from .space import Space
from .study import begun, done, give_up
from .training import Training
from .worker import Job, Outcome

_MOST_DEATHS = 2  # of a trial's processes, for want of memory for example, after which it is still repeated
_LIKELY_ALL = 3  # failed trials after which a sweep ends, where no trial has succeeded: the next will fail, too


class Sweep(NamedTuple):
    """A study, and what its trials are made of: `images` is the descriptor of the shared file."""

    study: Any
    space: Space
    training: Training
    images: int

    def run(self, trials: int, workers: int, threads: int, told: Callable[[Any], None]) -> None:
        """Run trials until `trials` have an outcome, those of earlier runs among them.

        Parameters
        ----------
        trials : int
        workers : int
            So many at a time.
        threads : int
            Of each.
        told : function
            Called with each trial that has an outcome, an `optuna.trial.FrozenTrial`.

        Raises
        ------
        ValueError
            The first trials have all failed.
        """
        running: set[TrialProcess] = set()
        try:
            with DefaultSelector() as selector:
                while True:
                    while len(running) < workers and len(done(self.study)) + len(running) < trials:
                        process = self._started(threads)
                        running.add(process)
                        selector.register(process, EVENT_READ, process)
                    if not running:
                        return
                    for key, _ in selector.select():
                        outcome = key.data.turn()
                        if outcome is not None:
                            selector.unregister(key.data)
                            running.remove(key.data)
                            self._settle(key.data.trial, outcome, told)
        finally:
            for process in running:
                process.end()
                give_up(self.study, process.trial)

    def _started(self, threads: int) -> TrialProcess:
        trial = begun(self.study, self.training.seed)
        settings = self.space.suggested(trial)
        trial.set_user_attr("settings", settings)
        return TrialProcess(trial, Job(trial.number, settings, self.training, self.images), threads)

    def _settle(self, trial: Any, outcome: Outcome, told: Callable[[Any], None]) -> None:
        """Tell Optuna how a trial ended, and who runs the sweep, unless the trial is to be repeated."""
        deaths = trial.user_attrs.get("deaths", 0)
        if not outcome.state and deaths < _MOST_DEATHS:
            trial.set_user_attr("deaths", deaths + 1)
            give_up(self.study, trial)
            return
        if outcome.reason is not None:
            trial.set_user_attr("reason", outcome.reason)
        state = optuna_package().trial.TrialState[outcome.state or "FAIL"]
        told(self.study.tell(trial, outcome.value, state))
        ended = done(self.study)
        if len(ended) >= _LIKELY_ALL and all(each.state.name == "FAIL" for each in ended):
            raise ValueError(f"the first {len(ended)} trials have failed, the last one with {outcome.reason}")
