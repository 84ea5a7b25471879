"""`CNNRegressor`: values of images, one or several."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from cnn.sklearn import CNNRegressor

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def bright():
    """Images 8x8 of a bright spot, and where it is: row and column, from -1 to 1."""
    random = np.random.default_rng(0)
    places = random.integers(0, 8, (400, 2))
    images = random.integers(0, 40, (400, 8, 8), np.uint8)
    images[np.arange(400), places[:, 0], places[:, 1]] = 255
    return images, places / 3.5 - 1


def regressor(**options):
    return CNNRegressor(**{"epochs": 20, "random_state": 0} | options)


@pytest.mark.parametrize("loss", ["squared_error", "huber", cnn.losses.Huber(0.5)])
def test_one_value_or_several(bright, loss):
    x, y = bright
    estimator = regressor(loss=loss).fit(x[:300], y[:300])
    assert estimator.predict(x).shape == (400, 2)
    assert estimator.predict(x).dtype == np.float64
    assert estimator.score(x[300:], y[300:]) > 0.5
    one = regressor(loss=loss).fit(x[:300], y[:300, 0])
    assert one.predict(x).shape == (400,)
    assert one.score(x[300:], y[300:, 0]) > 0.5
    assert regressor(loss=loss, epochs=1).fit(x, y[:, :1]).predict(x).shape == (400, 1)


def test_a_loss_of_ones_own(bright):
    def absolute(outputs, targets):
        difference = outputs - targets.reshape(outputs.shape)
        return np.abs(difference).mean(), np.sign(difference) / difference.size

    x, y = bright
    assert regressor(loss=absolute).fit(x, y).score(x, y) > 0.5


def test_weights_count(bright):
    x, y = bright
    first = np.arange(400) < 200
    x, y = np.r_[x[:200], x[:200]], np.r_[y[:200], -y[:200]]
    estimator = regressor().fit(x, y, sample_weight=np.where(first, 1.0, 0.0))
    assert estimator.score(x[first], y[first]) > 0.5 > 0 > estimator.score(x[~first], y[~first])


def test_partial_fit_early_stopping_and_warm_start(bright):
    x, y = bright
    estimator = regressor()
    for _ in range(20):
        estimator.partial_fit(x, y)
    assert estimator.score(x, y) > 0.5
    assert estimator.n_iter_ == 20
    with pytest.raises(ValueError, match="y must have 2 values an image, got 1"):
        estimator.partial_fit(x, y[:, 0])
    stopped = regressor(epochs=300, learning_rate=0.02, early_stopping=True).fit(x, y)
    assert stopped.n_iter_ == len(stopped.history_.val_loss) < 300
    warm = regressor(epochs=3, warm_start=True).fit(x, y)
    loss = warm.history_.loss[-1]
    assert warm.fit(x, y).history_.loss[0] < loss


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        ("squared", ValueError, "loss must be one of squared_error, huber, or a loss, got 'squared'; did you mean"),
        (3, TypeError, "loss must be one of"),
    ],
)
def test_what_is_no_loss_is_an_error(bright, loss, error, message):
    with pytest.raises(error, match=message):
        regressor(loss=loss).fit(*bright)
