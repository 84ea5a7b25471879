"""What is running: version, level, precision, OpenMP, threads. The first thing to put into a bug report."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

import numpy as np

import cnn_c

from .threads import get_num_threads

_STANDARDS = {201107: "3.1", 201307: "4.0", 201511: "4.5", 201811: "5.0", 202011: "5.1", 202111: "5.2"}


def config() -> dict[str, str]:
    """The configuration as a dict of strings."""
    kernels = cnn_c.KERNELS["f"]
    date = kernels.openmp
    lanes = {name: cnn_c.KERNELS[character].lanes for name, character in (("float32", "f"), ("float64", "d"))}
    return {
        "cnn-c": version("cnn-c"),
        "level": f"{cnn_c.LEVEL} (possible here: {', '.join(cnn_c.LEVELS)})",
        "multiply-adds": _rates(cnn_c.RATES),
        "lanes": ", ".join(f"{n} of {name}" for name, n in lanes.items()),
        "OpenMP": f"{_STANDARDS.get(date, date)}" if date else "none, one thread",
        "threads": str(get_num_threads()),
        "processor": processor(),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "platform": platform.platform(),
    }


def _rates(rates: dict[int, float]) -> str:
    """Those at which the level was chosen."""
    if not rates:
        return "not measured, for there was no choice"
    return ", ".join(f"{rate:.0f} a ns in registers of {bits} bits" for bits, rate in rates.items())


def show_config() -> None:
    """Print version, instruction-set level, vector width, OpenMP, threads, processor and versions."""
    rows = config()
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


def processor() -> str:
    """The processor's name as the system gives it."""
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo") as file:
                for line in file:
                    if line.startswith("model name"):
                        return line.split(":", 1)[1].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()
