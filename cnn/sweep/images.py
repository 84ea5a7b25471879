"""The training images of a sweep, split in two, in a file without a name that the trials' processes share.

The test images are not in it: no trial can see them. The system removes the file with its last process.
"""

from __future__ import annotations

import mmap
from hashlib import sha256
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.split import drawn_by_class

if TYPE_CHECKING:
    from ..datasets import Dataset


class Images(NamedTuple):
    """Images and labels to train on, and those by which the trials are compared."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray


def split(dataset: Dataset, fraction: float, seed: int) -> Images:
    """That fraction of every class of the training images for validation, and the others to train on.

    Raises
    ------
    ValueError
        A part would be empty.
    """
    x, y = dataset.train_images, dataset.train_labels
    validates = drawn_by_class(y, fraction, np.random.default_rng(seed))
    if validates.all() or not validates.any():
        raise ValueError(f"validation_fraction {fraction:g} of {len(y)} training images leaves none in one part")
    return Images(x[~validates], y[~validates], x[validates], y[validates])


def shared(images: Images) -> tuple[IO[bytes], str]:
    """A file of the images, and the digest of what is in it."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - it stays open as long as trials start
    for array in images:
        np.save(file, array)
    file.flush()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return file, sha256(content).hexdigest()


def received(descriptor: int) -> Images:
    """The images of the file that another process has shared."""
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:  # reading would move it for all processes
        readable: Any = content
        return Images(*(np.load(readable) for _ in Images._fields))
