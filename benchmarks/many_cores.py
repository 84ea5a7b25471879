"""What a machine with many cores would see of our steps: parts of a batch, meetings of the threads, bytes.

    python benchmarks/many_cores.py [--nets B,L,vgg_small] [--batches 1,32,256,1024] [--threads 64]

Nothing is timed. All threads run here, on however few cores there are, and the meetings in a step are counted while
they do; the bytes are those of the plan.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.backends.program import Plan

NETS = {"A": "tutorial", "B": "two_conv", "L": "lenet5"}
STEPS = 2


def meetings_of_a_step(net: cnn.Sequential, batch: int) -> tuple[float, float]:
    """Of all threads, and of a group that shares an image."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (batch, *net.input_shape), dtype=np.uint8)
    y = rng.integers(0, net.output_shape[0], batch)
    options = {"batch_size": batch, "optimizer": cnn.SGD(1e-4), "progress": False}
    net.fit(x, y, epochs=1, **options)  # makes the memory
    before = net.executor.trainer.meetings
    net.fit(x, y, epochs=STEPS, **options)
    after = net.executor.trainer.meetings
    return (after[0] - before[0]) / STEPS, (after[1] - before[1]) / STEPS


def groups_of(plan: Plan, threads: int) -> str:
    """How the threads are given the chunks of a batch."""
    if plan.shared and 2 * plan.chunks <= threads:
        return f"{plan.chunks} x {threads // plan.chunks}"
    return str(min(threads, plan.chunks))


def kilobytes(reals: int) -> str:
    return f"{reals * 4 / 1e3:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default="A,B,L,pytorch_mnist,vgg_small")
    parser.add_argument("--batches", default="1,32,256,1024")
    parser.add_argument("--threads", type=int, default=64)
    options = parser.parse_args()
    cnn.set_num_threads(options.threads, fixed=True)
    table = Table(title=f"A step of {options.threads} threads", caption=machine(), caption_justify="left")
    counted = "chunks", "threads at work", "meetings of all", "of a group"
    for name in ("net", "batch", *counted, "kB of sums", "kB of matrices", "kB of weights"):
        table.add_column(name, justify="right")
    for name in options.nets.split(","):
        for batch in map(int, options.batches.split(",")):
            net = getattr(cnn.models, NETS.get(name, name))(seed=0)
            plan = net.executor.plan(batch, training=True)
            met = meetings_of_a_step(net, batch)
            table.add_row(
                name,
                f"{batch:,}",
                str(plan.chunks),
                groups_of(plan, options.threads),
                *(f"{count:.0f}" for count in met),
                kilobytes(plan.chunks * plan.image_sums),
                kilobytes(batch * plan.persistent),
                kilobytes(plan.parameters),
            )
        table.add_section()
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
