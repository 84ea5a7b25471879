"""A folder with a sub-folder of pictures for each class as a data set: some to train on, the others to test with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..backends.annotations import Pair
from . import mnist_files
from .folder import has_classes, load_folder
from .mnist_files import Array, Dataset


class Classes(NamedTuple):
    """How a folder of classes is read: the pictures' size, in colour or grey, and which part is to test with.

    Where that is 1, all pictures are to train on and to test with, for a net that is trained already.
    """

    size: Pair = (28, 28)
    color: bool = False
    validation: float = 0.2
    seed: int = 0


AS_MNIST = Classes()  # grey, in the size of MNIST's images


def is_folder_of_classes(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds sub-folders of pictures, and no data set in MNIST's form."""
    folder = Path(path).expanduser()
    if not folder.is_dir() or any(mnist_files.find(folder, file) for file in mnist_files.FILES):
        return False
    return has_classes(folder)


def load_split(path: str | os.PathLike[str], how: Classes) -> tuple[Dataset, tuple[str, ...]]:
    """A folder's pictures, split class by class, and the names of its classes.

    Raises
    ------
    ValueError
        If a part has no pictures.
    FileNotFoundError, TypeError, ValueError, OSError, ImportError
        As for `load_folder`.
    """
    images, labels, classes = load_folder(path, how.size, color=how.color)
    if how.validation == 1:
        return Dataset(images, labels, images, labels), classes
    is_test = drawn_by_class(labels, how.validation, np.random.default_rng(how.seed))
    if is_test.all() or not is_test.any():
        raise ValueError(f"{path} holds {len(labels)} pictures, of which {how.validation:g} leaves none in one part")
    return Dataset(images[~is_test], labels[~is_test], images[is_test], labels[is_test]), classes


def drawn_by_class(labels: Array, fraction: float, rng: np.random.Generator) -> Array:
    """Which images are to test with, bool (n,): that fraction of every class, at least one of each that has two."""
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = round(fraction * len(members))
        is_test[members[: min(max(1, count), len(members) - 1)]] = True
    return is_test
