"""The compiled half: kernels for each instruction-set level and precision, one level of which is in use.

`LEVELS` are the levels that this processor runs, best first: "v4" (AVX-512), "v3" (AVX2), "v2" (SSE4.2) on
x86-64, "baseline" elsewhere. The best one is taken at import, or the one that `CNN_C_LEVEL` names. `KERNELS` maps a
dtype's character ("f", "d") to the module of kernels in use.
"""

import importlib
import os
import platform

from .cpu import levels

BASELINE = "v2" if platform.machine().lower() in ("x86_64", "amd64") else "baseline"
LEVELS: tuple[str, ...] = (*levels(), BASELINE)
LEVEL = ""
KERNELS: dict = {}


def use_level(level: str) -> None:
    """Take the kernels of another level; for tests and benchmarks. ImportError names the possible ones."""
    global LEVEL
    if level not in LEVELS:
        raise ImportError(f"CNN_C_LEVEL={level} is not possible here; this processor runs: {', '.join(LEVELS)}")
    for character, precision in (("f", "float32"), ("d", "float64")):
        KERNELS[character] = importlib.import_module(f"{__name__}.kernels_{level}_{precision}")
    LEVEL = level


use_level(os.environ.get("CNN_C_LEVEL") or LEVELS[0])
