"""Where the limits of `cnn predict`'s warnings come from: how often it is right by probability, and on what pages.

python benchmarks/doubts.py [--recipe fast] [--seeds 5] [--pages 100]
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import cv2
import numpy as np
from photographed import Pens, photographed_page
from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.cli.doubts import UNSURE, doubts_of_page
from cnn.datasets import Dataset, load_mnist
from cnn.photographs.pipeline import read_page
from cnn.recipes import RECIPES

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


def doubtful(net: cnn.Sequential, pages: list[np.ndarray]) -> float:
    """Which part of pages with digits, uint8 (height, width), is warned of as a whole."""
    count = 0
    for grey in pages:
        page = read_page(grey)
        images = np.array([digit.image for digit in page.digits])
        count += not len(images) or bool(doubts_of_page(page.share, net.predict_proba(images).max(axis=1)))
    return count / len(pages)


def photographs(data: Dataset, count: int) -> list[np.ndarray]:
    """Photographs of five numbers, at a quarter of their size."""
    pens = Pens(data.test_images, data.test_labels)
    files = [photographed_page(pens, 5, np.random.default_rng(i), 0.25).file for i in range(count)]
    return [cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_GRAYSCALE) for file in files]


def textures(count: int) -> list[np.ndarray]:
    """Noise of all degrees of smoothness, such as photographs of things that are no pages have."""
    rng = np.random.default_rng(0)
    pages = []
    for i in range(count):
        down, across = np.fft.fftfreq(1000)[:, None], np.fft.fftfreq(750)
        steepness = 2.5 * i / count
        spectrum = np.fft.fft2(rng.standard_normal((1000, 750))) / np.maximum(np.hypot(down, across), 1e-3) ** steepness
        noise = np.fft.ifft2(spectrum).real
        pages.append(np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8))
    return pages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=RECIPES, default="fast")
    parser.add_argument("--seeds", type=int, default=5, help="how many nets")
    parser.add_argument("--pages", type=int, default=100, help="photographs, and as many textures")
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

    net = RECIPES[options.recipe].build(seed=0)
    net.fit(data.train_images, data.train_labels, progress=False, **RECIPES[options.recipe].arguments(0))
    for name, pages in (("photographs", photographs(data, options.pages)), ("textures", textures(options.pages))):
        console.print(f"of {len(pages):,} {name}, {doubtful(net, pages):.1%} are warned of or show no digit")
    console.print(machine())


if __name__ == "__main__":
    main()
