"""MNIST, found in a folder of the user's, in the cache, or downloaded.

A user's folder may hold any data set in MNIST's four files, so only its form is checked. The cache and
downloads must be MNIST itself: the decompressed content is verified, whoever compressed it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .idx import read_idx

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

CONTENT_SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Seconds without an answer or without a byte, not for the whole download.
DOWNLOAD_TIMEOUT = 30.0

Array = np.ndarray[Any, Any]


class Dataset(NamedTuple):
    """Images uint8 (N, height, width) and labels uint8 (N,), for training and for testing."""

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array


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
        It may hold another data set in that form, such as Fashion-MNIST.

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
    train, train_of = _images_and_labels(TRAIN_IMAGES, TRAIN_LABELS, data_dir)
    test, test_of = _images_and_labels(TEST_IMAGES, TEST_LABELS, data_dir)
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(f"training images are {train.shape[1:]} pixels, test images {test.shape[1:]}")
    return Dataset(train, train_of, test, test_of)


def train_images() -> Array:
    """Return the training images, uint8 (60000, 28, 28); errors as for `load_mnist`."""
    return _load(TRAIN_IMAGES, 3)


def train_labels() -> Array:
    """Return the training labels, uint8 (60000,); errors as for `load_mnist`."""
    return _load(TRAIN_LABELS, 1)


def test_images() -> Array:
    """Return the test images, uint8 (10000, 28, 28); errors as for `load_mnist`."""
    return _load(TEST_IMAGES, 3)


def test_labels() -> Array:
    """Return the test labels, uint8 (10000,); errors as for `load_mnist`."""
    return _load(TEST_LABELS, 1)


def _images_and_labels(
    images_file: str, labels_file: str, data_dir: str | os.PathLike[str] | None
) -> tuple[Array, Array]:
    images = _load(images_file, 3, data_dir)
    labels = _load(labels_file, 1, data_dir)
    if len(images) != len(labels):
        raise ValueError(f"{images_file} holds {len(images)} images, but {labels_file} {len(labels)} labels")
    return images, labels


def _load(file: str, ndim: int, data_dir: str | os.PathLike[str] | None = None) -> Array:
    folder = data_dir or os.environ.get("CNN_DATA_DIR")
    if not folder:
        return _from_cache(file)
    path = _find(Path(folder).expanduser(), file)
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != ndim:
        raise ValueError(
            f"{path}: expected uint8 in {ndim} dimension{'s' * (ndim > 1)}, got {array.dtype} {array.shape}"
        )
    return array


def _find(folder: Path, file: str) -> Path:
    spellings = [file, f"{file}.gz", file.replace("-idx", ".idx"), file.replace("-idx", ".idx") + ".gz"]
    if not folder.is_dir():
        raise FileNotFoundError(f"the data folder {folder} does not exist or is not a folder")
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise FileNotFoundError(f"{folder} does not hold {file}: looked for {', '.join(spellings)}")


def _from_cache(file: str) -> Array:
    import pooch

    cached = Path(pooch.os_cache("cnn_c")) / "mnist" / f"{file}.gz"
    with contextlib.suppress(FileNotFoundError, ValueError):
        return read_idx(cached, CONTENT_SHA256[file])
    return _download(file, cached)


def _download(file: str, cached: Path) -> Array:
    """Download a file from the first mirror that has it whole, keep it as `cached` and return its content."""
    import pooch

    cached.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        downloaded = Path(folder) / cached.name
        for mirror in MIRRORS:
            url = f"{mirror}{file}.gz"
            pooch.get_logger().info("Downloading %s to %s", url, cached.parent)
            try:
                pooch.HTTPDownloader(timeout=DOWNLOAD_TIMEOUT, chunk_size=1 << 16)(url, downloaded, None)
                array = read_idx(downloaded, CONTENT_SHA256[file])
            except (OSError, ValueError) as error:
                failures.append(f"{url} ({_reason(error).removeprefix(f'{downloaded}: ')})")
                continue
            _move(downloaded, cached)
            return array
    raise OSError(
        f"could not download {file}.gz; tried {'; '.join(failures)}. "
        "To supply the data by hand, put the four MNIST files into a folder and name it in CNN_DATA_DIR"
    )


def _reason(error: Exception) -> str:
    # An HTTP library wraps "connection refused" in four layers of its own; the innermost says what happened.
    innermost: BaseException = error
    while isinstance(error, OSError) and innermost.__context__ is not None:
        innermost = innermost.__context__
    return str(innermost) or type(innermost).__name__


def _move(downloaded: Path, cached: Path) -> None:
    # The two may lie on different disks, where a move is a copy that can be cut short; a rename cannot.
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".new-") as folder:
        copy = shutil.copyfile(downloaded, Path(folder) / cached.name)
        os.replace(copy, cached)
