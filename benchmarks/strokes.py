"""How well a net reads MNIST's digits that has seen drawn ones alone: those of `cnn.datasets.load_strokes`.

    python benchmarks/strokes.py [--train 60000] [--recipe two-conv] [--seeds 3] [--threads 2]

No image of MNIST is trained on. Each seed draws digits of its own.
"""

from __future__ import annotations

import argparse
from statistics import mean
from time import perf_counter
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.datasets import Dataset, load_mnist, load_strokes
from cnn.recipes import RECIPES


class Run(NamedTuple):
    """Seconds of each part, and the accuracy on the drawn test digits and on MNIST's."""

    draw: float
    fit: float
    drawn: float
    mnist: float


def run(mnist: Dataset, seed: int, options: argparse.Namespace) -> Run:
    """Draw digits, train one net on them, read both test sets."""
    start = perf_counter()
    data = load_strokes(train=options.train, seed=seed)
    drawn = perf_counter()
    recipe = RECIPES[options.recipe]
    net = recipe.build(seed=seed)
    net.fit(data.train_images, data.train_labels, progress=False, **recipe.arguments(seed))
    fitted = perf_counter()
    own = net.score(data.test_images, data.test_labels)
    return Run(drawn - start, fitted - drawn, own, net.score(mnist.test_images, mnist.test_labels))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=60000, help="how many digits to draw for training")
    parser.add_argument("--recipe", choices=RECIPES, default="two-conv")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--threads", type=int, default=cnn.get_num_threads())
    return parser.parse_args()


def main() -> None:
    options = parse()
    cnn.set_num_threads(options.threads)
    mnist = load_mnist()
    runs = [run(mnist, seed, options) for seed in range(options.seeds)]
    title = f"Trained on {options.train:,} drawn digits by the recipe {options.recipe}"
    table = Table(title=title, caption=machine(), caption_justify="left")
    for name in ("seed", "drawing, s", "fit, s", "drawn test digits, %", "MNIST's, %"):
        table.add_column(name, justify="right", no_wrap=True)
    for seed, figures in enumerate(runs):
        table.add_row(str(seed), *_cells(*figures))
    table.add_section()
    table.add_row("mean", *_cells(*map(mean, zip(*runs, strict=True))))
    Console(width=110, highlight=False).print(table)


def _cells(draw: float, fit: float, drawn: float, mnist: float) -> list[str]:
    return [f"{draw:.2f}", f"{fit:.2f}", f"{100 * drawn:.2f}", f"{100 * mnist:.2f}"]


if __name__ == "__main__":
    main()
