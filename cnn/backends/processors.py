"""How many processors this process may use: those of its affinity mask, or fewer where a control group has a quota."""

from __future__ import annotations

import math
import os
from pathlib import Path

GROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def processors_of_process() -> list[int]:
    """The numbers of those in the affinity mask; of all where there is none."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def usable_processors() -> int:
    """At least 1. A quota of 1.5 processors counts as 2: two threads then do the work of 1.5."""
    return max(1, math.ceil(min(len(processors_of_process()), _quota())))


def _quota() -> float:
    """Processors that the control groups of this process allow (Linux, version 2); infinity where there is no limit."""
    try:
        lines = OWN_GROUP.read_text().splitlines()
    except OSError:
        return math.inf
    group = next((Path(line[3:].lstrip("/")) for line in lines if line.startswith("0::")), Path())
    return min(_group_quota(GROUPS / path) for path in (group, *group.parents))


def _group_quota(group: Path) -> float:
    """What `cpu.max` of one group says: "max 100000", or microseconds of processor time in each period."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # the root has no such file
        return math.inf
