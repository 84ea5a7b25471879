"""`CSVLogger`: the figures of a fit in a file, a row an epoch, none of which is ever there in part.

A row that cannot be written whole is taken back. That of a process which was killed meanwhile has no newline at its
end, by which the next writer knows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from os import PathLike
from typing import Any

from ..backends import checks
from ..storage.atomic import checked_target, naming
from .callbacks import Callback, Logs


class CSVLogger(Callback):
    """Write the figures of every epoch to a CSV file, a row an epoch, at once.

    Parameters
    ----------
    path : str or pathlib.Path
    append : bool
        Add to the rows that the file has; a last one without a newline, of a fit that was killed, is taken away. A fit
        that is resumed always appends, after the epoch where it goes on.

    Raises
    ------
    TypeError, ValueError
        `path` is no path; the file to append to has other columns.
    OSError
        The file cannot be written, or is no regular one. The rows of former epochs are then all that it holds.
    """

    def __init__(self, path: str | PathLike[str], append: bool = False) -> None:
        self.path = checks.path("path", path)
        self.append = bool(append)

    def on_fit_begin(self, net: Any, logs: Logs) -> None:
        self._epoch = logs["epoch"]
        with naming(self.path):  # an error now costs no epoch
            checked_target(self.path)
            FileIO(self.path, "a" if self.append or logs["epoch"] else "w").close()

    def on_epoch_end(self, net: Any, logs: Logs) -> None:
        self._epoch = logs["epoch"]
        header, row = _line(logs), _line(logs.values())
        with naming(self.path), FileIO(self.path, "a+") as file:
            file.seek(0)
            first = file.readline(len(header) + 1)  # with one more, for \r\n; a file of any kind may be meant
            if first and not header.startswith(first) and _columns(first) != list(logs):
                found = ", ".join(_columns(first))[:200]
                raise ValueError(f"the columns of {self.path!r} must be {', '.join(logs)}, got {found}")
            length = _whole_lines(file)
            file.truncate(length)
            _append(file, row if length else header + row)

    def state(self) -> dict[str, Any]:
        """How long the file is, and how many epochs are in it."""
        return {"bytes": os.path.getsize(self.path), "epoch": self._epoch}

    def restore(self, state: dict[str, Any]) -> None:
        """Take away the rows of epochs that are about to be done again; ValueError for rows that are none of these."""
        with open(self.path, "rb") as file:
            file.seek(state["bytes"])
            added = file.read()
        rows = added.decode(errors="replace").split("\n")[:-1]  # what is behind the last newline is no whole row
        again = [row.partition(",")[0] for row in rows]
        if again != [str(state["epoch"] + 1 + i) for i in range(len(again))]:
            raise ValueError(f"{self.path!r} has rows of another fit after those of this one; resume with another file")
        if added:
            os.truncate(self.path, state["bytes"])


def _line(values: Iterable[Any]) -> bytes:
    """A line of CSV; neither names nor numbers have anything to be quoted."""
    return (",".join(map(str, values)) + "\n").encode()


def _columns(line: bytes) -> list[str]:
    return line.decode(errors="replace").rstrip("\r\n").split(",")


def _whole_lines(file: FileIO) -> int:
    """How many bytes the lines of a file take that have their newlines."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if file.read() in (b"\n", b""):
        return size
    file.seek(0)
    return file.readall().rfind(b"\n") + 1


def _append(file: FileIO, data: bytes) -> None:
    """Write behind all that the file holds, or leave it as long as it is."""
    size = file.seek(0, os.SEEK_END)
    try:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
    except BaseException:
        with suppress(OSError):
            file.truncate(size)
        raise
