"""The benchmarks' modules, which are programs and in no package, and a case of theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
BATCH, BATCHES = 4, 3


@pytest.fixture(scope="session")
def module() -> Iterator[Callable[[str], ModuleType]]:
    """Import a benchmark's module by its name."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield import_module
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def prepared(module) -> Callable[[str, Any], Any]:
    """What the contestant of a name finds for a case. The frameworks let their thread take subnormal numbers for zero,
    which is not for the tests that follow: so it is a thread of its own."""

    def prepare(name: str, case: Any) -> Any:
        contestant = module("peers.contestant").Contestant(name)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(contestant.prepare, case).result()

    return prepare


@pytest.fixture
def case(module) -> Callable[[str, str], Any]:
    """A small case of the net of this name: strokes instead of digits, which nobody has to download."""
    nets, package = module("peers.nets"), module("peers.package")

    def made(net: str, mode: str) -> Any:
        rng = np.random.default_rng(0)
        digits = np.zeros((BATCH * BATCHES, 28, 28), np.uint8)
        digits[:, 6:22, 8:20] = rng.integers(0, 256, (len(digits), 16, 12))
        images = nets.pictures(digits, nets.NETS[net].input_shape, rng)
        return package.case_of(net, mode, BATCH, 1, images, rng.integers(0, 10, len(images)))

    return made
