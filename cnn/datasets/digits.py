"""Digits to train on, whatever the machine has: MNIST, or else generated ones."""

from __future__ import annotations

import os

from ..backends.log import LOGGER
from . import mnist, mnist_files, sources, strokes
from .download import DownloadError
from .mnist_files import Dataset

_log = LOGGER.getChild("datasets")


def load_digits(data_dir: str | os.PathLike[str] | None = None) -> tuple[Dataset, str]:
    """Load MNIST where it is found or can be downloaded, else generate strokes; and say which.

    Parameters
    ----------
    data_dir : str or path-like, optional
        Folder with MNIST's four files, as for `load_mnist`. For a folder that is named, here or in CNN_DATA_DIR,
        nothing takes the place of a file that it lacks.

    Returns
    -------
    dataset : Dataset
    origin : str
        What it is, from where and why: "MNIST from the cache", for example.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        As for `load_mnist`, where a folder is named.
    """
    folder = sources.named_folder(mnist.SOURCE, data_dir)
    if folder is not None:
        return mnist.load_mnist(data_dir), f"MNIST from {folder}"
    cache = sources.cache_folder(mnist.SOURCE)
    cached = all(mnist_files.find(cache, file) for file in mnist_files.FILES)
    try:
        dataset = mnist.load_mnist()
    except OSError as error:
        # Without a network, or without a folder for the cache: either way there is no MNIST.
        reason = error.reason if isinstance(error, DownloadError) else str(error)
        _log.warning("strokes are drawn in place of MNIST: %s", reason)
        return strokes.load_strokes(), (
            f"generated strokes, because MNIST is neither in the cache nor can it be downloaded ({reason})"
        )
    return dataset, "MNIST from the cache" if cached else "MNIST, downloaded to the cache"
