"""Which published data sets are on this machine, where, and whether their files are what they should be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from . import fashion, mnist, mnist_files, sources
from .idx import load_idx
from .mnist_files import Array, Dataset
from .sources import Source


def published() -> tuple[Source, ...]:
    """The published data sets."""
    return mnist.SOURCE, fashion.SOURCE


def source_of(name: str | os.PathLike[str]) -> Source | None:
    """The published data set of that name; None if there is none."""
    return next((source for source in published() if source.name == name), None)


class Holding(NamedTuple):
    """Where a data set is looked for, in a folder of the user's or in the cache, and what is there of its files."""

    source: Source
    place: str  # "folder" or "cache"
    folder: Path
    paths: dict[str, Path]

    @property
    def complete(self) -> bool:
        """Whether all four files are there."""
        return len(self.paths) == len(mnist_files.FILES)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.paths.values())

    def describe(self) -> str:
        """In words, with what to do about files that are missing."""
        where = f"folder {self.folder} (CNN_DATA_DIR)" if self.place == "folder" else f"cache {self.folder}"
        if self.complete:
            return where
        part = f"{len(self.paths)} of {len(mnist_files.FILES)} files in the {where}"
        if self.place == "folder":
            return part
        return f"{part if self.paths else 'not here'}: cnn data fetch {self.source.name}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.source.name,
            "found": self.place if self.complete else None,
            "folder": str(self.folder),
            "files": {file: str(path) for file, path in self.paths.items()},
            "bytes": self.size,
        }


class Report(NamedTuple):
    """What is wrong with each file of a data set, None for a good one, and with the four together."""

    title: str
    folder: Path
    problems: dict[str, str | None]

    @property
    def bad(self) -> bool:
        """Whether anything is wrong."""
        return any(self.problems.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"title": self.title, "folder": str(self.folder), "ok": not self.bad, "problems": self.problems}


def holding(source: Source) -> Holding:
    """Where a data set is looked for, and what is found there."""
    named = sources.named_folder(source)
    folder = named or sources.cache_folder(source)
    found = {file: mnist_files.find(folder, file) for file in mnist_files.FILES}
    paths = {file: path for file, path in found.items() if path is not None}
    return Holding(source, "cache" if named is None else "folder", folder, paths)


def fetch(source: Source) -> int:
    """Download what the cache lacks or holds damaged; the number of files that were."""
    there = sources.from_cache(source)
    return len(sources.fetch(source, [file for file in mnist_files.FILES if file not in there]))


def verify(what: str | os.PathLike[str] | None = None) -> list[Report]:
    """Check the files of a published data set, of a folder, or of all published data sets that are here.

    Raises
    ------
    FileNotFoundError
        If there is nothing to check.
    """
    if what is None:
        reports = [_of_source(source) for source in published() if holding(source).paths]
        if not reports:
            raise FileNotFoundError("no data set is here; fetch one, for example with cnn data fetch mnist")
        return reports
    source = source_of(what)
    if source is not None:
        if not holding(source).paths:
            raise FileNotFoundError(f"{source.title} is not here; fetch it with cnn data fetch {source.name}")
        return [_of_source(source)]
    folder = Path(what).expanduser()
    if not what or not folder.is_dir():  # Path("") is the folder where the program runs
        names = ", ".join(source.name for source in published())
        raise FileNotFoundError(f"{what or 'an empty name'} is neither a published data set ({names}) nor a folder")
    return [_of_folder(folder)]


def _of_source(source: Source) -> Report:
    held = holding(source)
    problems: dict[str, str | None] = {}
    for file, sha256 in source.content_sha256.items():
        problems[file] = None
        try:
            if file in held.paths:
                load_idx(held.paths[file], sha256)
            else:
                problems[file] = "missing"
        except (OSError, ValueError) as error:
            problems[file] = str(error)
    return Report(source.title, held.folder, problems)


def _of_folder(folder: Path) -> Report:
    problems: dict[str, str | None] = {}
    arrays: list[Array] = []
    for file in mnist_files.FILES:
        problems[file] = None
        try:
            arrays.append(mnist_files.load_file(folder, file))
        except (OSError, ValueError) as error:
            problems[file] = str(error)
    if len(arrays) == len(mnist_files.FILES):
        try:
            mnist_files.checked(Dataset(*arrays), folder)
        except ValueError as error:
            problems["together"] = str(error)
    return Report("Data set in MNIST's form", folder, problems)
