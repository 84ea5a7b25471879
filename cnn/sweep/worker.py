"""A trial's process: trains one net, reports each epoch, and ends when it is told to, or when who started it has died.

The standard input brings a line of JSON with the job, then a line after each report: whether to go on. The standard
output takes the reports, and the outcome as the last line. `process.py` is the other end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..training.pruning import OptunaPruning
from .images import received
from .training import Training


class Job(NamedTuple):
    """What a trial's process is to do; JSON has all of it."""

    number: int  # of the trial
    settings: dict[str, Any]
    training: Training
    images: int  # the descriptor of the shared file


class Outcome(NamedTuple):
    """How a trial ended: state is COMPLETE, PRUNED or FAIL, a name of Optuna's; what it reached, or why it did not."""

    state: str
    value: float | None = None
    reason: str | None = None


class Reporter:
    """What `OptunaPruning` takes for a trial: the study is in the process at the other end, which is asked."""

    def __init__(self, number: int, output: Any, answers: SimpleQueue[Any]) -> None:
        self.number, self._output, self._answers = number, output, answers

    def report(self, value: float, step: int) -> None:
        """Tell the figure of an epoch."""
        self.tell({"step": step, "value": value})

    def should_prune(self) -> bool:
        """What the answer to the last report is."""
        return bool(self._answers.get())

    def tell(self, message: dict[str, Any]) -> None:
        """Send a line."""
        print(json.dumps(message), file=self._output, flush=True)


def main() -> None:
    """Do what the standard input says."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the function of a net prints is no report
    messages: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(messages,), daemon=True).start()
    number, settings, training, images = messages.get()
    job = Job(number, settings, Training(*training), images)
    reporter = Reporter(number, output, messages)
    reporter.tell(outcome(job, reporter)._asdict())


def _listen(messages: SimpleQueue[Any]) -> None:
    """Pass on what comes; at the end of the input there is nobody left to work for."""
    for line in sys.stdin:
        messages.put(json.loads(line))
    os._exit(1)


def outcome(job: Job, reporter: Reporter) -> Outcome:
    """Train the net of a job."""
    from optuna import TrialPruned

    images = received(job.images)
    try:
        net = job.training.net(job.settings)
        history = net.fit(
            images.x,
            images.y,
            **job.training.fit_arguments(job.settings),
            validation_data=(images.x_val, images.y_val),
            callbacks=[OptunaPruning(reporter)],
            progress=False,
        )
    except TrialPruned:
        return Outcome("PRUNED")
    except FloatingPointError as error:  # pruned, because Optuna takes no notice of where trials failed
        return Outcome("PRUNED", reason=str(error))
    except Exception as error:  # whatever these settings lead to: the next trial has others
        return Outcome("FAIL", reason=f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome("COMPLETE", history.val_accuracy[-1])
