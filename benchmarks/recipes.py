"""Seconds and accuracy of the recipes of `cnn train` on MNIST: the mean of several seeds.

    python benchmarks/recipes.py [fast] [accurate] [keras] ... [--seeds 3] [--threads 2] [--json FILE]
    python benchmarks/recipes.py fast --seeds 10 --beside lenet5-64     # in turns with a reference

The clock runs from images and labels in memory, in uint8 as the files hold them, to the trained and evaluated net.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.datasets import Dataset, load_mnist
from cnn.recipes import RECIPES, Recipe
from cnn.schedules import OneCycle

TARGETS = {
    "fast": 99.0,
    "two-conv": 99.0,
    "accurate": 99.6,
    "tiny": 99.1,
    "keras": 99.1,
    "pytorch": 99.0,
    "resnet": 99.3,
    "vgg": 99.3,
}  # per cent of the test images right, in the mean


def lenet5_64(seed: int | None = None) -> cnn.Sequential:
    """LeNet-5 with dense layers of 64 and 10."""
    layers = [
        cnn.Rescaling(1 / 255, -0.5),
        cnn.Conv2D(6, 5), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(16, 5), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(64), cnn.ReLU(), cnn.Dense(10),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(28, 28, 1), seed=seed)


# What a recipe's time can be compared with.
REFERENCES = RECIPES | {
    "lenet5-64": Recipe(lenet5_64, epochs=2, batch_size=64, learning_rate=0.1, weight_decay=5e-4, schedule=OneCycle),
}


class Run(NamedTuple):
    """Seconds of each part, and the accuracy on the test images."""

    build: float
    fit: float
    evaluate: float
    total: float
    accuracy: float


def run(data: Dataset, recipe: Recipe, seed: int) -> Run:
    """Train one net from the beginning."""
    start = perf_counter()
    net = recipe.build(seed=seed)
    built = perf_counter()
    net.fit(data.train_images, data.train_labels, progress=False, **recipe.arguments(seed))
    fitted = perf_counter()
    accuracy = net.evaluate(data.test_images, data.test_labels).accuracy
    end = perf_counter()
    return Run(built - start, fitted - built, end - fitted, end - start, accuracy)


def in_turns(data: Dataset, recipes: dict[str, Recipe], seeds: int) -> dict[str, list[Run]]:
    """Runs of each recipe with each seed, one recipe after the other, so that a busy machine slows all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in recipes}
    for seed in range(seeds):
        for name, recipe in recipes.items():
            runs[name].append(run(data, recipe, seed))
    return runs


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=[], help=f"{', '.join(RECIPES)}; all without one")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--threads", type=int, default=cnn.get_num_threads())
    parser.add_argument("--beside", choices=REFERENCES, help="what to time in turns with each recipe")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all results")
    options = parser.parse_args()
    unknown = set(options.recipes) - set(RECIPES)
    if unknown:
        parser.error(f"no such recipe: {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    return options


def main() -> None:
    options = parse()
    cnn.set_num_threads(options.threads)
    data = load_mnist()
    console = Console(width=110, highlight=False)
    results = {}
    for name in options.recipes or RECIPES:
        beside = {options.beside: REFERENCES[options.beside]} if options.beside else {}
        recipes = {name: RECIPES[name]} | beside
        runs = in_turns(data, recipes, options.seeds)
        results[name] = {each: [figures._asdict() for figures in its] for each, its in runs.items()}
        for each, its in runs.items():
            show(console, each, recipes[each], its)
        console.print(verdict(name, runs[name]))
        for each in beside:
            ratio = _seconds(runs[name]) / _seconds(runs[each])
            console.print(f"{ratio:.2f} times the time of {each}, by the medians\n")
    if options.json:
        content = {"machine": machine(), "command": [Path(sys.argv[0]).name, *sys.argv[1:]], "runs": results}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def show(console: Console, name: str, recipe: Recipe, runs: list[Run]) -> None:
    """A line a seed, then mean, median, minimum and maximum."""
    settings = recipe.arguments()
    title = (
        f"{name}: {settings['epochs']} epochs, batch {settings['batch_size']}, {settings['optimizer']}, "
        f"{settings['augment'] or 'no augmentation'}"
    )
    table = Table(title=title, caption=machine(), caption_justify="left")
    for heading in ("seed", "build, s", "fit, s", "evaluate, s", "all, s", "accuracy, %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for seed, figures in enumerate(runs):
        table.add_row(str(seed), *_cells(figures))
    table.add_section()
    columns = list(zip(*runs, strict=True))
    for heading, figure in (("mean", mean), ("median", median), ("min", min), ("max", max)):
        table.add_row(heading, *_cells([figure(column) for column in columns]))
    console.print(table)


def verdict(name: str, runs: list[Run]) -> str:
    """Whether the mean accuracy is what is hoped for."""
    reached = 100 * mean(figures.accuracy for figures in runs)
    word = "reached" if reached >= TARGETS[name] else "NOT reached"
    seconds = _seconds(runs)
    return f"{TARGETS[name]} % {word}: {reached:.2f} % in {seconds:.2f} s, mean and median of {len(runs)} seeds"


def _seconds(runs: list[Run]) -> float:
    return median(figures.total for figures in runs)


def _cells(figures) -> list[str]:
    build, fit, evaluate, total, accuracy = figures
    return [f"{build:.4f}", f"{fit:.3f}", f"{evaluate:.3f}", f"{total:.3f}", f"{100 * accuracy:.2f}"]


if __name__ == "__main__":
    main()
