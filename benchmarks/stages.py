"""The photograph in `docs/`, which is a made one, and the picture of it in the stages of `cnn.photographs`.

    python benchmarks/stages.py [--folder docs] [--seed 20]

MNIST is found as `cnn.datasets.load_mnist` finds it.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from photographed import Pens, photographed_page
from PIL import Image, ImageOps

from cnn.datasets import load_mnist
from cnn.photographs.pipeline import read_page, stages_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent.parent / "docs")
    parser.add_argument("--seed", type=int, default=20, help="of the page")
    options = parser.parse_args()
    matplotlib.use("agg")
    data = load_mnist()
    page = photographed_page(Pens(data.test_images, data.test_labels), 5, np.random.default_rng(options.seed), 0.25)
    (options.folder / "page.jpg").write_bytes(page.file)
    grey = np.array(ImageOps.exif_transpose(Image.open(BytesIO(page.file))).convert("L"))
    stages, read = stages_of(grey), read_page(grey)

    figure, panels = pyplot.subplots(1, 5, figsize=(11, 3.2), layout="constrained")
    shown = {
        "page": stages.page,
        "light": stages.light,
        "divided by its light": 255 - stages.darkness,
        "ink, without ruling": 255 * (1 - stages.ink),
    }
    for panel, (title, image) in zip(panels, shown.items(), strict=False):
        panel.imshow(image, cmap="gray", vmin=0, vmax=255)
        panel.set_title(title, fontsize=10)
    scale = max(stages.page.shape) / max(grey.shape)
    for digit in read.digits:
        top, left, height, width = (side * scale for side in digit.box)
        panels[3].add_patch(pyplot.Rectangle((left, top), width, height, fill=False, edgecolor="C3", linewidth=0.8))
    columns = 4
    images = [digit.image for digit in read.digits]
    images += [np.zeros((28, 28), np.uint8)] * (-len(images) % columns)
    rows = [np.hstack(images[i : i + columns]) for i in range(0, len(images), columns)]
    panels[4].imshow(np.vstack(rows), cmap="gray")
    panels[4].set_title("what the net sees", fontsize=10)
    for panel in panels:
        panel.set_axis_off()
    figure.savefig(options.folder / "photographs.png", dpi=110)


if __name__ == "__main__":
    main()
