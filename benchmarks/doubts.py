"""Where the limits of `cnn predict`'s warnings come from: how often it is right by probability, and parts of ink.

python benchmarks/doubts.py [--recipe fast] [--seeds 5] [--pairs 1000]
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from timing import machine

from cnn.cli.doubts import UNSURE, ink_parts
from cnn.cli.recipes import RECIPES
from cnn.datasets import Dataset, load_images, load_mnist

LIMITS = (0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 1)


def read(data: Dataset, recipe: str, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """The test images' highest probabilities, and whether they are read right, by nets of so many seeds."""
    probabilities, right = [], []
    for seed in range(seeds):
        net = RECIPES[recipe].build(seed=seed)
        net.fit(data.train_images, data.train_labels, progress=False, **RECIPES[recipe].arguments(seed))
        rows = net.predict_proba(data.test_images)
        probabilities.append(rows.max(axis=1))
        right.append(rows.argmax(axis=1) == data.test_labels)
    return np.concatenate(probabilities), np.concatenate(right)


def pairs(images: np.ndarray, count: int) -> np.ndarray:
    """Pages with two test digits beside each other, as `cnn predict --digits` lays them out."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        for i in range(count):
            page = np.hstack(images[rng.integers(0, len(images), 2)])
            enlarged = Image.fromarray(255 - page).resize((560, 280), Image.Resampling.BICUBIC)
            enlarged.save(Path(folder) / f"{i:05}.png")
        return load_images(folder, digits=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=RECIPES, default="fast")
    parser.add_argument("--seeds", type=int, default=5, help="how many nets")
    parser.add_argument("--pairs", type=int, default=1000, help="pages with two digits")
    options = parser.parse_args()
    data = load_mnist()
    probabilities, right = read(data, options.recipe, options.seeds)

    table = Table(title=f"{len(right):,} test digits, {options.seeds} nets of the recipe {options.recipe}")
    for name in ("probability", "images, %", "right, %"):
        table.add_column(name, justify="right")
    for low, high in [*pairwise(LIMITS), (0, UNSURE)]:
        within = (probabilities >= low) & ((probabilities < high) | (high == 1))
        accuracy = f"{100 * right[within].mean():.1f}" if within.any() else "-"
        table.add_row(f"{low:.0%} to {high:.0%}", f"{100 * within.mean():.2f}", accuracy)
    console = Console(width=110, highlight=False)
    console.print(table)

    for name, images in (("one digit", data.test_images), ("two digits", pairs(data.test_images, options.pairs))):
        several = np.mean([ink_parts(image) > 1 for image in images])
        console.print(f"of {len(images):,} pages with {name}, {several:.1%} show several parts of ink")
    console.print(machine())


if __name__ == "__main__":
    main()
