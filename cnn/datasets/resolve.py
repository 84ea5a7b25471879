"""Data by its name or by its folder, as the command line takes it."""

from __future__ import annotations

from pathlib import Path

from . import inventory, sources, strokes
from .digits import load_digits
from .mnist import load_mnist
from .mnist_files import Dataset
from .split import AS_MNIST, Classes, is_folder_of_classes, load_split

STROKES = "strokes"


def load_named(what: str | None, how: Classes = AS_MNIST) -> tuple[Dataset, str, tuple[str, ...] | None]:
    """Load a data set.

    Parameters
    ----------
    what : str or None
        A published data set's name, "strokes", a folder with four files in MNIST's form, or one with a sub-folder of
        pictures for each class. None leaves the choice to `load_digits`. A name comes before a folder that is called
        so.
    how : Classes
        How a folder of classes is read and split.

    Returns
    -------
    dataset : Dataset
    origin : str
        What it is and from where: "MNIST from the cache ~/.cache/cnn_c/mnist", for example.
    classes : tuple of str, or None
        The names of a folder's classes.

    Raises
    ------
    FileNotFoundError
        If it is neither a name nor a folder, or a folder that lacks a file.
    ValueError, OSError
        As for `load_mnist` and `load_split`.
    """
    if what is None:
        return *load_digits(), None
    if what == STROKES:
        return strokes.load_strokes(), "generated strokes", None
    source = inventory.source_of(what)
    if source is not None:
        dataset = sources.load(source)
        held = inventory.holding(source)
        return dataset, f"{source.title} from the {held.place} {held.folder}", None
    folder = Path(what).expanduser()
    if not what or not folder.is_dir():  # Path("") is the folder where the program runs
        names = ", ".join([*(source.name for source in inventory.published()), STROKES])
        raise FileNotFoundError(f"{what or 'an empty name'} is neither a data set ({names}) nor a folder")
    if is_folder_of_classes(folder):
        dataset, classes = load_split(folder, how)
        return dataset, f"pictures of {len(classes)} classes from {folder}", classes
    return load_mnist(folder), f"images from {folder}", None
