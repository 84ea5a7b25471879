"""Whether two processors train the same net: parameters of A, B and L after an epoch in float64, compared.

    python benchmarks/across_processors.py train FILE [--images 2000]    on each processor
    python benchmarks/across_processors.py compare FILE FILE

Both train on the first images of MNIST. Registers of another width and multiply-adds with one rounding or two change
the last digits of sums, and nothing else may differ: status 1 where parameters differ by more than 1e-13 of the largest
of their layer.
"""

from __future__ import annotations

import argparse
import platform
import sys

import numpy as np

import cnn
import cnn_c
from cnn.datasets import load_mnist

NETS = {"A": cnn.models.tutorial, "B": cnn.models.two_conv, "L": cnn.models.lenet5}
LIMIT = 1e-13  # 450 roundings of float64


def train(path: str, images: int) -> None:
    data = load_mnist()
    arrays = {}
    for name, make in NETS.items():
        net = make(dtype="float64", seed=0)
        history = net.fit(
            data.train_images[:images],
            data.train_labels[:images],
            batch_size=32,
            seed=0,
            optimizer=cnn.SGD(0.05, momentum=0.9),
            progress=False,
        )
        arrays |= {f"{name}: {key}": value for key, value in net.parameters().items()}
        print(f"{name}: loss {history.loss[-1]!r}")
    np.savez(path, **arrays)
    print(f"{platform.machine()}, level {cnn_c.LEVEL}: {path}")


def compare(first: str, second: str) -> None:
    with np.load(first) as a, np.load(second) as b:
        worst = {key: np.abs(a[key] - b[key]).max() / np.abs(a[key]).max() for key in a.files}
        same = sum(int(np.sum(a[key] == b[key])) for key in a.files)
        total = sum(a[key].size for key in a.files)
    for key, difference in worst.items():
        print(f"{key:<24} {difference:.1e}")
    print(f"{same:,} of {total:,} parameters have the same bits; largest difference {max(worst.values()):.1e}")
    if not max(worst.values()) <= LIMIT:
        sys.exit(f"more than {LIMIT:.0e}: not the rounding of sums alone")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("file")
    training.add_argument("--images", type=int, default=2000)
    comparison = commands.add_parser("compare")
    comparison.add_argument("files", nargs=2, metavar="file")
    arguments = parser.parse_args()
    if arguments.command == "train":
        train(arguments.file, arguments.images)
    else:
        compare(*arguments.files)
