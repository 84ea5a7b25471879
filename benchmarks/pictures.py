"""The pictures in the documentation: what `cnn.plot` draws of the two-convolution net, trained on MNIST; a report.

    python benchmarks/pictures.py [--folder docs]

Trains by the recipe `two-conv`, for three epochs, a few seconds; MNIST is found as `cnn.datasets.load_mnist` finds it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

from cnn import plot
from cnn.datasets import load_mnist
from cnn.plot.report import write_report
from cnn.recipes import RECIPES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent.parent / "docs")
    folder = parser.parse_args().folder
    folder.mkdir(exist_ok=True)
    matplotlib.rcParams["svg.hashsalt"] = "cnn-c"  # the same results give the same file
    data = load_mnist()
    test = data.test_images, data.test_labels
    recipe = RECIPES["two-conv"]
    net = recipe.build(seed=0)
    history = net.fit(data.train_images, data.train_labels, validation_data=test, **recipe.arguments(seed=0))
    plot.training_curves(history, folder / "training_curves.svg")
    plot.filters(net, folder / "filters.png")
    plot.feature_maps(net, data.test_images[0], folder / "feature_maps.png")
    plot.confusion_matrix(net, *test, folder / "confusion_matrix.svg")
    plot.worst_mistakes(net, *test, path=folder / "worst_mistakes.png")
    details = {"data": "MNIST", "recipe": "two-conv", "optimiser": "SGD, Nesterov momentum 0.9, cosine from 0.03"}
    write_report(folder, net, history, *test, title="Two convolutions on MNIST", details=details)


if __name__ == "__main__":
    main()
