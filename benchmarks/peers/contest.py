"""The contest in one case: everybody is verified, then everybody has turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from time import sleep
from typing import Any

from .case import Case
from .contestant import SLOW
from .judge import Judge, Wrong
from .load import IDLE, wait_for_idle
from .process import Failure, Worker
from .results import Result

PAUSE = 0.03  # seconds before a turn, until the threads of whoever had the last one have ceased to spin
TURNS_OF_THE_SLOW = 3


class Field:
    """Those who are in the contest still, and why the others are not."""

    def __init__(self, workers: Iterable[Worker]) -> None:
        self.workers = list(workers)
        self.left_out: dict[str, str] = {}

    def each(self, work: Callable[[Worker], Any]) -> dict[str, Any]:
        """Results of the work by name; a worker that fails in it is out."""
        results = {}
        for worker in list(self.workers):
            try:
                results[worker.name] = work(worker)
            except (Failure, Wrong) as failure:
                self.workers.remove(worker)
                self.left_out[worker.name] = str(failure)
        return results


def contest(
    case: Case, names: Iterable[str], rounds: int, patience: float, complain: Callable[[str], None]
) -> tuple[list[Result], dict[str, str]]:
    """Verify and time these implementations; results, and why others have none.

    Every round waits for others to leave the machine alone, for `patience` seconds at most. `complain` is told that the
    machine was busy.
    """
    workers = [Worker(name, case.threads) for name in names]
    try:
        field = Field(workers)
        judge = Judge(case)
        field.each(lambda worker: worker.tell("prepare", case))  # all at once: compilers take their time
        field.each(lambda worker: judge.verify_all(worker.answer()))
        wait_for_idle(patience)
        calibrations = field.each(lambda worker: worker.ask("calibrate"))
        times: dict[str, list[float]] = {name: [] for name in calibrations}

        def turn(worker: Worker) -> None:
            seconds = calibrations[worker.name].seconds
            if seconds < SLOW or len(times[worker.name]) < TURNS_OF_THE_SLOW:
                sleep(PAUSE)
                times[worker.name].append(worker.ask("turn"))

        loads = []
        for _ in range(rounds):
            loads.append(wait_for_idle(patience))
            field.each(turn)
        if median(loads) >= IDLE:
            complain(f"net {case.net}, batch {case.batch}: other work takes {median(loads):.0%} of the machine")
        results = [
            Result(
                case.net,
                case.mode,
                case.batch,
                case.threads,
                worker.name,
                calibrations[worker.name].way,
                *(round(figure(times[worker.name]), 3) for figure in (median, min, max)),
                len(times[worker.name]),
                round(median(loads), 3),
            )
            for worker in field.workers
        ]
        return results, field.left_out
    finally:
        for worker in workers:
            worker.stop()
