"""The machine's cores, and what else it is doing: a benchmark beside other work measures that work, too."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic, sleep

STAT = Path("/proc/stat")
IDLE = 0.1  # of the machine: less than this is nobody's benchmark


def wait_for_idle(patience: float) -> float:
    """Sleep until others leave the machine alone, or for so many seconds; the load then."""
    deadline = monotonic() + patience
    while (now := load()) >= IDLE and monotonic() < deadline:
        pass
    return now


def load(seconds: float = 0.15) -> float:
    """The fraction of all cores that is busy while we sleep; 0 where the system does not tell."""
    if not STAT.exists():
        return 0.0
    before = _jiffies()
    sleep(seconds)
    busy, total = (after - earlier for after, earlier in zip(_jiffies(), before, strict=True))
    return busy / max(total, 1)


def _jiffies() -> tuple[int, int]:
    """Busy and total time of all cores since the start; of the first eight fields the fourth and fifth are idle."""
    fields = [int(field) for field in STAT.read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
