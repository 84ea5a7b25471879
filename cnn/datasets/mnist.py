"""MNIST, and the functions by which the tutorial's programs read it."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from . import sources
from .mnist_files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Array, Dataset

SOURCE = sources.Source(
    name="mnist",
    title="MNIST",
    subfolder="",
    content_sha256={
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)


def load_mnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the 60,000 training and 10,000 test digits.

    They are looked for in `data_dir`, or else in the folder that the environment variable CNN_DATA_DIR names,
    or else in the user's cache; what the cache lacks is downloaded. A folder that is named is the only place
    searched.

    Parameters
    ----------
    data_dir : str or path-like, optional
        Folder with the four files `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
        `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, with `.gz` or without, or with `.idx` for `-idx`.
        It may hold another data set in that form.

    Returns
    -------
    Dataset
        (train_images, train_labels, test_images, test_labels), for MNIST uint8 (60000, 28, 28), (60000,),
        (10000, 28, 28) and (10000,).

    Raises
    ------
    FileNotFoundError
        If the named folder, or one of the files in it, does not exist.
    ValueError
        If a file is not a whole IDX file of the right form, or images and labels differ in number.
    OSError
        If a file can neither be read nor downloaded.
    """
    return sources.load(SOURCE, data_dir)


def train_images() -> NDArray[np.uint8]:
    """Return the training images, uint8 (60000, 28, 28); errors as for `load_mnist`."""
    return _load(TRAIN_IMAGES)


def train_labels() -> NDArray[np.uint8]:
    """Return the training labels, uint8 (60000,); errors as for `load_mnist`."""
    return _load(TRAIN_LABELS)


def test_images() -> NDArray[np.uint8]:
    """Return the test images, uint8 (10000, 28, 28); errors as for `load_mnist`."""
    return _load(TEST_IMAGES)


def test_labels() -> NDArray[np.uint8]:
    """Return the test labels, uint8 (10000,); errors as for `load_mnist`."""
    return _load(TEST_LABELS)


def _load(file: str) -> Array:
    (array,) = sources.load_files(SOURCE, [file])
    return array
