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


class Calibration(NamedTuple):
    """The way that is fastest, and the seconds of a turn."""

    way: str
    seconds: float


class Contestant:
    """One implementation, from its preparation to its turns."""

    def __init__(self, name: str) -> None:
        self.entry = ENTRIES[name]

    def prepare(self, case: Case) -> dict[str, Evidence]:
        """Build and compile all ways; what each computes."""
        self.case = case
        self.ways = self.entry.build(case)
        return {name: evidence(way) for name, way in self.ways.items()}

    def calibrate(self) -> Calibration:
        """Warm all ways up and keep the fastest."""
        ways = {name: (way, self.calls_a_turn(way)) for name, way in self.ways.items()}
        times = {name: min(self.seconds(*way) for _ in range(TRIALS)) / way[1] for name, way in ways.items()}
        best = min(times, key=times.__getitem__)
        self.way, self.calls = ways[best]
        self.ways.clear()
        return Calibration(best, times[best] * self.calls)

    def turn(self) -> float:
        """Microseconds an image, after some untimed calls: whoever ran before has filled the caches with his data."""
        grain = self.grain(self.way)
        if self.calls > grain:
            self.seconds(self.way, grain * math.ceil(self.calls / grain / 8))
        return self.seconds(self.way, self.calls) / (self.calls * self.case.batch) * 1e6

    def calls_a_turn(self, way: Implementation) -> int:
        grain = calls = self.grain(way)
        self.seconds(way, grain)  # what is compiled at its first call is compiled now
        while (seconds := self.seconds(way, calls)) < TURN / 2:
            calls *= 2
        return grain * max(1, round(calls / grain * TURN / seconds))

    def grain(self, way: Implementation) -> int:
        return way.granularity if self.case.mode == "training" else 1

    def seconds(self, way: Implementation, calls: int) -> float:
        work = way.train if self.case.mode == "training" else way.predict
        start = perf_counter()
        work(calls)
        return perf_counter() - start
