"""A program for `test_threads.py`: fits in several workers, and what each of them saw of the threads.

    python workers.py loky|threading|multiprocessing|dask|dask_threads|pool|spawned_pool N_JOBS

N_JOBS is that of the estimator, a number or null. It prints a list of JSON, an entry a fit: process, begin and end of
the fit, how many threads it was allowed, and how many of the process's threads the system ran for more than a fifth of
that time.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np

IMAGES, SECONDS = 256, 0.5
WORKERS = max(2, len(os.sched_getaffinity(0)))


def seconds_of_threads():
    """Of each thread of this process, the seconds that it has run."""
    seconds = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            seconds[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:  # it has ended
            continue
    return seconds


def fitted(n_jobs):
    """One fit, long enough for others to run beside it."""
    import cnn  # here, as a task of a pool may be the first to do it
    from cnn.backends.threads import threads_for
    from cnn.sklearn import CNNClassifier

    told = {"process": os.getpid()}

    class Watch(cnn.TimeLimit):
        def on_fit_begin(self, net, logs):
            super().on_fit_begin(net, logs)
            told["allowed"], told["begin"] = threads_for(IMAGES), time.time()
            self.before = seconds_of_threads()

        def on_epoch_end(self, net, logs):
            told["end"] = time.time()
            least = 0.2 * (told["end"] - told["begin"])
            after = seconds_of_threads()
            told["busy"] = sum(after[name] - self.before.get(name, 0.0) > least for name in after)

    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (4 * IMAGES, 784), np.uint8), np.arange(4 * IMAGES) % 10
    estimator = CNNClassifier(epochs=10**6, batch_size=IMAGES, random_state=0, n_jobs=n_jobs)
    estimator.fit(x, y, callbacks=[Watch(SECONDS)])
    return told


def by_joblib(backend, n_jobs):
    with joblib.parallel_config(backend=backend):
        return joblib.Parallel(n_jobs=WORKERS)(joblib.delayed(fitted)(n_jobs) for _ in range(WORKERS))


def by_dask(processes, n_jobs):
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, processes=processes, dashboard_address=None, silence_logs=50
    )
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        return joblib.Parallel()(joblib.delayed(fitted)(n_jobs) for _ in range(WORKERS))


def by_pool(method, n_jobs):
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context(method)) as pool:
        return list(pool.map(fitted, [n_jobs] * WORKERS))


def main():
    warnings.simplefilter("ignore")
    kind, n_jobs = sys.argv[1], json.loads(sys.argv[2])
    if kind.startswith("dask"):
        told = by_dask(kind == "dask", n_jobs)
    elif kind.endswith("pool"):
        told = by_pool("spawn" if kind == "spawned_pool" else "fork", n_jobs)
    else:
        told = by_joblib(kind, n_jobs)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
