"""One implementation in one case, from its preparation to its turns; what a worker does."""

from __future__ import annotations

import math
from time import perf_counter
from typing import NamedTuple

from .case import Case, Implementation
from .judge import Evidence, evidence
from .registry import ENTRIES

TURN = 0.15  # seconds, about
TRIALS = 3  # of each way
FAR_BEHIND = 1.5  # times as long as the fastest so far
SLOW = 0.5  # seconds; who takes longer for a turn has fewer of them, and one trial


class Calibration(NamedTuple):
    """The way that is fastest, and the seconds of a turn."""

    way: str
    seconds: float


class Contestant:
    """One implementation, from its preparation to its turns."""

    def __init__(self, name: str) -> None:
        self.entry = ENTRIES[name]

    def prepare(self, case: Case) -> dict[str, Evidence]:
        """Build and compile all ways; what each computes.

        What is dropped is random, so a net with dropout is checked without it, and then built anew to be timed.
        """
        self.case = case
        self.ways = self.entry.build(case.without_dropout())
        found = {name: evidence(way) for name, way in self.ways.items()}
        if case.drops:
            self.ways = self.entry.build(case)
            found = {name: each._replace(loss_with_dropout=self.ways[name].train(1)) for name, each in found.items()}
        return found

    def calibrate(self) -> Calibration:
        """Warm all ways up and keep the fastest; a way that is far behind has one trial."""
        best = Calibration("", math.inf)
        for name, way in self.ways.items():
            calls, seconds = self.calls_a_turn(way)
            trials = TRIALS if seconds < SLOW and seconds / calls < FAR_BEHIND * best.seconds else 0
            seconds = min([seconds, *(self.seconds(way, calls) for _ in range(trials))])
            if seconds / calls < best.seconds:
                best = Calibration(name, seconds / calls)
                self.way, self.calls = way, calls
        self.ways.clear()
        return best._replace(seconds=best.seconds * self.calls)

    def turn(self) -> float:
        """Microseconds an image, after some untimed calls: whoever ran before has filled the caches with his data."""
        grain = self.grain(self.way)
        if self.calls > grain:
            self.seconds(self.way, grain * math.ceil(self.calls / grain / 8))
        return self.seconds(self.way, self.calls) / (self.calls * self.case.batch) * 1e6

    def calls_a_turn(self, way: Implementation) -> tuple[int, float]:
        """How many calls make a turn, and the seconds that so many have taken."""
        grain = calls = self.grain(way)
        self.seconds(way, grain)  # what is compiled at its first call is compiled now
        while (seconds := self.seconds(way, calls)) < TURN / 2:
            calls *= 2
        turn = grain * max(1, round(calls / grain * TURN / seconds))
        return turn, seconds / calls * turn

    def grain(self, way: Implementation) -> int:
        return way.granularity if self.case.mode == "training" else 1

    def seconds(self, way: Implementation, calls: int) -> float:
        work = way.train if self.case.mode == "training" else way.predict
        start = perf_counter()
        work(calls)
        return perf_counter() - start
