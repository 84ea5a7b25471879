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
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

# A process of PyTorch's loads no OpenMP runtime but its own: nothing here imports cnn before it is needed.

GOALS = {"keras_mnist": 6.0, "pytorch_mnist": 3.0, "resnet_small": 2.0}  # times as fast as PyTorch
RECIPES = {"keras_mnist": "keras", "pytorch_mnist": "pytorch", "resnet_small": "resnet"}
WAYS = ("ours", "contiguous", "channels last")
BATCHES = 8  # in a turn
PAUSE = 0.03  # seconds before a turn, until the threads of whoever had the last one have ceased to spin
STEPS, TOLERANCE = 3, 2e-3  # whose losses are compared; relative, for float32 in another order of sums


class Case(NamedTuple):
    """A net, and what all begin with."""

    net: str
    batch: int
    images: np.ndarray  # uint8
    labels: np.ndarray
    scaled: np.ndarray  # float32, as the first convolution takes them
    parameters: list[np.ndarray]


def case_of(net: str) -> Case:
    import cnn
    from cnn.recipes import RECIPES as recipes

    data, batch, model = cnn.datasets.load_mnist(), recipes[RECIPES[net]].batch_size, getattr(cnn.models, net)(seed=0)
    images, labels = data.train_images[: BATCHES * batch], data.train_labels[: BATCHES * batch].astype(np.int64)
    rescaling = model.layers[0]
    scaled = images * np.float32(rescaling.scale) + np.float32(rescaling.offset)
    return Case(net, batch, images, labels, scaled, [value.copy() for value in model.parameters().values()])


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
        cnn, case = self.cnn, self.case
        layers = [layer.anew() for layer in self.net.layers if not isinstance(layer, cnn.Dropout)]
        net = cnn.Sequential(layers, self.net.input_shape)
        net.set_parameters(dict(zip(net.parameters(), case.parameters, strict=True)))
        optimizer, losses = self.recipe.arguments()["optimizer"], []
        for step in range(STEPS):
            batch = slice(step * case.batch, (step + 1) * case.batch)
            losses.append(net.train_on_batch(case.images[batch], case.labels[batch], optimizer))
        return losses


class PyTorch:
    """Eager steps in one memory format."""

    def __init__(self, case: Case, channels_last: bool) -> None:
        from peers.ready_made import Trained

        self.trained = Trained(case.net, channels_last, case.scaled, case.labels, case.batch, case.parameters)
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


def timed(net: str, threads: list[int], rounds: int) -> dict[tuple[str, int], float]:
    """Medians by way and number of threads, of turns of which the first is not counted."""
    case = case_of(net)
    servers = {way: Server(way, case) for way in WAYS}
    for way in WAYS[1:]:
        np.testing.assert_allclose(servers[way].losses, servers["ours"].losses, rtol=TOLERANCE, err_msg=f"{net}, {way}")
    times: dict[tuple[str, int], list[float]] = {(way, n): [] for n in threads for way in WAYS}
    for _ in range(rounds + 1):
        for (way, n), values in times.items():
            values.append(servers[way].time(n))
    for server in servers.values():
        server.connection.send(None)
    return {key: median(values[1:]) for key, values in times.items()}


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
        times = timed(net, options.threads, options.rounds)
        ours = min((seconds, n) for (way, n), seconds in times.items() if way == "ours")
        peer = min((seconds, n, way) for (way, n), seconds in times.items() if way != "ours")
        table.add_row(
            net,
            str(case_of(net).batch),
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
