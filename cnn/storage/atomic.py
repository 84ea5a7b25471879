"""Files that are written whole or not at all: whoever is killed while saving leaves the old file or the new one.

A temporary file in the target's folder takes the bytes and then the target's name. Its writer holds a lock on it, which
the system lets go of when the writer ends, however that comes about; so the next one knows what it may sweep away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from ..backends import checks
from ..backends.log import LOGGER

_log = LOGGER.getChild("storage")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to the file `path`, in place of what it held: in one moment, and durably.

    A new file has the permissions that the umask leaves it, an old one keeps its own. A link's target is written.

    Raises
    ------
    TypeError, ValueError
        `path` is no path.
    OSError
        The folder is missing or read-only, the disk is full; what is there is a folder, a device or anything else
        that is no regular file, or may not be written to. An old file is then as it was, and no other is left.
    """
    path = checks.path("path", path)
    with naming(path):  # and not the temporary file, of which nobody has heard
        target, mode = checked_target(path)
        folder, name = os.path.split(target)
        _sweep(folder, name)
        _write(folder, name, mode, data)
    _log.info("%s written: %d bytes", path, len(data))


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Let errors of the system, which need not name any file, name the one that cannot be written."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", path) from error


def checked_target(path: str) -> tuple[str, int | None]:
    """The file that a writer to `path` means, links followed, and its mode: None if it is yet to be made.

    Raises
    ------
    OSError
        It cannot be written, as far as can be seen beforehand.
    """
    if not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        target = os.path.realpath(path)
        if not os.path.isdir(os.path.dirname(target)):
            raise
        return target, None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "what is there is no regular file", path)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return os.path.realpath(path), stat.S_IMODE(mode)


def _write(folder: str, name: str, mode: int | None, data: bytes) -> None:
    temporary, descriptor = _temporary(folder, name)
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
        os.replace(temporary, os.path.join(folder, name))
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    _sync_folder(folder)


def _temporary(folder: str, name: str) -> tuple[str, int]:
    """A new temporary file for the target `name`, locked: its path and descriptor."""
    while True:
        path = os.path.join(folder, f"{_prefix(name)}{os.urandom(4).hex()}.tmp")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks: nothing is swept there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # swept away before it was locked


def _prefix(name: str) -> str:
    """How the target's temporary files begin, and no other's; of one length, for names have a longest."""
    return f".cnn-{sha256(os.fsencode(name)).hexdigest()[:16]}-"


def _sweep(folder: str, name: str) -> None:
    """Remove the temporary files of the target `name` whose writers are dead."""
    for stray in os.listdir(folder):
        if not (stray.startswith(_prefix(name)) and stray.endswith(".tmp")):
            continue
        with suppress(OSError):  # its writer lives and has it locked, or somebody else has swept it
            descriptor = os.open(os.path.join(folder, stray), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(os.path.join(folder, stray))
            finally:
                os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Make the folder's new entry last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # of file systems that know no such thing
            raise
    finally:
        os.close(descriptor)
