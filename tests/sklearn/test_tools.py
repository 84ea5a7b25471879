"""The tools of scikit-learn that take estimators: each with a net in it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cnn

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cnn.sklearn import CNNClassifier, CNNRegressor

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits, as rows of 64 features from 0 to 16."""
    x, y = load_digits(return_X_y=True)
    return x[:900], y[:900], x[900:], y[900:]


def classifier(**options):
    return CNNClassifier(**{"epochs": 10, "random_state": 0} | options)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), None])
def test_pipeline(digits, scaler):
    x, y, x_test, y_test = digits
    pipeline = make_pipeline(scaler or "passthrough", classifier())
    assert pipeline.fit(x, y).score(x_test, y_test) > 0.8
    assert pipeline[-1].n_features_in_ == 64
    callback = cnn.TimeLimit(60)
    pipeline.fit(x, y, cnnclassifier__callbacks=[callback], cnnclassifier__sample_weight=np.ones(len(y)))


def test_grid_search_finds_the_better_net_and_goes_on_with_it(digits):
    x, y, x_test, y_test = digits
    grid = {"learning_rate": [0.0, 0.002], "net": ["tutorial", "two_conv"]}
    search = GridSearchCV(classifier(), grid, cv=2, n_jobs=1).fit(x, y)
    assert search.best_params_["learning_rate"] == 0.002
    assert search.score(x_test, y_test) > 0.85


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_in_workers_finds_what_one_without_finds(digits, backend):
    from joblib import parallel_config

    x, y, *_ = digits
    grid = {"batch_size": [16, 32], "optimizer": ["adam", cnn.SGD(0.03, momentum=0.9)]}
    alone = GridSearchCV(classifier(epochs=2), grid, cv=2).fit(x, y)
    with parallel_config(backend=backend):
        search = GridSearchCV(classifier(epochs=2), grid, cv=2, n_jobs=2).fit(x, y)
    assert np.array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert np.array_equal(search.predict_proba(x), alone.predict_proba(x))


def test_halving_random_search(digits):
    x, y, *_ = digits
    space = {"learning_rate": loguniform(1e-5, 1e-2), "batch_size": [16, 32]}
    search = HalvingRandomSearchCV(
        classifier(), space, resource="epochs", min_resources=1, max_resources=9, random_state=0, cv=2
    ).fit(x, y)
    assert search.n_resources_ == [1, 3, 9]
    assert search.best_params_["epochs"] == 9
    assert search.best_score_ > 0.8


def test_cross_validation(digits):
    x, y, *_ = digits
    folds = StratifiedKFold(3)
    scores = cross_val_score(classifier(), x, y, cv=folds)
    assert scores.shape == (3,)
    assert scores.min() > 0.8
    predicted = cross_val_predict(classifier(), x.reshape(-1, 8, 8), y, cv=folds)
    assert (predicted == y).mean() == pytest.approx(scores.mean())


def test_more_images_make_a_better_net(digits):
    x, y, *_ = digits
    scores = learning_curve(classifier(), x, y, train_sizes=[0.2, 1.0], cv=3)[2]
    assert scores[0].mean() < scores[1].mean()


def test_calibrated_probabilities(digits):
    x, y, x_test, y_test = digits
    y, y_test = y == 8, y_test == 8
    calibrated = CalibratedClassifierCV(classifier(epochs=3), method="sigmoid", cv=3).fit(x, y)
    probabilities = calibrated.predict_proba(x_test)
    assert probabilities.shape == (len(x_test), 2)
    assert brier_score_loss(y_test, probabilities[:, 1]) < 0.08


def test_a_study_of_optuna_prunes_a_fit_that_is_worse_than_others(digits):
    optuna = pytest.importorskip("optuna", reason="optuna is not installed")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    x, y, x_test, y_test = digits
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.enqueue_trial({"rate": 0.003})
    study.enqueue_trial({"rate": 1e-6})

    def objective(trial):
        rate = trial.suggest_float("rate", 1e-6, 0.01, log=True)
        estimator = classifier(learning_rate=rate, early_stopping=cnn.EarlyStopping("val_accuracy", patience=10))
        return estimator.fit(x, y, callbacks=[cnn.OptunaPruning(trial)]).score(x_test, y_test)

    study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED"]
    assert study.best_value > 0.8


def test_weights_are_routed_through_a_search_and_a_pipeline(digits):
    x, y, *_ = digits
    with config_context(enable_metadata_routing=True):
        requests = classifier(epochs=1).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(MinMaxScaler(), requests)
        search = GridSearchCV(pipeline, {"cnnclassifier__batch_size": [16, 32]}, cv=2)
        one_class = search.fit(x, y, sample_weight=(y == 3).astype(float))
    assert (one_class.predict(x) == 3).all()


def test_a_target_on_another_scale_is_transformed(digits):
    x, y, x_test, y_test = digits
    regressor = CNNRegressor(epochs=6, random_state=0)
    transformed = TransformedTargetRegressor(regressor, transformer=StandardScaler()).fit(x, 1e4 + 100.0 * y)
    assert transformed.score(x_test, 1e4 + 100.0 * y_test) > 0.5


def layers():
    return [cnn.Rescaling(1 / 16), cnn.Conv2D(4, 3), cnn.ReLU(), cnn.Flatten(), cnn.Dense(10)]


def function(image_shape, outputs):
    return [cnn.Rescaling(1 / 16), cnn.Flatten(), cnn.Dense(outputs)]


@pytest.mark.parametrize("net", ["two_conv", function, layers()])
def test_clones_and_pickles_learn_and_predict_the_same(digits, net):
    x, y, *_ = digits
    estimator = classifier(
        net=net, optimizer=cnn.SGD(0.03), augment=cnn.Augment(shift=1), early_stopping=cnn.EarlyStopping(patience=2)
    )
    copied = clone(estimator)
    assert copied.get_params().keys() == estimator.get_params().keys()
    expected = estimator.fit(x, y).predict_proba(x)
    for other in (copied, clone(estimator), pickle.loads(pickle.dumps(copied))):
        assert not hasattr(other, "net_")
        assert np.array_equal(other.fit(x, y).predict_proba(x), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(estimator)).predict_proba(x), expected)
