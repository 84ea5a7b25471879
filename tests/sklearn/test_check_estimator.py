"""scikit-learn's own checks of estimators, as they are for all that are made for it."""

from __future__ import annotations

import pytest

import cnn

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from cnn.sklearn import CNNClassifier, CNNRegressor

pytestmark = pytest.mark.usefixtures("one_thread")

# Checks that fail, and why: the only ones.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "nets compute in float32: a weight of 2 and an image twice give the same net within its rounding, about 1e-7, "
        "and the check wants less; in float64 it passes, as the test below shows"
    )
}


@pytest.mark.filterwarnings("ignore")  # of images that make no square, of labels that look like values
@parametrize_with_checks([CNNClassifier(), CNNRegressor()], expected_failed_checks=lambda estimator: EXPECTED)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def in_float64(image_shape, outputs, loss=None):
    layers = [cnn.Flatten(), cnn.Dense(8), cnn.Tanh(), cnn.Dense(outputs)]
    return cnn.Sequential(layers, image_shape, dtype="float64", seed=0, loss=loss)


def values_in_float64(image_shape, outputs):
    return in_float64(image_shape, outputs, cnn.losses.MeanSquaredError())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [CNNClassifier(in_float64), CNNRegressor(values_in_float64)])
def test_a_weight_counts_as_so_many_images_in_float64(estimator):
    estimator.set_params(batch_size=1000)  # of which the check has fewer: then they are the same batches
    check_sample_weight_equivalence_on_dense_data(type(estimator).__name__, estimator)
