"""Known nets with their examples' settings against PyTorch eager: training steps of `cnn.models` on MNIST.

    python benchmarks/ready_made.py [--nets keras_mnist,pytorch_mnist,resnet_small] [--threads 1,2] [--rounds 7]

Each implementation has a process of its own, and all are timed in turns: ours, and PyTorch in either memory format, on
each number of threads. Of both sides the best counts. We take uint8 images as the files hold them; PyTorch's batches
lie in memory gathered and rescaled. Before that, the losses of the first steps are compared, without dropout.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np
from peers.case import Case
from rich.console import Console
from rich.table import Table

# A process of PyTorch's loads no OpenMP runtime but its own: nothing here imports cnn before it is needed.

GOALS = {"keras_mnist": 6.0, "pytorch_mnist": 3.0, "resnet_small": 2.0}  # times as fast as PyTorch
RECIPES = {"keras_mnist": "keras", "pytorch_mnist": "pytorch", "resnet_small": "resnet"}
WAYS = ("ours", "contiguous", "channels last")
BATCHES = 8  # in a turn
PAUSE = 0.03  # seconds before a turn, until the threads of whoever had the last one have ceased to spin
STEPS, TOLERANCE = 3, 2e-3  # whose losses are compared; relative, for float32 in another order of sums


def prepared(net: str) -> Case:
    """The net and its batches, as its recipe has them."""
    from peers.nets import NETS, pictures
    from peers.package import case_of

    from cnn.datasets import load_mnist
    from cnn.recipes import RECIPES as recipes

    data, batch = load_mnist(), recipes[RECIPES[net]].batch_size
    count = BATCHES * batch
    images = pictures(data.train_images[:count], NETS[net].input_shape, np.random.default_rng(0))
    return case_of(net, "training", batch, 1, images, data.train_labels[:count].astype(np.int64))


class Ours:
    """Fits of a net of `cnn.models`, by its recipe."""

    def __init__(self, case: Case) -> None:
        import cnn
        from cnn.recipes import RECIPES as recipes

        self.case, self.cnn, self.recipe = case, cnn, recipes[RECIPES[case.net]]
        self.net = getattr(cnn.models, case.net)(seed=0)

    def set_threads(self, threads: int) -> None:
        self.cnn.set_num_threads(threads)

    def epoch(self) -> object:
        arguments = self.recipe.arguments(seed=0) | {"epochs": 1}
        return self.net.fit(self.case.images, self.case.labels, progress=False, **arguments)

    def losses(self) -> list[float]:
        """Those of the first steps at the first learning rate, of a net without dropout."""
        from peers.package import sequential

        net, slices = sequential(self.case.without_dropout()), self.case.slices()[:STEPS]
        optimizer = self.recipe.arguments()["optimizer"]
        return [net.train_on_batch(self.case.images[batch], self.case.labels[batch], optimizer) for batch in slices]


class PyTorch:
    """Eager steps in one memory format."""

    def __init__(self, case: Case, channels_last: bool) -> None:
        from peers.ready_made import Trained

        self.trained = Trained(case, channels_last)
        self.epoch: Callable[[], object] = self.trained.epoch

    def set_threads(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

    def losses(self) -> list[float]:
        return self.trained.losses_without_dropout()[:STEPS]


def serve(connection: Connection, way: str, case: Case) -> None:
    """Answer with the first losses; then, for numbers of threads, with the microseconds that an image takes."""
    made: Any = Ours(case) if way == "ours" else PyTorch(case, way == "channels last")
    connection.send(made.losses())
    while (threads := connection.recv()) is not None:
        made.set_threads(threads)
        start = perf_counter()
        made.epoch()
        connection.send((perf_counter() - start) / len(case.images) * 1e6)


class Server:
    """A process that answers."""

    def __init__(self, way: str, case: Case) -> None:
        self.connection, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        context.Process(target=serve, args=(other, way, case), daemon=True).start()
        self.losses: list[float] = self.connection.recv()

    def time(self, threads: int) -> float:
        sleep(PAUSE)
        self.connection.send(threads)
        answer: float = self.connection.recv()
        return answer


def timed(net: str, threads: list[int], rounds: int) -> tuple[int, dict[tuple[str, int], float]]:
    """The batch, and medians by way and number of threads, of turns of which the first is not counted."""
    case = prepared(net)
    servers = {way: Server(way, case) for way in WAYS}
    for way in WAYS[1:]:
        np.testing.assert_allclose(servers[way].losses, servers["ours"].losses, rtol=TOLERANCE, err_msg=f"{net}, {way}")
    times: dict[tuple[str, int], list[float]] = {(way, n): [] for n in threads for way in WAYS}
    for _ in range(rounds + 1):
        for (way, n), values in times.items():
            values.append(servers[way].time(n))
    for server in servers.values():
        server.connection.send(None)
    return case.batch, {key: median(values[1:]) for key, values in times.items()}


def parse() -> argparse.Namespace:
    from cnn import get_num_threads

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=lambda text: text.split(","), default=list(GOALS), metavar="NAME,...")
    parser.add_argument(
        "--threads",
        type=lambda text: [int(number) for number in text.split(",")],
        default=list(range(1, get_num_threads() + 1)),
        metavar="1,2,...",
    )
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def main() -> None:
    from peers.load import load
    from timing import machine

    options = parse()
    before = load()
    table = Table(title="us an image in training, at the best number of threads", caption_justify="left")
    for name in ("net", "batch", "cnn-c", "PyTorch", "memory format", "", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    for net in options.nets:
        batch, times = timed(net, options.threads, options.rounds)
        ours = min((seconds, n) for (way, n), seconds in times.items() if way == "ours")
        peer = min((seconds, n, way) for (way, n), seconds in times.items() if way != "ours")
        table.add_row(
            net,
            str(batch),
            f"{ours[0]:.1f} ({ours[1]} thr.)",
            f"{peer[0]:.1f} ({peer[1]} thr.)",
            peer[2],
            f"{peer[0] / ours[0]:.2f}x",
            f"{GOALS[net]:g}x",
        )
    table.caption = f"{machine()}; other work took {before:.0%} of the machine before, {load():.0%} after"
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
