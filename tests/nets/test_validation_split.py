"""`fit(validation_split=...)`: which images are kept for the validation, and what no split can be."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .cases import bits, data, fitted, small

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("n", "split", "first"), [(20, 0.1, 18), (21, 0.1, 18), (10, 0.25, 7), (2, 0.5, 1), (30, np.float32(0.5), 15)]
)
def test_the_last_part_is_kept_before_any_shuffling(either, n, split, first):
    x, y = data(n)
    net, by_hand = small(backend=either), small(backend=either)
    history = fitted(net, x, y, validation_split=split, seed=3)
    expected = fitted(by_hand, x[:first], y[:first], validation_data=(x[first:], y[first:]), seed=3)
    assert bits(net) == bits(by_hand)
    assert history[:4] == expected[:4]
    assert len(history.val_loss) == len(history.loss) > 0


def test_labels_in_one_hot_rows_are_split_likewise(either):
    x, y = data(20)
    rows = np.eye(small().output_shape[0])[y]
    assert fitted(small(), x, rows, validation_split=0.3)[:4] == fitted(small(), x, y, validation_split=0.3)[:4]


def test_no_split_is_no_validation():
    x, y = data(20)
    assert fitted(small(), x, y, validation_split=0).val_loss == []


def test_callbacks_see_the_validation():
    x, y = data(20)
    stopping = cnn.EarlyStopping("val_loss", patience=1)
    fitted(small(), x, y, validation_split=0.5, callbacks=[stopping])
    assert stopping.best is not None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"validation_split": 1e-17}, ValueError, r"to validate with, got 1e-17, which leaves 20 and 0 of 20$"),
        ({"validation_split": 0.99}, ValueError, r"to validate with, got 0\.99, which leaves 0 and 20 of 20$"),
        ({"validation_split": 1}, ValueError, r"which leaves 0 and 20 of 20$"),
        ({"validation_split": -0.1}, ValueError, r"must be finite and between 0 and 1, got -0\.1$"),
        ({"validation_split": 1.5}, ValueError, r"must be finite and between 0 and 1, got 1\.5$"),
        ({"validation_split": "0.1"}, TypeError, r"must be a number, got '0\.1'$"),
        ({"validation_split": 0.1, "validation_data": data(4)}, ValueError, r"cannot be given with validation_data"),
    ],
)
def test_a_split_that_cannot_be_is_a_value_error_before_any_step(options, error, message):
    net = small()
    with pytest.raises(error, match=rf"^validation_split .*{message}"):
        fitted(net, *data(20), **options)
    assert bits(net) == bits(small())
