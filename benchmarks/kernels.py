"""The kernels, alone and within a training step: GFLOP/s of each, and the part of the core's peak that it reaches.

    python benchmarks/kernels.py [--batch 32] [--dtype float32] [--level v4] [--threads 1] [--seconds 2]

The peak is that of multiply-adds on registers, measured in turns with the kernels. Dense arithmetic is counted: a
kernel gets no credit for padding or idle lanes, and a fused one is credited with all positions of a pooling window,
although backward it computes only that of the maximum; one by tiles (Winograd's algorithm) with all products, of which
it does less than half.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import machine, medians

import cnn
import cnn_c
from cnn import functional, reference
from cnn.backends import geometry
from cnn.backends.calls import Batches, Learned
from cnn.backends.program import Operation
from cnn.layers.base import layer_names
from cnn.plan.make import make_plan

# input, filters, kernel, stride, padding, dilation, groups
CONVOLUTIONS = [
    # the tutorial's net, the second convolution as in the tutorial's sizes, the two-convolution net, LeNet-5
    ((28, 28, 1), 8, 3, 1, "valid", 1, 1),
    ((13, 13, 8), 16, 3, 1, "valid", 1, 1),
    ((28, 28, 1), 8, 3, 1, "same", 1, 1),
    ((14, 14, 8), 16, 3, 1, "same", 1, 1),
    ((28, 28, 1), 6, 5, 1, "valid", 1, 1),
    ((12, 12, 6), 16, 5, 1, "valid", 1, 1),
    # many channels: 3x3 by tiles (above the peak), with a stride, 1x1, 5x5
    ((28, 28, 16), 16, 3, 1, "same", 1, 1),
    ((28, 28, 32), 32, 3, 1, "same", 1, 1),
    ((14, 14, 32), 64, 3, 1, "same", 1, 1),
    ((14, 14, 64), 64, 3, 1, "same", 1, 1),
    ((32, 32, 64), 64, 3, 1, "same", 1, 1),
    ((8, 8, 128), 128, 3, 1, "same", 1, 1),
    ((28, 28, 16), 32, 3, 2, "same", 1, 1),
    ((14, 14, 32), 64, 3, 2, "same", 1, 1),
    ((14, 14, 64), 128, 1, 1, "same", 1, 1),
    ((28, 28, 16), 32, 1, 2, "same", 1, 1),
    ((14, 14, 16), 32, 5, 1, "same", 1, 1),
    # depthwise ones, groups, a dilation
    ((28, 28, 32), 32, 3, 1, "same", 1, 32),
    ((14, 14, 64), 64, 3, 1, "same", 1, 64),
    ((7, 7, 128), 128, 3, 1, "same", 1, 128),
    ((28, 28, 32), 32, 3, 2, "same", 1, 32),
    ((14, 14, 64), 64, 3, 1, "same", 1, 2),
    ((14, 14, 16), 16, 3, 1, "same", 2, 1),
]
DENSE = [(1352, 10), (784, 128), (128, 10), (256, 120)]

Case = tuple[str, float, dict[str, Callable[[], object]]]


def convolution(rng, batch, dtype, input_shape, filters, size, stride, padding, dilation, groups) -> Case:
    """Name, floating-point operations of each pass, and the passes, checked against the reference."""
    x = aligned(rng.standard_normal((batch, *input_shape)), dtype)
    w = aligned(rng.standard_normal((size, size, input_shape[2] // groups, filters)), dtype)
    b = aligned(rng.standard_normal(filters), dtype)
    options = stride, padding, dilation, groups
    g = geometry.conv2d(input_shape, w.shape, *options)
    dy = aligned(rng.standard_normal((batch, *g.output_shape)), dtype)
    verify(functional.conv2d_forward(x, w, b, *options), reference.conv2d_forward(x, w, b, *options))
    for fast, right in zip(
        functional.conv2d_backward(dy, x, w, *options), reference.conv2d_backward(dy, x, w, *options), strict=True
    ):
        verify(fast, right)
    kernels, threads = cnn_c.KERNELS[dtype.char], min(cnn.get_num_threads(), batch)
    y, dx, dw, db = (cnn_c.empty(a.shape, dtype) for a in (dy, x, w, b))
    h, width, c_in = input_shape
    return (
        f"conv {size}x{size} {c_in}->{filters}, {h}x{width} {padding}"
        + (f", stride {stride}" if stride > 1 else "")
        + (f", {groups} groups" if groups > 1 else "")
        + (f", dilation {dilation}" if dilation > 1 else ""),
        2 * batch * g.macs,
        {
            "forward": lambda: kernels.conv2d_forward(x, w, b, y, g, threads),
            "weight gradient": lambda: kernels.conv2d_weight_gradient(dy, x, dw, db, g, threads),
            "input gradient": lambda: kernels.conv2d_input_gradient(dy, w, dx, g, threads),
        },
    )


def dense(rng, batch, dtype, inputs, units) -> Case:
    """As `convolution`."""
    x, w, b, dy = (
        aligned(rng.standard_normal(shape), dtype)
        for shape in ((batch, inputs), (units, inputs), (units,), (batch, units))
    )
    verify(functional.dense_forward(x, w.T, b), reference.dense_forward(x, w.T, b))
    for fast, right in zip(functional.dense_backward(dy, x, w.T), reference.dense_backward(dy, x, w.T), strict=True):
        verify(fast, right)
    kernels, threads = cnn_c.KERNELS[dtype.char], min(cnn.get_num_threads(), batch)
    y, dx, dw, db = (cnn_c.empty(a.shape, dtype) for a in (dy, x, w, b))
    return (
        f"dense {inputs}->{units}",
        2 * batch * inputs * units,
        {
            "forward": lambda: kernels.dense_forward(x, w, b, y, threads),
            "weight gradient": lambda: kernels.dense_weight_gradient(dy, x, dw, db, threads),
            "input gradient": lambda: kernels.dense_input_gradient(dy, w, dx, threads),
        },
    )


def steps(rng, net, batch, dtype) -> tuple[list[Operation], Callable[[], np.ndarray]]:
    """The operations of a net's plan, and a function that trains on some batches on one thread and returns the
    nanoseconds that forward, backward and update of each operation took for an image."""
    plan = make_plan(net.layers, layer_names(net.layers), batch, training=True)
    runner = cnn_c.KERNELS[dtype.char].Runner(plan, 1, True, profile=True)
    images = rng.integers(0, 256, (16 * batch, *net.input_shape), dtype=np.uint8)
    labels, order = rng.integers(0, 10, len(images)), np.arange(len(images))
    batches = Batches(images, labels, order, np.empty(len(images)), np.empty(len(images), np.uint8))
    parameters = aligned(np.concatenate([p.ravel(order="A") for p in net.parameters().values()]), dtype)
    learned = Learned(parameters, np.empty_like(parameters), np.ones(plan.statistics, dtype))
    update = cnn.SGD(1e-6).next_update(learned, 16)

    def run() -> np.ndarray:
        runner.nanoseconds[...] = 0
        runner.train(learned, update, batches, 1, True)
        return runner.nanoseconds / len(images)

    return plan.operations, run


def aligned(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The values where results of the library lie, too: from the beginning of a cache line on."""
    array = cnn_c.empty(values.shape, dtype)
    array[...] = values
    return array


def verify(fast: np.ndarray, right: np.ndarray) -> None:
    """Refuse to time a kernel that is wrong."""
    tolerance = 1000 * np.finfo(fast.dtype).eps * max(1.0, float(np.abs(right).max()))
    if not np.allclose(fast, right, rtol=0, atol=tolerance):
        raise SystemExit(f"wrong result: off by {np.abs(fast - right).max()}, {tolerance} allowed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--level", default=cnn_c.LEVEL)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    options = parser.parse_args()
    cnn_c.use_level(options.level)
    cnn.set_num_threads(options.threads)
    dtype = np.dtype(options.dtype)
    rng = np.random.default_rng(0)

    table = Table(title=f"Kernels, batch {options.batch}, {dtype}", caption=machine(), caption_justify="left")
    table.add_column("kernel", no_wrap=True)
    for name in ("forward", "weight gradient", "input gradient"):
        table.add_column(f"{name}\nGFLOP/s   of peak", justify="right", no_wrap=True)
    table.add_column(f"peak\nx {options.threads}", justify="right")
    cases = [convolution(rng, options.batch, dtype, *case) for case in CONVOLUTIONS]
    cases += [dense(rng, options.batch, dtype, *case) for case in DENSE]
    kernels = cnn_c.KERNELS[dtype.char]
    rounds = 20_000
    for name, flops, passes in cases:
        times = medians({"peak": lambda: kernels.fused_multiply_adds(rounds), **passes}, options.seconds)
        peak = options.threads * kernels.fused_multiply_adds(rounds) / times.pop("peak")
        cells = [f"{flops / t / 1e9:7.1f}  {flops / t / peak:6.1%}" for t in times.values()]
        table.add_row(name, *cells, f"{peak / 1e9:.0f}")
    console = Console(width=110)
    console.print(table)
    for name in ("tutorial", "two_conv", "lenet5", "resnet_small", "vgg_small"):
        console.print(step_table(name, rng, options.batch, dtype, options.seconds))


def step_table(name, rng, batch, dtype, seconds) -> Table:
    """Where the time of a net's training step goes."""
    table = Table(title=f"Training step of {name}, batch {batch}, {dtype}, 1 thread", title_justify="left")
    for column in ("operation", "layers"):
        table.add_column(column, no_wrap=True)
    for column in ("forward", "backward", "update"):
        table.add_column(f"{column}\nus   of peak", justify="right", no_wrap=True)
    kernels = cnn_c.KERNELS[dtype.char]
    operations, run = steps(rng, getattr(cnn.models, name)(seed=0, dtype=dtype), batch, dtype)
    samples, rounds = [], 20_000
    times = medians(
        {"peak": lambda: kernels.fused_multiply_adds(rounds), "step": lambda: samples.append(run())}, seconds
    )
    peak = kernels.fused_multiply_adds(rounds) / times["peak"]
    for o, nanoseconds in zip(operations, np.median(samples, axis=0), strict=True):
        backward = 2 * o.macs * (o.with_dx + (o.kind != "dense"))  # a dense layer's weight gradient is in its update
        flops = 2 * o.macs, backward, 2 * o.macs if o.kind == "dense" else 0
        cells = [
            f"{t / 1e3:6.3f}  {f / t * 1e9 / peak:6.1%}" if f and t else f"{t / 1e3:6.3f}        "
            for f, t in zip(flops, nanoseconds, strict=True)
        ]
        table.add_row(o.label, o.layers, *cells)
    total = float(np.median([sample.sum() for sample in samples]))
    flops = sum(2 * o.macs * (2 + o.with_dx) for o in operations)
    table.add_section()
    table.add_row("total", "", f"{total / 1e3:6.3f}  {flops / total * 1e9 / peak:6.1%}", "", "")
    return table


if __name__ == "__main__":
    main()
