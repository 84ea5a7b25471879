"""The other end of a trial's process: starts it, takes its reports to Optuna, and says how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any

from .worker import Job, Outcome

# With the paths of this process: a file cnn.py where it runs is not to be taken for the package.
_PROGRAM = "import sys; sys.path[:] = {!r}; from cnn.sweep.worker import main; main()"


class TrialProcess:
    """A process that trains the net of one trial, with so many threads.

    In a session of its own, so that Ctrl-C reaches this process alone, which ends it.
    """

    def __init__(self, trial: Any, job: Job, threads: int) -> None:
        self.trial = trial
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed at the end
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=(job.images,),
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,
            encoding="utf-8",
        )
        self._tell(job)

    def fileno(self) -> int:
        """The descriptor that can be read when there is a report."""
        return self._process.stdout.fileno()  # type: ignore[union-attr]

    def turn(self) -> Outcome | None:
        """Take a report to the trial, and Optuna's answer back; the outcome with the last one.

        An outcome without state is that of a process that was killed.
        """
        message = self._message()
        if message is None:
            return self._death()
        if "state" in message:
            self.end()
            return Outcome(**message)
        self.trial.report(message["value"], message["step"])
        self._tell(bool(self.trial.should_prune()))
        return None

    def end(self) -> None:
        """End the process, if it has not ended by itself."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.close()

    def _message(self) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = json.loads(self._process.stdout.readline())  # type: ignore[union-attr]
        except ValueError:  # nothing, or a line that was cut short
            return None
        return message

    def _tell(self, message: Any) -> None:
        with suppress(BrokenPipeError):  # it has died; the next turn tells
            print(json.dumps(message), file=self._process.stdin, flush=True)

    def _death(self) -> Outcome:
        status = self._process.wait()
        self._errors.seek(0)
        *_, last = (f"exit status {status}", *self._errors.read().decode("utf-8", "replace").splitlines())
        self.end()
        return Outcome("", reason=f"killed by signal {-status}") if status < 0 else Outcome("FAIL", reason=last)
