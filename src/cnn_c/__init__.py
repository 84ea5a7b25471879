"""The compiled half: kernels for each instruction-set level and precision, one level of which is in use.

`LEVELS` are the levels that this processor runs, best first: "v4" (AVX-512), "v3" (AVX2), "v2" (SSE4.2) on
x86-64, "baseline" elsewhere. The best one is taken at import, or the one that `CNN_C_LEVEL` names. `KERNELS` maps a
dtype's character ("f", "d") to the module of kernels in use. `empty` makes arrays for their results.

v4 has registers of 512 bits, v3 of 256. Some processors do fewer multiply-adds in the wide ones: `RATES` are those of
both, measured at import where there is a choice, else empty.
"""

import importlib
import os
import platform
from typing import Any

from .cpu import levels, multiply_add_rate
from .memory import empty as empty

BASELINE = "v2" if platform.machine().lower() in ("x86_64", "amd64") else "baseline"
# Of the multiply-adds at 256 bits. Far from 1, where one unit for 512 bits does as many as two for 256: there v4 has
# twice the registers, and the level, on which bits depend, must not hang on the noise of a clock.
_WIDE_ENOUGH = 0.75


def best_first(possible: tuple[str, ...], rates: dict[int, float]) -> tuple[str, ...]:
    """The levels with v3 before v4 where registers of 512 bits do clearly fewer multiply-adds than those of 256."""
    if rates and rates[512] < _WIDE_ENOUGH * rates[256]:
        return tuple(sorted(possible, key=["v3", "v4", BASELINE].index))
    return possible


_forced = os.environ.get("CNN_C_LEVEL")
_possible = (*levels(), BASELINE)
RATES: dict[int, float] = {}  # multiply-adds a nanosecond, by the bits of a register
if "v4" in _possible and not _forced:
    RATES = {bits: multiply_add_rate(bits) for bits in (256, 512)}
LEVELS: tuple[str, ...] = best_first(_possible, RATES)
LEVEL = ""
KERNELS: dict[str, Any] = {}


def use_level(level: str) -> None:
    """Take the kernels of another level; for tests and benchmarks. ImportError names the possible ones."""
    global LEVEL
    if level not in LEVELS:
        raise ImportError(f"CNN_C_LEVEL={level} is not possible here; this processor runs: {', '.join(LEVELS)}")
    for character, precision in (("f", "float32"), ("d", "float64")):
        KERNELS[character] = importlib.import_module(f"{__name__}.kernels_{level}_{precision}")
    LEVEL = level


# A waiting OpenMP thread spins for milliseconds, in which it keeps the core from whoever has work. Some microseconds
# bridge the gap from one kernel to the next. The runtime reads its settings when it is loaded with the first kernels.
_SPIN = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
_unset = [name for name in _SPIN if "OMP_WAIT_POLICY" not in os.environ and name not in os.environ]
os.environ.update({name: _SPIN[name] for name in _unset})
use_level(_forced or LEVELS[0])
for _name in _unset:
    del os.environ[_name]
