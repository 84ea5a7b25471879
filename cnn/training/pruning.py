"""`OptunaPruning`: a fit is one trial of an Optuna study, which ends it early where others did better.

Optuna is imported when a fit begins.
"""

from __future__ import annotations

from typing import Any

from ..backends.tables import call
from .callbacks import Logs, Monitoring


class OptunaPruning(Monitoring):
    """Report the figure of every epoch to a trial, and raise `optuna.TrialPruned` where the study prunes it.

    Steps are counted from 0, as Optuna's pruners expect: step 0 is the first epoch. It is called after all other
    callbacks. A net whose fit was pruned keeps what it has learned, and can predict, be saved or trained further.

    Parameters
    ----------
    trial : optuna.Trial
        That of the study's objective, for this fit alone.
    monitor : str
        A figure of an epoch's logs. The study has to maximise what has "accuracy" in its name, and to minimise any
        other.

    Raises
    ------
    ImportError
        At the beginning of a fit, if the package optuna is not installed.
    TypeError, ValueError
        `monitor` is no text. At the beginning of a fit: the study's direction is the other one, or there are no
        validation data for `monitor`; after its first epoch, a `monitor` that is not among the logs.
    optuna.TrialPruned
        After an epoch.
    """

    comes_last = True

    def __init__(self, trial: Any, monitor: str = "val_accuracy") -> None:
        super().__init__(monitor)
        self.trial = trial

    def __repr__(self) -> str:
        return call(type(self), {"trial": self.trial.number, "monitor": self.monitor})

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        try:
            from optuna import TrialPruned
        except ImportError:
            raise ImportError("OptunaPruning needs optuna: pip install 'cnn-c[sweep]'") from None
        super().on_fit_begin(net, logs)
        self._pruned = TrialPruned
        study = getattr(self.trial, "study", None)  # a FixedTrial has none
        if study is not None:
            expected, got = "maximize" if self.more_is_better else "minimize", study.direction.name.lower()
            if got != expected:
                raise ValueError(f"monitor {self.monitor!r} needs a study with direction={expected!r}, got {got!r}")

    def on_epoch_end(self, net: Any, logs: Logs) -> None:
        value = self.figure(logs)
        self.trial.report(value, logs["epoch"] - 1)
        if self.trial.should_prune():
            raise self._pruned(f"{self.monitor} {value:g} after epoch {logs['epoch']}")
