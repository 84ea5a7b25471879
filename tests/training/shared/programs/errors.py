"""Fits that fail on the ranks of mpiexec; JSON of the error on each rank, by what is wrong, and of a fit after all."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from cases import Scale, images, in_python, small, tutorial
from mpi4py import MPI

import cnn
import cnn.backends.ranks
import cnn.datasets
import cnn_c

COMM = MPI.COMM_WORLD
RANK = COMM.rank
FOLDER = Path(COMM.bcast(tempfile.mkdtemp() if RANK == 0 else None))
DATA = images(40)
FAILURES: dict[str, Callable[[], Any]] = {}


def failure(function: Callable[[], Any]) -> Callable[[], Any]:
    FAILURES[function.__name__] = function
    return function


def fit(net: cnn.Sequential | None = None, x: Any = DATA[0], y: Any = DATA[1], **options: Any) -> None:
    options = {"epochs": 2, "batch_size": 16, "seed": 3, "progress": False, "comm": COMM} | options
    (small("float32") if net is None else net).fit(x, y, **options)


def one_layer(layer: cnn.Layer, **options: Any) -> cnn.Sequential:
    return cnn.Sequential([layer, cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), seed=1, **options)


# ---- what only one rank is given ----

DIFFERENT: dict[str, Callable[[], dict[str, Any]]] = {
    "epochs": lambda: {"epochs": 3},
    "batch_size": lambda: {"batch_size": 8},
    "seed": lambda: {"seed": 4},
    "seed_generator": lambda: {"seed": np.random.default_rng(4)},
    "shuffle": lambda: {"shuffle": False},
    "x": lambda: {"x": DATA[0] + 1},
    "x_dtype": lambda: {"x": DATA[0].astype(np.float32)},
    "images": lambda: {"x": DATA[0][1:], "y": DATA[1][1:]},
    "y": lambda: {"y": DATA[1][::-1]},
    "y_out_of_range": lambda: {"y": DATA[1] + 1},
    "weights": lambda: {"sample_weight": np.arange(40)},
    "validation": lambda: {"validation_data": images(5)},
    "augment": lambda: {"augment": cnn.Augment(shift=1)},
    "optimizer": lambda: {"optimizer": cnn.Adam(0.1)},
    "learning_rate": lambda: {"optimizer": cnn.SGD(0.2)},
    "no_optimizer": lambda: {"optimizer": "sgd"},
    "another_net": lambda: {"net": tutorial("float32")},
    "layers": lambda: {"net": one_layer(cnn.Conv2D(10, 28))},
    "dtype": lambda: {"net": small("float64")},
    "loss": lambda: {"net": small("float32", cnn.losses.SoftmaxCrossEntropy(0.1))},
    "backend": lambda: {"net": one_layer(cnn.ReLU(), backend="numpy")},
    "batches": lambda: {"x": [DATA], "y": None, "batch_size": None},
    "shard": lambda: {"x": cnn.datasets.shard(*DATA, MPI.COMM_SELF), "y": None},
}


def given_to_one(name: str, rank: int) -> None:
    fit(**(DIFFERENT[name]() if RANK == rank else {}))


for _name in DIFFERENT:
    FAILURES[f"other_{_name}"] = lambda name=_name: given_to_one(name, 1)
FAILURES["root_has_shard"] = lambda: given_to_one("shard", 0)


@failure
def versions() -> None:
    with mock.patch("cnn.training.shared_fit.version", return_value=f"0.{RANK // 2}"):
        fit()


@failure
def numpy_version() -> None:
    with mock.patch.object(np, "__version__", f"2.{RANK}"):
        fit()


@failure
def level() -> None:
    with mock.patch.object(cnn_c, "LEVEL", "v4" if RANK == 1 else cnn_c.LEVEL):
        fit()


@failure
def no_comm() -> None:
    fit(comm=4)


# ---- shards that are no data set ----


def shards(first: int, end: int, **options: Any) -> None:
    fit(x=cnn.datasets.Shard(DATA[0][first:end], DATA[1], first), y=None, **options)


@failure
def shards_overlap() -> None:
    shards(10 * RANK, 40)


@failure
def shards_leave_out_the_first() -> None:
    shards(10 + 10 * RANK, 20 + 10 * RANK)


@failure
def shards_leave_out_the_last() -> None:
    shards(10 * RANK, 10 + 10 * RANK)


@failure
def shards_in_another_order() -> None:
    first = [20, 10, 0][RANK]
    shards(first, [40, 20, 10][RANK])


@failure
def shard_of_another_dtype() -> None:
    own = cnn.datasets.shard(*DATA, COMM)
    fit(x=own._replace(x=own.x.astype(np.float32)) if RANK == 2 else own, y=None)


@failure
def shard_with_other_labels() -> None:
    own = cnn.datasets.shard(*DATA, COMM)
    fit(x=own._replace(y=own.y[::-1]) if RANK == 2 else own, y=None)


@failure
def shard_with_too_few_labels() -> None:
    own = cnn.datasets.shard(*DATA, COMM)
    fit(x=own._replace(y=own.y[:30]) if RANK == 2 else own, y=None)


@failure
def shard_without_comm() -> None:
    fit(x=cnn.datasets.shard(*DATA, COMM), y=None, comm=None)


@failure
def shard_without_a_file() -> None:
    cnn.datasets.shard(FOLDER / "nothing" if RANK == 1 else DATA[0], DATA[1], COMM)


@failure
def shard_with_nan() -> None:
    own = cnn.datasets.shard(DATA[0].astype(np.float32), DATA[1], COMM)
    if RANK == 1:
        own.x[3] = np.nan
    fit(x=own, y=None)


# ---- what raises in the middle of a fit ----


class Raising(cnn.Callback):
    def __init__(self, hook: str, error: BaseException) -> None:
        def raising(net: Any, logs: dict[str, Any]) -> None:
            raise error

        setattr(self, hook, raising)


for _hook in ("on_fit_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_fit_end"):
    FAILURES[_hook] = lambda hook=_hook: fit(callbacks=[Raising(hook, ValueError(f"{hook} of rank {RANK}"))])


@failure
def interrupted_callback() -> None:
    fit(callbacks=[Raising("on_epoch_end", KeyboardInterrupt())])


@failure
def exit_in_callback() -> None:
    fit(callbacks=[Raising("on_epoch_end", SystemExit(3))])


class Broken(Scale):
    """Raises on one rank, or computes another gradient there."""

    def __init__(self, method: str, rank: int) -> None:
        self.method, self.rank = method, rank
        self.calls = 0

    def _break(self, method: str) -> None:
        self.calls += method == self.method and RANK == self.rank
        if self.calls == 4:
            raise ZeroDivisionError(f"{method} of rank {RANK}")

    def apply(self, x: np.ndarray, training: bool) -> Any:
        self._break("apply")
        return super().apply(x, training)

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        self._break("apply_gradient")
        dx = super().apply_gradient(dy, kept)
        self.gradients["factor"][...] *= 1 + (self.method == "differs" and RANK == self.rank)
        return dx


def broken(method: str, rank: int) -> None:
    layers = [cnn.Conv2D(3, 5, stride=3), Broken(method, rank), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(10)]
    fit(cnn.Sequential([cnn.Rescaling(1 / 255), *layers], (28, 28, 1), seed=1))


FAILURES["layer_forward"] = lambda: broken("apply", 1)
FAILURES["layer_backward"] = lambda: broken("apply_gradient", 2)
FAILURES["layer_of_the_root"] = lambda: broken("apply", 0)
FAILURES["layer_differs"] = lambda: broken("differs", 1)


@failure
def loss_in_python() -> None:
    def loss(outputs: np.ndarray, targets: np.ndarray) -> Any:
        if RANK == 1:
            raise ZeroDivisionError("loss of rank 1")
        return float((outputs**2).mean()), 2 * outputs / outputs.size

    fit(in_python("float32", loss), y=np.eye(10)[DATA[1]])


class BrokenSGD(cnn.Optimizer):
    def update(self, parameters: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        if RANK == 1 and self.done == 3:
            raise ZeroDivisionError("update of rank 1")
        parameters -= rate * gradients


@failure
def optimizer_in_python() -> None:
    fit(optimizer=BrokenSGD(0.01))


@failure
def rate_function() -> None:
    def rate(step: int, steps: int) -> float:
        return 0.01 / (RANK != 2 or step < 3)

    fit(optimizer=cnn.SGD(rate))


@failure
def diverges() -> None:
    fit(tutorial("float32"), optimizer=cnn.SGD(1e30))


@failure
def nan_in_one_image() -> None:
    x = DATA[0].astype(np.float32)
    x[7, 3, 3] = np.nan
    fit(x=x, shuffle=False)


# ---- files ----


@failure
def nothing_to_resume() -> None:
    fit(resume=FOLDER / "nothing")


@failure
def resume_of_one_rank() -> None:
    fit(resume=FOLDER / "nothing" if RANK == 1 else None)


@failure
def resume_of_another_fit() -> None:
    path = FOLDER / "another"
    fit(callbacks=[cnn.Checkpoint(path)])
    fit(resume=path, epochs=3)


@failure
def no_folder_for_the_checkpoint() -> None:
    fit(callbacks=[cnn.Checkpoint(FOLDER / "nowhere" / "checkpoint")])


class FullDisk(cnn.Callback):
    """From the second epoch on, files cannot grow."""

    def on_epoch_begin(self, net: Any, logs: dict[str, Any]) -> None:
        if logs["epoch"] == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


@failure
def full_disk() -> None:
    path = FOLDER / "full"
    try:
        fit(callbacks=[cnn.Checkpoint(path), FullDisk()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    fit(resume=path)


def main() -> None:
    cnn.set_num_threads(1)
    cnn.backends.ranks.PRECEDENCE = 0
    warnings.simplefilter("ignore")
    result: dict[str, Any] = {}
    for name in sys.argv[1:] or FAILURES:
        if os.environ.get("VERBOSE"):
            print(RANK, name, file=sys.stderr, flush=True)
        try:
            FAILURES[name]()
            told = "no error"
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        result[name] = COMM.allgather(told.replace(str(FOLDER), "FOLDER"))
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), seed=RANK)
    fit(net, seed=None)
    result["after all"] = COMM.allgather(hashlib.sha256(net.executor.learned.parameters).hexdigest())
    if RANK == 0:
        print(json.dumps(result))


main()
