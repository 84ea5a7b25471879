"""What was measured, what with, and who could not be timed: the content of a file of results."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .registry import ENTRIES


class Cell(NamedTuple):
    """One implementation in one case."""

    net: str
    mode: str
    batch: int
    threads: int
    implementation: str


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


@dataclass
class Results:
    """All results of a machine in one mode.

    Attributes
    ----------
    machine : dict
        Processor, level of our kernels, cores, versions.
    commands : list of str
        What was typed, in its order.
    measured : dict of Cell to Result
    left_out : dict of Cell to str
        Why.
    """

    machine: dict[str, Any]
    commands: list[str] = field(default_factory=list)
    measured: dict[Cell, Result] = field(default_factory=dict)
    left_out: dict[Cell, str] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        cell = Cell(*result[: len(Cell._fields)])
        self.measured[cell] = result
        self.left_out.pop(cell, None)

    def leave_out(self, cell: Cell, why: str) -> None:
        self.left_out[cell] = why
        self.measured.pop(cell, None)

    # ---- questions ----

    def values(self, name: str) -> list[Any]:
        """The different values of a field of the cells, in the order of the run."""
        return list(dict.fromkeys(getattr(cell, name) for cell in self.measured))

    def median(self, *cell: Any) -> float | None:
        result = self.measured.get(Cell(*cell))
        return result and result.median

    def fastest_peer(self, net: str, mode: str, batch: int, threads: int) -> Result | None:
        cells = [Cell(net, mode, batch, threads, name) for name, entry in ENTRIES.items() if entry.is_peer]
        peers = [self.measured[cell] for cell in cells if cell in self.measured]
        return min(peers, key=lambda result: result.median, default=None)

    def ratio(self, net: str, mode: str, batch: int, threads: int) -> tuple[float, str] | None:
        """The fastest peer's time over ours, and who that is."""
        ours, peer = self.median(net, mode, batch, threads, "ours"), self.fastest_peer(net, mode, batch, threads)
        return (peer.median / ours, ENTRIES[peer.implementation].title) if ours and peer else None

    # ---- files ----

    def write(self, path: Path) -> None:
        content = {
            **self.machine,
            "unit": "microseconds an image",
            "commands": self.commands,
            "results": [result._asdict() for result in self.measured.values()],
            "left_out": [{**cell._asdict(), "why": why} for cell, why in self.left_out.items()],
        }
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        content = json.loads(path.read_text())
        machine = {name: content[name] for name in ("processor", "level", "cores", "versions")}
        result = cls(machine, content["commands"])
        for entry in content["results"]:
            result.add(Result(**entry))
        for entry in content["left_out"]:
            why = entry.pop("why")
            result.leave_out(Cell(**entry), why)
        return result
