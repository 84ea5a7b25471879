"""What augmentation costs: a training step of the net of two convolutions with it and without.

    python benchmarks/augment.py [--batch-size 32] [--threads 1,2] [--seconds 4] [--level v4]

All are timed in turns in one process. Before that, compiled augmentation is compared with the reference's.
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
from cnn.backends import compiled
from cnn.backends.numpy import augment as reference

AUGMENTS = {
    "none": None,
    "shift, rotate": cnn.Augment(shift=2, rotate=10),
    "and scale, shear, elastic": cnn.Augment(shift=2, rotate=10, scale=0.1, shear=10, elastic=1),
    "and noise": cnn.Augment(shift=2, rotate=10, scale=0.1, shear=10, elastic=1, noise=5),
}
IMAGES = 8192


def verify(images: np.ndarray) -> None:
    """Stop where the kernels make other images than the reference."""
    x = images[:64, :, :, None].astype(np.float64)
    warp = AUGMENTS["and noise"].warp(x.shape[1:], x.dtype)
    np.testing.assert_allclose(compiled.augment(x, warp, 1), reference.augment(x, warp, 1), atol=1e-8)


def training(
    images: np.ndarray, labels: np.ndarray, augment: cnn.Augment | None, batch_size: int, threads: int
) -> Callable[[], object]:
    """An epoch with this augmentation."""
    net = cnn.models.two_conv(seed=0)
    optimizer = cnn.SGD(1e-4)

    def run() -> None:
        cnn.set_num_threads(threads)
        net.fit(images, labels, batch_size=batch_size, optimizer=optimizer, augment=augment, progress=False)

    return run


def parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=numbers, default=list(range(1, cnn.get_num_threads() + 1)))
    parser.add_argument("--seconds", type=float, default=4.0, help="for each number of threads")
    parser.add_argument("--level", default=cnn_c.LEVEL)
    return parser.parse_args()


def main() -> None:
    options = parse()
    cnn_c.use_level(options.level)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8), rng.integers(0, 10, IMAGES)
    verify(images)
    table = Table(title=f"A training step, batch {options.batch_size}: us an image (more than without)")
    for name in ("augmentation", *(f"{threads} thread(s)" for threads in options.threads)):
        table.add_column(name, justify="right", no_wrap=True)
    columns = [
        medians(
            {name: training(images, labels, a, options.batch_size, threads) for name, a in AUGMENTS.items()},
            options.seconds,
        )
        for threads in options.threads
    ]
    for name in AUGMENTS:
        cells = [f"{t[name] / IMAGES * 1e6:.2f} ({t[name] / t['none'] - 1:+.1%})" for t in columns]
        table.add_row(name, *cells)
    table.caption = machine()
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
