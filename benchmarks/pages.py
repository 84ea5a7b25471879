"""How well a net reads digits that lie anywhere on a page, as they are and with `load_images(..., digits=True)`.

    python benchmarks/pages.py [--digits 1000] [--recipe two-conv] [--seed 0]

The pages are MNIST's test digits in black, enlarged, on white or on grey and noisy paper, written to picture files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.datasets import load_images, load_mnist
from cnn.recipes import RECIPES

SIDE = 280  # pixels of a digit's picture: ten times MNIST's


def as_it_is(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return ink


def cropped(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To the ink, without any margin."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def anywhere(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """On a page of which the digit's longer side takes 40 %."""
    ink = cropped(ink, rng)
    page = np.zeros((round(max(ink.shape) / 0.4),) * 2, np.uint8)
    top, left = (rng.integers(0, len(page) - side + 1) for side in ink.shape)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def on_grey(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As `anywhere`; the paper is grey and noisy, the ink is not quite black."""
    page = anywhere(ink, rng)
    return np.clip(50 + page * 0.7 + rng.normal(0, 8, page.shape), 0, 255).astype(np.uint8)


PAGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "with MNIST's margins": as_it_is,
    "cropped to the ink": cropped,
    "anywhere, 40 % of the page": anywhere,
    "the same on grey, noisy paper": on_grey,
}


def right(net: cnn.Sequential, folder: str, labels: np.ndarray, digits: bool) -> float:
    """Which part of a folder's pictures is read right; one on which no digit is found, or several, is not."""
    images = np.zeros((len(labels), 28, 28), np.uint8)
    found = np.zeros(len(labels), bool)
    for i, file in enumerate(sorted(Path(folder).iterdir())):
        with suppress(ValueError):
            images[i], found[i] = load_images(file, digits=digits)[0], True
    return float(np.mean(found & (net.predict(images) == labels)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=int, default=1000, help="how many of the test images")
    parser.add_argument("--recipe", choices=RECIPES, default="two-conv")
    parser.add_argument("--seed", type=int, default=0, help="of the net and of the pages")
    options = parser.parse_args()
    data, recipe = load_mnist(), RECIPES[options.recipe]
    net = recipe.build(seed=options.seed)
    net.fit(data.train_images, data.train_labels, progress=False, **recipe.arguments(options.seed))
    images, labels = data.test_images[: options.digits], data.test_labels[: options.digits]

    title = f"{options.digits} test digits read by the net of the recipe {options.recipe}: right, %"
    table = Table(title=title, caption=machine(), caption_justify="left")
    for name, justify in (("page", "left"), ("as it is", "right"), ("laid out as MNIST's", "right")):
        table.add_column(name, justify=justify, no_wrap=True)
    for name, lay in PAGES.items():
        rng = np.random.default_rng(options.seed)
        with TemporaryDirectory() as folder:
            for i, image in enumerate(images):
                ink = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
                Image.fromarray(255 - lay(ink, rng)).save(Path(folder) / f"{i:05}.png")
            read = [right(net, folder, labels, digits) for digits in (False, True)]
        table.add_row(name, *(f"{100 * part:.1f}" for part in read))
    Console(width=110, highlight=False).print(table)


if __name__ == "__main__":
    main()
