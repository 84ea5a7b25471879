"""Data by its name or by its folder, as the command line takes it."""

from __future__ import annotations

from pathlib import Path

from . import inventory, sources, strokes
from .digits import load_digits
from .mnist import load_mnist
from .mnist_files import Dataset

STROKES = "strokes"


def load_named(what: str | None) -> tuple[Dataset, str]:
    """Load a data set.

    Parameters
    ----------
    what : str or None
        A published data set's name, "strokes", or a folder with four files in MNIST's form. None leaves the choice to
        `load_digits`. A name comes before a folder that is called so.

    Returns
    -------
    dataset : Dataset
    origin : str
        What it is and from where: "MNIST from the cache ~/.cache/cnn_c/mnist", for example.

    Raises
    ------
    FileNotFoundError
        If it is neither a name nor a folder, or a folder that lacks a file.
    ValueError, OSError
        As for `load_mnist`.
    """
    if what is None:
        return load_digits()
    if what == STROKES:
        return strokes.load_strokes(), "generated strokes"
    source = inventory.source_of(what)
    if source is not None:
        dataset = sources.load(source)
        held = inventory.holding(source)
        return dataset, f"{source.title} from the {held.place} {held.folder}"
    folder = Path(what).expanduser()
    if not what or not folder.is_dir():  # Path("") is the folder where the program runs
        names = ", ".join([*(source.name for source in inventory.published()), STROKES])
        raise FileNotFoundError(f"{what or 'an empty name'} is neither a data set ({names}) nor a folder")
    return load_mnist(folder), f"images from {folder}"
