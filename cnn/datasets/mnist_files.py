"""The form of MNIST: four IDX files, of images and labels, for training and for testing.

A user's folder may hold any data set in it, so that only the form is checked here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backends.tables import call
from .idx import load_idx

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

Array = np.ndarray[Any, Any]


class Dataset(NamedTuple):
    """Images uint8 (N, height, width) and labels uint8 (N,), for training and for testing."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]

    def __repr__(self) -> str:
        return call(type(self), self._asdict())

    def _repr_html_(self) -> str:
        from .view import images_html

        parts = {"training": (self.train_images, self.train_labels), "test": (self.test_images, self.test_labels)}
        return images_html(type(self).__name__, parts)


def find(folder: Path, file: str) -> Path | None:
    """The one of the four that is called `file`, as `folder` spells it: with `.gz` or not, with `.idx` for `-idx`."""
    return next((folder / name for name in _spellings(file) if (folder / name).is_file()), None)


def load_file(folder: Path, file: str) -> Array:
    """The content of one of the four files in `folder`; errors as for `load_mnist`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"the data folder {folder} does not exist or is not a folder")
    path = find(folder, file)
    if path is None:
        raise FileNotFoundError(f"{folder} does not hold {file}: looked for {', '.join(_spellings(file))}")
    array = load_idx(path)
    ndim = 3 if file in (TRAIN_IMAGES, TEST_IMAGES) else 1
    if array.dtype != np.uint8 or array.ndim != ndim:
        raise ValueError(
            f"{path}: expected uint8 in {ndim} dimension{'s' * (ndim > 1)}, got {array.dtype} {array.shape}"
        )
    return array


def checked(dataset: Dataset, folder: Path) -> Dataset:
    """`dataset`, which is in `folder`; ValueError for no images, or where they differ in size, or labels in number."""
    train, train_of, test, test_of = dataset
    for images_file, images, labels_file, labels in (
        (TRAIN_IMAGES, train, TRAIN_LABELS, train_of),
        (TEST_IMAGES, test, TEST_LABELS, test_of),
    ):
        if len(images) != len(labels):
            raise ValueError(
                f"{folder}: {images_file} holds {len(images)} images, but {labels_file} {len(labels)} labels"
            )
        if not images.size:
            raise ValueError(f"{folder}: {images_file} holds no images, got shape {images.shape}")
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(f"{folder}: training images are {train.shape[1:]} pixels, test images {test.shape[1:]}")
    return dataset


def _spellings(file: str) -> list[str]:
    dotted = file.replace("-idx", ".idx")
    return [file, f"{file}.gz", dotted, f"{dotted}.gz"]
