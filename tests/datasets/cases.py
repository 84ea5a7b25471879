"""A data set of a few images, and one in a folder in MNIST's form, for all tests that read such a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnn.datasets import Dataset, mnist_files, save_idx

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
DATASET = Dataset(IMAGES, LABELS, IMAGES[:2], LABELS[:2])


def fill(folder: Path, name: str = "{}", dataset: Dataset = DATASET, **changes: np.ndarray) -> Path:
    """Write the four files of a data set, some with other arrays, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in zip(mnist_files.FILES, dataset._replace(**changes), strict=True):
        save_idx(folder / name.format(file), array)
    return folder
