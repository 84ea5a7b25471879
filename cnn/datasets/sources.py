"""Published data sets in MNIST's form: in a folder of the user's, in the cache, or downloaded.

A folder may hold any data set. The cache and downloads must be the very one that is asked for: the decompressed
content is verified, whoever compressed it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..backends import checks
from ..backends.log import LOGGER
from . import mnist_files
from .download import DownloadError, download
from .idx import load_idx
from .mnist_files import Array, Dataset

_log = LOGGER.getChild("datasets")


class Source(NamedTuple):
    """What there is to know about a published data set."""

    name: str  # on the command line, and of its folder in the cache
    title: str  # in sentences
    subfolder: str  # of the folder that CNN_DATA_DIR names; "" where it lies in that folder itself
    content_sha256: Mapping[str, str]  # of each file, decompressed
    mirrors: tuple[str, ...]  # each the beginning of a URL that ends in a file's name and `.gz`


def load(source: Source, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """The whole data set, from the place that `named_folder` says or else from the cache."""
    dataset = Dataset(*load_files(source, mnist_files.FILES, data_dir))
    return mnist_files.checked(dataset, named_folder(source, data_dir) or cache_folder(source))


def load_files(source: Source, files: Iterable[str], data_dir: str | os.PathLike[str] | None = None) -> list[Array]:
    """Some of the four files, in order; from the place that `named_folder` says or else from the cache."""
    files = list(files)
    folder = named_folder(source, data_dir)
    if folder is not None:
        _log.info("%s: %d files from %s", source.title, len(files), folder)
        return [mnist_files.load_file(folder, file) for file in files]
    arrays = from_cache(source, files)
    _log.info("%s: %d of %d files from the cache %s", source.title, len(arrays), len(files), cache_folder(source))
    arrays |= fetch(source, [file for file in files if file not in arrays])
    return [arrays[file] for file in files]


def named_folder(source: Source, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder that the user has named for this data set, which is then the only place to look; None without one.

    It is `data_dir`, or else the folder in CNN_DATA_DIR, or of that the data set's sub-folder, if there is one.
    """
    if data_dir is not None:
        return Path(checks.path("data_dir", data_dir)).expanduser()
    variable = os.environ.get("CNN_DATA_DIR")
    if not variable:
        return None
    folder = Path(variable).expanduser() / source.subfolder
    # A folder with MNIST alone says nothing about where the other data sets are.
    return folder if not source.subfolder or folder.is_dir() else None


def cache_folder(source: Source) -> Path:
    """Where the data set is kept when it has been downloaded; may not exist."""
    import pooch

    return Path(pooch.os_cache("cnn_c")) / source.name


def from_cache(source: Source, files: Iterable[str] = mnist_files.FILES) -> dict[str, Array]:
    """Those of the files that the cache holds whole and verified."""
    arrays = {}
    for file in files:
        try:
            arrays[file] = load_idx(cache_folder(source) / f"{file}.gz", source.content_sha256[file])
        except FileNotFoundError:
            pass
        except ValueError as error:
            _log.warning("a file in the cache is damaged: %s", error)
    return arrays


def fetch(source: Source, files: Sequence[str]) -> dict[str, Array]:
    """Download files into the cache; errors as for `download`, with what else can be done."""
    if not files:
        return {}
    expected = {file: source.content_sha256[file] for file in files}
    try:
        return download(expected, source.mirrors, cache_folder(source))
    except DownloadError as error:
        place = f"a folder {source.subfolder} and name its parent" if source.subfolder else "a folder and name that"
        by_hand = f"To supply the data by hand, put the four files of {source.title} into {place} in CNN_DATA_DIR"
        raise DownloadError(f"{error}. {by_hand}", error.reason) from error
