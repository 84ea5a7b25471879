"""What a second worker gains: a grid search of scikit-learn with n_jobs=1 and 2, on a part of MNIST.

    python benchmarks/grid_search.py [--images 10000] [--epochs 10] [--rounds 2] [--backend loky|threading]

The search with one job, the one with two, whose processes have to be started, and the same again with these processes,
in turns. Before the times are told, the scores of all are compared. Seconds of the processor are those of this process
and of its workers, on Linux.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import joblib
import numpy as np
from joblib.externals.loky import get_reusable_executor
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import GridSearchCV
from timing import machine

import cnn.datasets
from cnn.sklearn import CNNClassifier

GRID = {"learning_rate": [5e-4, 1e-3, 2e-3, 4e-3], "batch_size": [32, 64]}
SEARCHES = {"1": 1, "2, processes started": 2, "2, once more": 2}


class Run(NamedTuple):
    """One search: seconds by the clock and of the processor, and the mean score of each candidate."""

    seconds: float
    processor_seconds: float
    scores: np.ndarray


def processor_seconds() -> float:
    """Of this process and of its children, those that have ended among them."""
    seconds = sum(os.times()[:4])
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def searched(images: np.ndarray, labels: np.ndarray, epochs: int, n_jobs: int, backend: str) -> Run:
    """A search over the grid, two folds each, with one thread a fit."""
    search = GridSearchCV(CNNClassifier(epochs=epochs, random_state=0), GRID, cv=2, n_jobs=n_jobs, refit=False)
    begin, before = time.perf_counter(), processor_seconds()
    with joblib.parallel_config(backend=backend):
        search.fit(images, labels)
    seconds = time.perf_counter() - begin
    return Run(seconds, processor_seconds() - before, search.cv_results_["mean_test_score"])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--backend", choices=["loky", "threading"], default="loky")
    return parser.parse_args()


def main() -> None:
    options = parse()
    data = cnn.datasets.load_mnist()
    images, labels = data.train_images[: options.images], data.train_labels[: options.images]
    runs: dict[str, list[Run]] = {name: [] for name in SEARCHES}
    for _ in range(options.rounds):
        for name, n_jobs in SEARCHES.items():
            runs[name].append(searched(images, labels, options.epochs, n_jobs, options.backend))
        get_reusable_executor().shutdown(wait=True)
    assert all(np.array_equal(run.scores, runs["1"][0].scores) for each in runs.values() for run in each)
    candidates = len(runs["1"][0].scores)
    table = Table(title=f"{candidates} candidates, 2 folds, {len(images)} images, {options.epochs} epochs")
    for name in ("n_jobs", "seconds", "times as fast", "seconds of the processor", "processors in use"):
        table.add_column(name, justify="right", no_wrap=True)
    alone = median(run.seconds for run in runs["1"])
    for name, each in runs.items():
        seconds, used = median(run.seconds for run in each), median(run.processor_seconds for run in each)
        table.add_row(name, f"{seconds:.1f}", f"{alone / seconds:.2f}", f"{used:.1f}", f"{used / seconds:.2f}")
    table.caption = f"{options.backend}; {machine()}; load {os.getloadavg()[0]:.1f}"
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
