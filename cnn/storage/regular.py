"""Files that are opened for reading only where that can neither wait nor go on for ever."""

from __future__ import annotations

import os
import stat
from io import BufferedReader


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """The file `path`, open for reading in binary.

    Raises
    ------
    ValueError
        It is a pipe, a socket or a device. The message does not name it.
    OSError
        It is missing, a folder, or cannot be read.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe would wait for its writer
        raise ValueError("it is no regular file")
    return open(path, "rb")
