"""Data sets."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import cnn
from cnn.datasets import (
    Dataset,
    LabelledImages,
    load_digits,
    load_folder,
    load_idx,
    load_images,
    load_strokes,
    save_idx,
)

data = cnn.datasets.load_mnist()
assert_type(data, Dataset)
assert_type(data.train_images, NDArray[np.uint8])
x_train, y_train, x_test, y_test = cnn.datasets.load_fashion_mnist(Path("data"))
assert_type(y_test, NDArray[np.uint8])
drawn, told = load_digits()
assert_type(told, str)
assert_type(load_strokes(train=100, test=np.int64(10), seed=1), Dataset)
assert_type(load_folder("scans", size=28, invert="auto"), LabelledImages)
assert_type(load_folder(Path("scans"), (20, 20), True).classes, tuple[str, ...])
assert_type(load_folder("scans", color=True), LabelledImages)
load_images(["one.png", Path("two.png")], digits=True)
save_idx("images.gz", load_idx(Path("images.gz")))
x_train = cnn.datasets.normalize(x_train)
y_train = cnn.datasets.one_hot(y_train)
assert_type(cnn.datasets.one_hot([1, 2, 3], classes=4), np.ndarray)

data.images  # error: train_images or test_images
cnn.datasets.load_mnist(3)  # error: data_dir
load_strokes("100")  # error: train
load_folder("scans", size="28")  # error: size
load_folder("scans", invert="yes")  # error: invert
load_folder("scans", color="red")  # error: color
load_folder()  # error: path
load_idx(3)  # error: path
save_idx("images.gz")  # error: array
cnn.datasets.one_hot(y_test, "10")  # error: classes
