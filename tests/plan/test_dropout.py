"""Masks of a fit: from its seed, by the position of an image in the epoch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

from .nets import counterpart, noise

pytestmark = pytest.mark.usefixtures("two_threads")


def losses_of_masks(seed, epochs=1, batch_size=8, backend="compiled", rate=0.5) -> list[float]:
    """A fit that learns nothing: the losses of its epochs differ by the masks alone."""
    layers = [cnn.Flatten(), cnn.Dropout(rate), cnn.Dense(6), cnn.ReLU(), cnn.Dropout(rate), cnn.Dense(5)]
    net = cnn.Sequential(layers, (4, 3, 1), seed=0, dtype="float64", backend=backend)
    x, y = noise(net, 40)
    options = {"optimizer": cnn.SGD(0.0), "shuffle": False, "progress": False, "seed": seed}
    return net.fit(x, y, epochs, batch_size=batch_size, **options).loss


def test_masks_follow_from_the_fits_seed_and_differ_from_epoch_to_epoch(implementation):
    backend = "numpy" if implementation == "reference" else "compiled"
    once, again, other = (losses_of_masks(seed, 3, backend=backend) for seed in (1, 1, 2))
    assert once == again
    assert len({*once, *other}) == 6


def test_masks_do_not_hang_on_the_size_of_batches(level):
    # The number of an image in the epoch alone; what rounding makes of a loss is the same for any batch.
    assert losses_of_masks(1, batch_size=8) == losses_of_masks(1, batch_size=40) == losses_of_masks(1, batch_size=7)


def test_the_masks_of_two_layers_have_nothing_in_common(implementation):
    layers = [cnn.Flatten(), cnn.Dropout(0.5), cnn.Dropout(0.5), cnn.Dense(2, bias=False)]
    net = cnn.Sequential(layers, (1, 1, 1), seed=0, dtype="float64")
    net.layers[-1].weights = np.array([[1.0, 0.0]])
    net = counterpart(net) if implementation == "reference" else net
    n = 4000
    options = {"optimizer": cnn.SGD(0.0), "batch_size": 400, "seed": 1, "progress": False}
    (loss,) = net.fit(np.ones((n, 1, 1, 1)), np.ones(n, int), **options).loss
    # Ones become 4 where both keep them, with a loss of log(1 + e**4) for the other class; else 0, with that of log(2).
    kept = (loss - math.log(2)) / (math.log(1 + math.exp(4)) - math.log(2))
    assert abs(kept - 1 / 4) < 5 * math.sqrt(1 / 4 * 3 / 4 / n)


@pytest.mark.parametrize("rate", [1 - 2**-33, math.nextafter(1.0, 0.0)])
def test_a_dropout_of_nearly_everything_is_no_error(implementation, rate):
    backend = "numpy" if implementation == "reference" else "compiled"
    assert losses_of_masks(1, backend=backend, rate=rate) == pytest.approx([math.log(5)], rel=1e-15)
