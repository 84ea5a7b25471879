"""What all benchmarks share: functions timed in turns, and the line that says what they ran on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

from cnn.backends.config import config


def medians(functions: Mapping[str, Callable[[], object]], seconds: float = 2.0) -> dict[str, float]:
    """Median seconds of one call of each function, all timed in turns, so that a busy machine slows all of them.

    A function is called once untimed in every turn: whoever ran before has filled the caches with its own data.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    begin = perf_counter()
    while perf_counter() - begin < seconds or min(map(len, times.values())) < 15:
        for name, function in functions.items():
            function()
            start = perf_counter()
            function()
            times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def machine() -> str:
    """Processor, level, threads and versions, for the foot of a table."""
    about = config()
    return (
        f"{about['processor']}; level {about['level'].split()[0]}, {about['threads']} thread(s); "
        f"cnn-c {about['cnn-c']}, NumPy {about['NumPy']}, Python {about['Python'].split()[0]}"
    )
