"""Workers do not fight for cores: the threads of all fits at any moment are no more than the processors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import cnn
from cnn.backends.processors import usable_processors
from cnn.backends.threads import at_most, threads_for

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from cnn.sklearn import CNNClassifier
from cnn.sklearn.threads import limited_threads

PROGRAM = Path(__file__).parent / "workers.py"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
needs_cores = pytest.mark.skipif(
    CORES < 2 or sys.platform != "linux", reason="the threads of other processes are counted on Linux, from two cores"
)


def fits(*arguments):
    """What the fits of all workers saw, without a limit from outside."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    paths = os.pathsep.join(map(str, [Path(cnn.__file__).parent.parent, *sys.path]))
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    run = subprocess.run(
        command, env=environment | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def most_at_once(told, name):
    """The largest sum over the fits that run at some moment."""
    return max(sum(fit[name] for fit in told if fit["begin"] <= at < fit["end"]) for at in [f["begin"] for f in told])


def busy_threads(told):
    """Those of all processes together."""
    by_process = defaultdict(int)
    for fit in told:
        by_process[fit["process"]] = max(by_process[fit["process"]], fit["busy"])
    return sum(by_process.values())


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("multiprocessing", "spawned_pool", "dask_threads")]


@needs_cores
@pytest.mark.parametrize("kind", ["loky", "threading", "pool", "dask", *SLOW])
def test_threads_of_all_workers_are_no_more_than_the_processors(kind):
    if kind.startswith("dask"):
        pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    told = fits(kind, -1)
    assert most_at_once(told, "allowed") <= CORES
    assert busy_threads(told) <= CORES


@needs_cores
@pytest.mark.parametrize(("n_jobs", "threads"), [("null", 1), (2, 2)])
def test_a_number_counts_for_each_of_joblibs_threads(n_jobs, threads):
    told = fits("threading", n_jobs)
    assert {fit["allowed"] for fit in told} == {threads}
    assert most_at_once(told, "allowed") >= CORES * threads  # so what the tests above count could be too much


@pytest.fixture
def four_threads():
    before = cnn.get_num_threads()
    cnn.set_num_threads(4, fixed=True)
    yield
    cnn.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("n_jobs", "threads"), [(None, 1), (1, 1), (3, 3), (8, 4), (-1, min(4, usable_processors()))])
def test_a_fit_and_a_prediction_have_n_jobs_threads_at_most(n_jobs, threads, bars):
    told = []

    class Watch(cnn.Callback):
        def on_epoch_end(self, net, logs):
            told.append(threads_for(100))

    estimator = CNNClassifier(epochs=1, random_state=0, n_jobs=n_jobs)
    estimator.fit(bars.train_images, bars.train_labels, callbacks=[Watch()])
    assert told == [threads]
    assert threads_for(100) == 4
    one = CNNClassifier(epochs=1, random_state=0, n_jobs=1).fit(bars.train_images, bars.train_labels)
    assert (estimator.predict_proba(bars.test_images) == one.predict_proba(bars.test_images)).all()


@pytest.mark.usefixtures("four_threads")
def test_the_smallest_of_several_limits_counts():
    with at_most(2), limited_threads(3):
        assert threads_for(100) == cnn.get_num_threads() == 2
    with limited_threads(-1):
        assert 1 <= threads_for(100) <= 4
    with limited_threads(-1024):
        assert threads_for(100) == 1
    assert cnn.get_num_threads() == 4


@pytest.mark.parametrize(("n_jobs", "error"), [(0, ValueError), (1.5, TypeError), ("all", TypeError)])
def test_what_is_no_number_of_threads_is_an_error(n_jobs, error, bars):
    with pytest.raises(error, match="n_jobs must be"):
        CNNClassifier(n_jobs=n_jobs).fit(bars.train_images, bars.train_labels)
