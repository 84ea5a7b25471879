"""A fit by one process and by several: images a second, and a model of a step's time beside what was measured.

    mpiexec -n 4 python -m mpi4py benchmarks/ranks.py [--nets A,B,L] [--batches 256,1024] [--rounds 25]

All ways train in turns in the same processes; who has nothing to do in one of them sleeps. Ranks wait for the slowest
at every step: on a machine whose cores are shared with others, look at the fastest epochs too. The model of a step,

    step(ranks) = batch / workers * image + ranks / workers * update
                  + 3 * ceil(log2(ranks)) * latency + 2 * (ranks - 1) / ranks * bytes / bandwidth

takes four numbers, measured in the same run: the time of an image and of an update from fits by one process, latency
and bandwidth from exchanges between two. `workers` are the ranks, but no more than processors. A second table is what
the model says of 2 to 64 machines on other networks.
"""

from __future__ import annotations

import argparse
import math
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
from cnn.backends.processors import usable_processors
from cnn.backends.ranks import Ranks

IMAGES = 4096  # of an epoch
HALF = "half a batch"
SUMS = 3  # what an exchange is asked for, see cnn/backends/exchange.py
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
    """Of the second epoch, by rank 0's clock, when memory is there; 0 on ranks that take no part."""
    if way.comm == MPI.COMM_NULL:
        return 0.0
    cnn.set_num_threads(way.threads, fixed=True)
    history = net.fit(
        *data,
        epochs=2,
        batch_size=batch,
        optimizer=cnn.SGD(1e-4, momentum=0.9),
        seed=0,
        progress=False,
        comm=way.comm if way.shared else None,
    )
    return history.seconds[1] / (len(data[0]) / batch)


class Times(NamedTuple):
    """Seconds of a step, the mean of an epoch."""

    median: float
    fastest: float


def timed(net: cnn.Sequential, batch: int, rounds: int, all_ways: list[Way]) -> dict[str, Times]:
    """A step each way, and on half a batch by one rank, in turns."""
    data = noise(IMAGES)
    turns = [*all_ways, all_ways[1]._replace(name=HALF)]
    times: dict[str, list[float]] = {way.name: [] for way in turns}
    for i in range(rounds + 1):
        for way in turns:
            wait()
            took = seconds_a_step(way, net, batch // 2 if way.name == HALF else batch, data)
            if i > 0:  # the first round is not counted
                times[way.name].append(took)
    return {name: Times(median(values), min(values)) for name, values in times.items()}


# ---- the model ----


class Model(NamedTuple):
    """What a step takes, in seconds and bytes."""

    image: float
    update: float
    latency: float
    bandwidth: float
    bytes: int

    def step(self, batch: int, ranks: int, processors: int) -> float:
        workers = min(ranks, processors)
        exchange = (
            3 * math.ceil(math.log2(ranks)) * self.latency + 2 * (ranks - 1) / ranks * self.bytes / self.bandwidth
        )
        return batch / workers * self.image + ranks / workers * self.update + exchange


NETWORKS = {"1 Gbit/s Ethernet": (50e-6, 118e6), "10 Gbit/s Ethernet": (20e-6, 1.1e9), "InfiniBand": (2e-6, 10e9)}


def exchange_seconds(comm: Any, net: cnn.Sequential, batch: int, fraction: float) -> float:
    """The median time of an exchange of a part of the net's sums."""
    plan = net.executor.plan(batch, True, True)
    plan = plan._replace(sums=max(16, int(plan.sums * fraction) // 16 * 16))
    memory = {
        "sums": [np.zeros(plan.chunks * plan.sums, net.dtype)],
        "moments": [np.zeros(plan.chunks * plan.moments * 8 // net.dtype.itemsize, net.dtype)],
    }
    with Ranks(comm) as ranks:
        exchange, times = Exchange(ranks, plan, memory, None), []
        for _ in range(400):
            start = time.perf_counter()
            exchange(SUMS, 0, batch, plan.chunks, 0)
            times.append(time.perf_counter() - start)
    return median(times[100:])


def measured_model(net: cnn.Sequential, batch: int, step: float, half_step: float, pair: Any) -> Model:
    """From a step of a batch and of half of it by one rank; zeros on ranks that are not of the `pair`."""
    size = net.executor.plan(batch, True, True).sums * net.dtype.itemsize
    image = min(2 * (step - half_step), step) / batch  # noise may make the update negative
    empty = full = 0.0
    if pair != MPI.COMM_NULL:
        empty, full = (exchange_seconds(pair, net, batch, fraction) for fraction in (0.0, 1.0))
    return Model(image, step - batch * image, empty / 3, size / max(full - empty, 1e-9), size)


def parameters(name: str, batch: int, model: Model) -> list[str]:
    """The row of a table."""
    seconds = (f"{value * 1e6:,.1f}" for value in (model.image, model.update, model.latency))
    return [name, str(batch), *seconds, f"{model.bandwidth / 1e9:.1f}", f"{model.bytes / 1000:,.0f}"]


def elsewhere(name: str, batch: int, chunks: int, model: Model, table: Table) -> None:
    """Rows of what the model says of one rank on each of many machines."""
    one = batch * model.image + model.update
    for network, (latency, bandwidth) in NETWORKS.items():
        there = model._replace(latency=model.latency + latency, bandwidth=bandwidth)
        sizes = [2**k for k in range(1, 7) if 2**k <= chunks]  # other ranks have nothing to do
        table.add_row(name, str(batch), network, *(f"{one / there.step(batch, n, n):.1f}x" for n in sizes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=lambda text: text.split(","), default=["B", "L"], metavar="A,B,L")
    parser.add_argument("--batches", type=lambda t: [int(n) for n in t.split(",")], default=[256, 1024])
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    all_ways = ways()
    here = Table(title="a step here", caption=machine(), caption_justify="left")
    columns = (
        "net",
        "batch",
        "way",
        "median, us",
        "to 1 rank",
        "fastest, us",
        "to 1 rank",
        "images/s",
        "model, us",
        "to model",
    )
    for column in columns:
        here.add_column(column, justify="right", no_wrap=True)
    of_model = Table(title="what the model takes")
    for column in ("net", "batch", "image, us", "update, us", "latency, us", "GB/s", "KB"):
        of_model.add_column(column, justify="right", no_wrap=True)
    there = Table(title="what the model says: images a second, to those of one rank")
    for column in ("net", "batch", "network", *(f"{2**k} ranks" for k in range(1, 7))):
        there.add_column(column, justify="right", no_wrap=True)
    for name in options.nets:
        net = NETS[name](seed=0)
        for batch in options.batches:
            measured = timed(net, batch, options.rounds, all_ways)
            half = measured.pop(HALF)
            wait()
            one = measured[all_ways[1].name]
            model = measured_model(net, batch, one.fastest, half.fastest, all_ways[4].comm)
            wait()
            if WORLD.rank == 0:
                steps(name, batch, measured, model, here)
                of_model.add_row(*parameters(name, batch, model))
                elsewhere(name, batch, net.executor.plan(batch, True).chunks, model, there)
    if WORLD.rank == 0:
        for table in (here, of_model, there):
            Console(width=120).print(table)


def steps(name: str, batch: int, measured: dict[str, Times], model: Model, table: Table) -> None:
    """Rows of one net and batch."""
    one = measured["1 rank, 1 thread"]
    for way, took in measured.items():
        cells = [f"{took.median * 1e6:,.0f}", f"{one.median / took.median:.2f}x"]
        cells += [f"{took.fastest * 1e6:,.0f}", f"{one.fastest / took.fastest:.2f}x", f"{batch / took.fastest:,.0f}"]
        if "ranks" in way:
            predicted = model.step(batch, int(way.split()[0]), usable_processors())
            cells += [f"{predicted * 1e6:,.0f}", f"{took.fastest / predicted:.2f}"]
        table.add_row(name, str(batch), way, *cells)
    table.add_section()


if __name__ == "__main__":
    main()
