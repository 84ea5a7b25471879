"""A fit by one process and by several: images a second, and a model of a step's time beside what was measured.

    mpiexec -n 4 python -m mpi4py benchmarks/ranks.py [--nets A,B,L] [--batches 256,1024] [--rounds 7]

All ways train in turns in the same processes; who has nothing to do in one of them sleeps. The model's parameters are
measured in the same run: the time of an image and of an update from fits by one process, latency and bandwidth from
exchanges of sums between 2 and between all processes.

    step(ranks) = images / ranks * image + update + exchange(ranks)
    exchange(ranks) = latency(ranks) + 2 * (ranks - 1) / ranks * bytes / bandwidth(ranks)
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from rich.console import Console
from rich.table import Table
from scaling import NETS, noise
from timing import machine

import cnn
from cnn.backends.exchange import Exchange
from cnn.backends.ranks import Ranks

IMAGES = 8192  # of an epoch
WORLD = MPI.COMM_WORLD


class Way(NamedTuple):
    """How a net is trained."""

    name: str
    comm: Any  # of the processes that take part; COMM_NULL in others
    threads: int
    shared: bool = True  # or a fit without comm


def wait() -> None:
    """A barrier at which those who wait sleep, and leave the processors to others."""
    request = WORLD.Ibarrier()
    while not request.Test():
        time.sleep(0.002)


def ways() -> list[Way]:
    rank, ranks = WORLD.rank, WORLD.size
    alone = WORLD.Split(0 if rank == 0 else MPI.UNDEFINED)
    result = [Way("plain, 1 thread", alone, 1, False), Way("1 rank, 1 thread", alone, 1)]
    result += [Way("plain, 2 threads", alone, 2, False), Way("1 rank, 2 threads", alone, 2)]
    for size in range(2, ranks + 1, 2):
        result.append(Way(f"{size} ranks, 1 thread", WORLD.Split(0 if rank < size else MPI.UNDEFINED), 1))
    return result


def seconds_a_step(way: Way, net: cnn.Sequential, batch: int, data: tuple[np.ndarray, np.ndarray]) -> float:
    """Of an epoch, by rank 0's clock; 0 on ranks that take no part."""
    if way.comm == MPI.COMM_NULL:
        return 0.0
    cnn.set_num_threads(way.threads, fixed=True)
    history = net.fit(
        *data,
        batch_size=batch,
        optimizer=cnn.SGD(1e-4, momentum=0.9),
        seed=0,
        progress=False,
        comm=way.comm if way.shared else None,
    )
    return history.seconds[0] / (len(data[0]) / batch)


def timed(net: cnn.Sequential, batch: int, rounds: int, all_ways: list[Way]) -> dict[str, float]:
    """The median seconds of a step each way, in turns."""
    data = noise(IMAGES)
    times: dict[str, list[float]] = {way.name: [] for way in all_ways}
    for i in range(rounds + 1):
        for way in all_ways:
            wait()
            took = seconds_a_step(way, net, batch, data)
            if i > 0:  # the first round is not counted
                times[way.name].append(took)
    return {name: median(values) for name, values in times.items()}


# ---- the model ----


def exchange_seconds(comm: Any, net: cnn.Sequential, batch: int, fraction: float) -> float:
    """The median time of an exchange of a part of the net's sums."""
    if comm == MPI.COMM_NULL:
        return 0.0
    plan = net.executor.plan(batch, True, True)
    plan = plan._replace(sums=max(16, int(plan.sums * fraction) // 16 * 16))
    memory = {
        "sums": [np.zeros(plan.chunks * plan.sums, net.dtype)],
        "moments": [np.zeros(plan.chunks * plan.moments * 8 // net.dtype.itemsize, net.dtype)],
    }
    with Ranks(comm) as ranks:
        exchange, times = Exchange(ranks, plan, memory, None), []
        for _ in range(300):
            start = time.perf_counter()
            exchange(3, 0, batch, plan.chunks, 0)
            times.append(time.perf_counter() - start)
    return median(times[100:])


def bytes_of(net: cnn.Sequential, batch: int) -> int:
    return net.executor.plan(batch, True, True).sums * net.dtype.itemsize


def model(net: cnn.Sequential, batch: int, measured: dict[str, float], all_ways: list[Way]) -> dict[str, tuple]:
    """Latency (s), bandwidth (bytes/s) and predicted seconds of a step, for each way of several ranks."""
    small = seconds_a_step(all_ways[1], net, batch // 2, noise(IMAGES)) if WORLD.rank == 0 else 0.0
    image = (measured["1 rank, 1 thread"] - small) / (batch - batch // 2)
    update = measured["1 rank, 1 thread"] - batch * image
    result = {}
    for way in all_ways:
        size = 0 if way.comm == MPI.COMM_NULL else way.comm.size
        wait()
        if not way.shared or "ranks" not in way.name:
            continue
        empty, full = (exchange_seconds(way.comm, net, batch, fraction) for fraction in (0.0, 1.0))
        if WORLD.rank == 0:
            moved = 2 * (size - 1) / size * bytes_of(net, batch)
            result[way.name] = empty, moved / max(full - empty, 1e-9), batch / size * image + update + full
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=lambda text: text.split(","), default=["B", "L"], metavar="A,B,L")
    parser.add_argument("--batches", type=lambda t: [int(n) for n in t.split(",")], default=[256, 1024])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    all_ways = ways()
    table = Table(title="a step", caption=machine(), caption_justify="left")
    for name in ("net", "batch", "way", "us", "images/s", "to 1 rank", "latency us", "GB/s", "model us"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in options.nets:
        net = NETS[name](seed=0)
        for batch in options.batches:
            measured = timed(net, batch, options.rounds, all_ways)
            modelled = model(net, batch, measured, all_ways)
            if WORLD.rank > 0:
                continue
            one = measured["1 rank, 1 thread"]
            for way, took in measured.items():
                cells = [f"{took * 1e6:,.0f}", f"{batch / took:,.0f}", f"{one / took:.2f}x"]
                if way in modelled:
                    latency, bandwidth, predicted = modelled[way]
                    cells += [f"{latency * 1e6:.0f}", f"{bandwidth / 1e9:.2f}", f"{predicted * 1e6:,.0f}"]
                table.add_row(f"{name}, {bytes_of(net, batch) // 1000} KB", str(batch), way, *cells)
            table.add_section()
    if WORLD.rank == 0:
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
