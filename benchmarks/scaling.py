"""Our nets on one thread and on more: training and prediction, and the speed-up.

    python benchmarks/scaling.py [--nets A,B,L] [--batches 1,32,256,1024] [--threads 1,2,...] [--seconds 2] [--level v4]

All numbers of threads are timed in turns in one process. A single image takes one thread, whatever the setting, unless
the net has two million multiply-adds or more.
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

NETS = {"A": cnn.models.tutorial, "B": cnn.models.two_conv, "L": cnn.models.lenet5}
IMAGES = 512  # in one timed call, or one batch


def noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels at random."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(0, 10, count)


def works(net: cnn.Sequential, batch: int, images: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    """A fit and predictions, of these images in batches of this size."""
    optimizer = cnn.SGD(1e-4)  # of random labels there is nothing to learn
    batches = [images[first : first + batch] for first in range(0, len(images), batch)]
    return {
        "training": lambda: net.fit(images, labels, batch_size=batch, optimizer=optimizer, progress=False),
        "prediction": lambda: [net.predict_proba(images) for images in batches],
    }


def images_a_call(batch: int) -> int:
    return batch * max(1, IMAGES // batch)


def on_threads(threads: int, work: Callable[[], object]) -> Callable[[], object]:
    """The work with this setting."""

    def run() -> None:
        cnn.set_num_threads(threads)
        work()

    return run


def parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=lambda text: text.split(","), default=list(NETS), metavar="A,B,L")
    parser.add_argument("--batches", type=numbers, default=[1, 32, 256, 1024], metavar="1,32,...")
    threads = list(range(1, cnn.get_num_threads() + 1))
    parser.add_argument(
        "--threads", type=numbers, default=threads, metavar="1,2,...", help="the first is compared with"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    parser.add_argument("--level", default=cnn_c.LEVEL)
    return parser.parse_args()


def main() -> None:
    options = parse()
    cnn_c.use_level(options.level)
    table = Table(title="us an image (speed-up)", caption=machine(), caption_justify="left")
    for name in ("net", "", "batch", *(f"{threads} thread(s)" for threads in options.threads)):
        table.add_column(name, justify="right", no_wrap=True)
    for name in options.nets:
        net = NETS[name](seed=0)
        for batch in options.batches:
            for mode, work in works(net, batch, *noise(images_a_call(batch))).items():
                times = medians({t: on_threads(t, work) for t in options.threads}, options.seconds)
                first = times[options.threads[0]]
                cells = [f"{t / images_a_call(batch) * 1e6:.2f} ({first / t:.2f}x)" for t in times.values()]
                table.add_row(name, mode, str(batch), *cells)
        table.add_section()
    Console(width=max(90, 30 + 18 * len(options.threads))).print(table)


if __name__ == "__main__":
    main()
