"""Seconds to an accuracy on MNIST: the net of two convolutions, the mean of several seeds.

    python benchmarks/time_to_accuracy.py [--epochs 3] [--rate 0.03] [--batch-size 32] [--momentum 0.9] [--seeds 5]
        [--target 99] [--threads 2] [--json FILE]

The recipe is SGD with Nesterov momentum and a learning rate that falls to zero along a cosine. The clock runs from
images and labels in memory, in uint8 as the files hold them, to the trained and evaluated net.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.datasets import Dataset, load_mnist


class Run(NamedTuple):
    """Seconds of each part, and the accuracy on the test images."""

    build: float
    fit: float
    evaluate: float
    total: float
    accuracy: float


def run(data: Dataset, seed: int, options: argparse.Namespace) -> Run:
    """Train one net from the beginning."""
    start = perf_counter()
    net = cnn.models.two_conv(seed=seed)
    built = perf_counter()
    net.fit(
        data.train_images,
        data.train_labels,
        epochs=options.epochs,
        batch_size=options.batch_size,
        optimizer=cnn.SGD(cnn.schedules.Cosine(options.rate), momentum=options.momentum, nesterov=True),
        seed=seed,
        progress=False,
    )
    fitted = perf_counter()
    accuracy = net.evaluate(data.test_images, data.test_labels).accuracy
    end = perf_counter()
    return Run(built - start, fitted - built, end - fitted, end - start, accuracy)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.03, help="of the first step")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--target", type=float, default=99.0, help="per cent of the test images right, in the mean")
    parser.add_argument("--threads", type=int, default=cnn.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all results")
    return parser.parse_args()


def main() -> None:
    options = parse()
    cnn.set_num_threads(options.threads)
    recipe = (
        f"{options.epochs} epochs, batch {options.batch_size}, Nesterov momentum {options.momentum}, "
        f"cosine from {options.rate}"
    )
    data = load_mnist()
    runs = [run(data, seed, options) for seed in range(options.seeds)]

    table = Table(title=f"Two convolutions on MNIST: {recipe}", caption=machine(), caption_justify="left")
    for name in ("seed", "build, s", "fit, s", "evaluate, s", "all, s", "accuracy, %"):
        table.add_column(name, justify="right", no_wrap=True)
    for seed, figures in enumerate(runs):
        table.add_row(str(seed), *_cells(figures))
    table.add_section()
    columns = list(zip(*runs, strict=True))
    for name, figure in (("mean", mean), ("min", min), ("max", max)):
        table.add_row(name, *_cells([figure(column) for column in columns]))
    console = Console(width=110, highlight=False)
    console.print(table)
    reached = 100 * mean(figures.accuracy for figures in runs)
    verdict = "reached" if reached >= options.target else "NOT reached"
    seconds = mean(figures.total for figures in runs)
    console.print(f"{options.target} % {verdict}: {reached:.2f} % in {seconds:.2f} s, means of {len(runs)} seeds")
    if options.json:
        content = {
            "machine": machine(),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "recipe": recipe,
            "runs": [figures._asdict() for figures in runs],
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def _cells(figures) -> list[str]:
    build, fit, evaluate, total, accuracy = figures
    return [f"{build:.4f}", f"{fit:.3f}", f"{evaluate:.3f}", f"{total:.3f}", f"{100 * accuracy:.2f}"]


if __name__ == "__main__":
    main()
