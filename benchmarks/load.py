"""All threads against one while other processes keep the cores busy, for us and for PyTorch.

    python benchmarks/load.py [--busy 0,1,2] [--nets A,B,L] [--batches 32,256] [--modes training,prediction]
        [--seconds 6] [--without-torch] [--level v4]

Each implementation has a process of its own, which works while the other one sleeps. One thread and all are timed in
turns of a third of a second, and the medians compared. PyTorch runs eagerly, channels last. The busy processes count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table
from scaling import NETS, noise, works

import cnn
import cnn_c

TURN = 0.33  # seconds
IMAGES = 8192  # in one call, many more than a fit's own beginning and end take
Work = Callable[[], object]
Maker = Callable[[str, int, str, np.ndarray, np.ndarray], Work]


def ours(net: str, batch: int, mode: str, images: np.ndarray, labels: np.ndarray) -> Work:
    return works(NETS[net](seed=0), batch, images, labels)[mode]


def pytorch(net: str, batch: int, mode: str, images: np.ndarray, labels: np.ndarray) -> Work:
    from peers.package import case_of
    from peers.pytorch import EagerChannelsLast

    case = case_of(net, "training" if mode == "training" else "inference", batch, 1, images, labels)
    made = EagerChannelsLast(case)
    return lambda: made.train(case.batches) if mode == "training" else made.predict(case.batches)


def set_threads(maker: Maker, threads: int) -> None:
    if maker is ours:
        cnn.set_num_threads(threads)
    else:
        import torch

        torch.set_num_threads(threads)


def serve(connection: Connection, maker: Maker, level: str) -> None:
    """Answer (net, batch, mode, threads) with the microseconds that an image takes, for a turn each."""
    cnn_c.use_level(level)
    made: dict[tuple[str, int, str], Work] = {}
    while (question := connection.recv()) is not None:
        *case, threads = question
        net, batch, mode = case
        count = batch * (IMAGES // batch)
        if tuple(case) not in made:
            made[tuple(case)] = maker(net, batch, mode, *noise(count))
        work = made[tuple(case)]
        set_threads(maker, threads)
        work()
        calls, start = 0, perf_counter()
        while perf_counter() - start < TURN:
            work()
            calls += 1
        connection.send((perf_counter() - start) / (calls * count) * 1e6)


class Server:
    """A process that answers."""

    def __init__(self, maker: Maker, level: str) -> None:
        self.connection, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        context.Process(target=serve, args=(other, maker, level), daemon=True).start()

    def time(self, *case: object) -> float:
        self.connection.send(case)
        answer: float = self.connection.recv()
        return answer

    def end(self) -> None:
        self.connection.send(None)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that want a core each."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()


def row(servers: list[Server], case: tuple[object, ...], threads: int, seconds: float) -> list[str]:
    """Medians for one thread and for all, and how many times as fast all are."""
    numbers = (1, threads)
    times: dict[tuple[int, int], list[float]] = {(i, n): [] for i in range(len(servers)) for n in numbers}
    start = perf_counter()
    while perf_counter() - start < seconds * len(servers):
        for (i, n), values in times.items():
            values.append(servers[i].time(*case, n))
    cells = []
    for i in range(len(servers)):
        one, all_of_them = (median(times[i, n]) for n in numbers)
        cells += [f"{one:.2f}", f"{all_of_them:.2f}", f"{one / all_of_them:.2f}x"]
    return cells


def parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=numbers, default=[0, 1, 2], metavar="0,1,2", help="numbers of other processes")
    parser.add_argument("--nets", type=words, default=list(NETS), metavar="A,B,L")
    parser.add_argument("--batches", type=numbers, default=[32, 256], metavar="32,256")
    parser.add_argument("--modes", type=words, default=["training", "prediction"], metavar="training,prediction")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each line and implementation")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--level", default=cnn_c.LEVEL)
    return parser.parse_args()


def main() -> None:
    from timing import machine

    options = parse()
    makers = [ours] if options.without_torch else [ours, pytorch]
    servers, threads = [Server(maker, options.level) for maker in makers], cnn.get_num_threads()
    table = Table(
        title=f"us an image: 1 thread, {threads} threads, speed-up", caption=machine(), caption_justify="left"
    )
    for name in ("busy", "net", "", "batch", *(name for maker in makers for name in (maker.__name__, "all", ""))):
        table.add_column(name, justify="right", no_wrap=True)
    for processes in options.busy:
        with busy(processes):
            for mode in options.modes:
                for net in options.nets:
                    for batch in options.batches:
                        cells = row(servers, (net, batch, mode), threads, options.seconds)
                        table.add_row(str(processes), net, mode, str(batch), *cells)
        table.add_section()
    for server in servers:
        server.end()
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
