"""A grid search over the workers of a Dask cluster, by joblib's backend of Dask."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("distributed", reason="dask[distributed] is not installed")
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from cnn.sklearn import CNNClassifier

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("processes", [True, False])
def test_a_grid_search_on_a_cluster_finds_what_one_in_this_process_finds(processes):
    x, y = load_digits(return_X_y=True)
    search = GridSearchCV(CNNClassifier(epochs=2, random_state=0), {"batch_size": [16, 32]}, cv=2)
    expected = search.fit(x, y).cv_results_["mean_test_score"]
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=processes, dashboard_address=None, silence_logs=50
    )
    with cluster, Client(cluster), parallel_config(backend="dask"):
        search.fit(x, y)
    assert np.array_equal(search.cv_results_["mean_test_score"], expected)
    assert search.best_estimator_.score(x, y) > 0.7
