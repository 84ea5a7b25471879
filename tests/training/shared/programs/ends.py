"""A fit that one rank leaves in the way that the first argument names."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any
from unittest import mock

import numpy as np
from cases import Scale, images
from mpi4py import MPI

import cnn
import cnn.backends.ranks
from cnn.backends.subtree_sums import InMemory

COMM = MPI.COMM_WORLD
way, checkpoint = sys.argv[1:]
cnn.backends.ranks.PATIENCE = 2.0


class Leaving(cnn.Callback):
    """Leaves the second epoch on rank 0."""

    comes_last = True

    def on_epoch_end(self, net: Any, logs: dict[str, Any]) -> None:
        if logs["epoch"] == 2:
            print("the second epoch", flush=True)
            if way == "raises":
                raise ValueError("this callback")
            if way == "exits":
                sys.exit(3)
            if way == "exits without an error":
                sys.exit()
            if way == "leaves at once":
                os._exit(3)
            if way == "crashes":
                os.kill(os.getpid(), signal.SIGSEGV)
            if way == "sleeps":
                time.sleep(60)


class Layer(Scale):
    def apply(self, x: np.ndarray, training: bool) -> Any:
        if way == "layer" and COMM.rank == 1 and os.path.exists(checkpoint):
            raise ZeroDivisionError("this layer")
        return super().apply(x, training)


def broken_exchange(sums: InMemory, *shares: Any) -> None:
    if COMM.rank == 1 and os.path.exists(checkpoint):
        raise MemoryError("this exchange")
    add_up(sums, *shares)


if way == "before fit" and COMM.rank == 1:
    raise ValueError("before fit")
add_up = InMemory.add_up
middle = Layer() if way == "layer" else cnn.BatchNorm()
layers = [cnn.Rescaling(1 / 255), cnn.Conv2D(3, 5, stride=3), middle, cnn.ReLU(), cnn.Flatten(), cnn.Dense(10)]
net = cnn.Sequential(layers, (28, 28, 1), seed=1)
epochs = 100_000 if way == "goes on" else 3
with mock.patch.object(InMemory, "add_up", broken_exchange if way == "exchange" else add_up):
    net.fit(
        *images(100),
        epochs=epochs,
        batch_size=32,
        seed=3,
        callbacks=[cnn.Checkpoint(checkpoint), Leaving()],
        progress=False,
        comm=COMM,
    )
