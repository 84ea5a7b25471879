"""Made photographs of MNIST's digits, a small form of `benchmarks/photographs.py`: found, laid out and read."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import cnn
from cnn.recipes import RECIPES

pytest.importorskip("cv2", reason="OpenCV is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
PAGES = 60  # of each kind
SCALE = 0.25  # of 3000x4000 pixels


@pytest.fixture(scope="module")
def benchmark():
    """The module, which is a program and in no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("photographs", BENCHMARKS / "photographs.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def net(mnist_dataset):
    recipe = RECIPES["two-conv"]
    net = recipe.build(seed=0)
    net.fit(mnist_dataset.train_images, mnist_dataset.train_labels, progress=False, **recipe.arguments(0))
    return net


@pytest.mark.parametrize(("numbers", "least"), [(1, 0.96), (5, 0.95)])
def test_digits_on_photographs_are_found_and_read(benchmark, net, mnist_dataset, numbers, least):
    """A bound is three standard deviations of a count below what is promised of pages of full size."""
    pens = benchmark.Pens(mnist_dataset.test_images, mnist_dataset.test_labels)
    rngs = [np.random.default_rng([3, numbers, i]) for i in range(PAGES)]
    read = benchmark.read_pages(net, [benchmark.photographed_page(pens, numbers, rng, SCALE) for rng in rngs])
    deviation = (least * (1 - least) / len(read.digits)) ** 0.5
    assert read.right() >= 100 * (least - 3 * deviation)
    assert read.invented <= 0.02 * len(read.digits) + 1


def test_a_frame_of_a_camera_is_read_in_time(benchmark, net, mnist_dataset):
    """Ten times what it takes on a core of its own."""
    pens = benchmark.Pens(mnist_dataset.test_images, mnist_dataset.test_labels)
    page = benchmark.photographed_page(pens, 5, np.random.default_rng(0), SCALE)
    before = cnn.get_num_threads()
    cnn.set_num_threads(1)
    try:
        assert benchmark.frame_seconds(net, page) < 0.1
    finally:
        cnn.set_num_threads(before)
