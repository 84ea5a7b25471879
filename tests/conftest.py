"""Fixtures that run a test over the reference and each compiled level, both precisions, and thread counts."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import cnn
import cnn.datasets
import cnn.functional
import cnn.reference
import cnn_c

from .datasets.cases import fill

# The level stays what it is for all examples of a test: no fixture need be set up anew for each of them.
settings.register_profile(
    "cnn", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("cnn")


@pytest.fixture(params=cnn_c.LEVELS)
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each compiled level that this CPU runs, in use during the test."""
    before = cnn_c.LEVEL
    cnn_c.use_level(request.param)
    yield request.param
    cnn_c.use_level(before)


@pytest.fixture(params=["reference", *cnn_c.LEVELS])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """The reference, then each compiled level that this CPU runs, in use during the test."""
    before = cnn_c.LEVEL
    if request.param != "reference":
        cnn_c.use_level(request.param)
    yield request.param
    cnn_c.use_level(before)


@pytest.fixture
def ops(implementation: str) -> ModuleType:
    """The functions: `cnn.reference.functional`, or `cnn.functional` at some level."""
    return cnn.reference.functional if implementation == "reference" else cnn.functional


@pytest.fixture(params=["reference", "compiled"])
def checked_ops(request: pytest.FixtureRequest) -> ModuleType:
    """The reference, and the compiled functions at one level: for what is decided before a kernel runs."""
    return cnn.reference.functional if request.param == "reference" else cnn.functional


@pytest.fixture
def compiled_ops(level: str) -> ModuleType:
    """`cnn.functional` at some level."""
    return cnn.functional


@pytest.fixture
def tutorial(implementation: str) -> ModuleType:
    """The namespace of Conv3x3, MaxPool2 and Softmax: `cnn.reference`, or `cnn` at some level."""
    return cnn.reference if implementation == "reference" else cnn


@pytest.fixture
def compiled_tutorial(level: str) -> ModuleType:
    """`cnn` at some level."""
    return cnn


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> np.dtype:
    return np.dtype(request.param)


@pytest.fixture
def thread_counts() -> Iterator[Iterator[int]]:
    """The numbers 1 to 4; each is the number of threads in use until the next is asked for."""
    before = cnn.get_num_threads()

    def each() -> Iterator[int]:
        for n in (1, 2, 3, 4):
            cnn.set_num_threads(n, fixed=True)
            yield n

    yield each()
    cnn.set_num_threads(before)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """1, 2, 3 threads, in use during the test."""
    before = cnn.get_num_threads()
    cnn.set_num_threads(request.param, fixed=True)
    yield request.param
    cnn.set_num_threads(before)


@pytest.fixture
def hang_guard() -> Iterator[None]:
    """End a test with TimeoutError where it waits for what never comes."""

    def end(*_: object) -> None:
        raise TimeoutError("the test waits for what never comes")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _limited_to(threads: int) -> Iterator[None]:
    before = cnn.get_num_threads()
    cnn.set_num_threads(threads, fixed=True)
    yield
    cnn.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For layers and nets so small that they gain nothing from more, and wait for them where the cores are busy."""
    yield from _limited_to(1)


@pytest.fixture(scope="module")
def two_threads() -> Iterator[None]:
    """As many as a whole step needs to be a parallel one."""
    yield from _limited_to(2)


@functools.cache
def _mnist():
    return cnn.datasets.load_mnist()


@pytest.fixture(scope="module")
def mnist_dataset():
    """MNIST, from the folder that CNN_DATA_DIR names."""
    if not os.environ.get("CNN_DATA_DIR"):
        pytest.skip("CNN_DATA_DIR is not set: no MNIST to train on")
    return _mnist()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; gives the exit status and what went to each stream."""
    from cnn.cli import app as cli

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        return int(exit.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def bars() -> cnn.datasets.Dataset:
    """200 images to train on and 40 to test with: each class is a bright bar in a place of its own."""
    random = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(n, dtype=np.uint8) % 10
        images = random.integers(0, 30, (n, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 6 + 2 * label, 4:24] = 255
        return images, labels

    return cnn.datasets.Dataset(*draw(200), *draw(40))


@pytest.fixture
def data_folder(bars: cnn.datasets.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bars in a folder, in MNIST's form; no folder is named in the environment."""
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    return fill(tmp_path / "bars", dataset=bars)
