"""The contest in one case: everybody is verified, then everybody has turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from time import sleep
from typing import Any, NamedTuple

from .case import Case
from .judge import Judge, Wrong
from .load import IDLE, wait_for_idle
from .process import Failure, Worker

PAUSE = 0.03  # seconds before a turn, until the threads of whoever had the last one have ceased to spin
SLOW = 0.5  # seconds; who takes longer for a turn
TURNS_OF_THE_SLOW = 3  # has only so many


class Result(NamedTuple):
    """Microseconds an image of one implementation in one case, over its turns.

    `way` is the one that was fastest, `load` the median fraction of the machine that was busy as a round began.
    """

    net: str
    mode: str
    batch: int
    threads: int
    implementation: str
    way: str
    median: float
    minimum: float
    maximum: float
    turns: int
    load: float


class Field:
    """Those who are in the contest still."""

    def __init__(self, workers: Iterable[Worker], complain: Callable[[str], None]) -> None:
        self.workers = list(workers)
        self.complain = complain

    def each(self, work: Callable[[Worker], Any]) -> dict[str, Any]:
        """Results of the work by name; a worker that fails in it is out."""
        results = {}
        for worker in list(self.workers):
            try:
                results[worker.name] = work(worker)
            except (Failure, Wrong) as failure:
                self.workers.remove(worker)
                self.complain(f"{worker.name} is not timed: {failure}")
        return results


def contest(
    case: Case, names: Iterable[str], rounds: int, patience: float, complain: Callable[[str], None]
) -> list[Result]:
    """Verify and time these implementations.

    Every round waits for others to leave the machine alone, for `patience` seconds at most. `complain` is told who is
    left out and why, and that the machine was busy.
    """
    workers = [Worker(name, case.threads) for name in names]
    try:
        field = Field(workers, complain)
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
        return [
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
    finally:
        for worker in workers:
            worker.stop()
