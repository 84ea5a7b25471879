"""The nets of the benchmarks, trained a little on MNIST."""

from __future__ import annotations

import functools

import pytest

import cnn
import cnn.models

NETS = {"a": cnn.models.tutorial, "b": cnn.models.two_conv, "lenet": cnn.models.lenet5}


@functools.cache
def trained(name: str, images: int, epochs: int) -> cnn.Sequential:
    data, net = cnn.datasets.load_mnist(), NETS[name](seed=0)
    x, y = data.train_images[:images], data.train_labels[:images]
    net.fit(x, y, epochs, 64, cnn.SGD(0.02, momentum=0.9), seed=0, progress=False)
    return net


@pytest.fixture(params=NETS)
def quickly_trained(request, mnist_dataset) -> tuple[str, cnn.Sequential]:
    """A name, and a net that knows most digits."""
    return request.param, trained(request.param, 6000, 1)


@pytest.fixture(params=NETS)
def well_trained(request, mnist_dataset) -> tuple[str, cnn.Sequential]:
    """A name, and a net that has seen all images, twice."""
    return request.param, trained(request.param, 60000, 2)
