"""Memory that several processes of one host have in common."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import NamedTuple

import numpy as np

from .ranks import Ranks

_FOLDER = "/dev/shm"  # a file system in memory; macOS has none
_HEAD = 64  # bytes, which tell the file from another host's of the same name


class _File(NamedTuple):
    path: str
    head: bytes
    size: int


class CommonMemory:
    """Memory that all ranks see.

    Attributes
    ----------
    bytes : array of uint8
    turn : int
        Which half of it is used; the same on all ranks, who change it together.
    """

    def __init__(self, memory: np.ndarray) -> None:
        self.bytes, self.turn = memory, 0


def common_memory(ranks: Ranks, size: int) -> CommonMemory | None:
    """So many bytes of zeros that all ranks see; None where they have none in common, as on several hosts."""
    file = ranks.on_root(lambda: _new_file(size))
    try:
        memory = None if file is None else _opened(file)
        is_common = all(ranks.gather(memory is not None))
    finally:
        if file is not None and ranks.is_root:
            os.unlink(file.path)  # the memory lasts as long as somebody has it
    return CommonMemory(memory) if memory is not None and is_common else None


def _new_file(size: int) -> _File | None:
    """A file for which there is room, so that nobody fails when he writes; None where there is none."""
    if not hasattr(os, "posix_fallocate") or not os.path.isdir(_FOLDER):
        return None
    head = os.urandom(_HEAD)
    try:
        descriptor, path = tempfile.mkstemp(prefix="cnn-c-", dir=_FOLDER)
    except OSError:
        return None
    try:
        os.posix_fallocate(descriptor, 0, _HEAD + size)
        os.pwrite(descriptor, head, 0)
    except OSError:
        os.unlink(path)
        return None
    finally:
        os.close(descriptor)
    return _File(path, head, size)


def _opened(file: _File) -> np.ndarray | None:
    try:
        descriptor = os.open(file.path, os.O_RDWR)
    except OSError:
        return None
    try:
        if os.pread(descriptor, _HEAD, 0) != file.head:
            return None
        return np.frombuffer(mmap.mmap(descriptor, _HEAD + file.size), np.uint8)[_HEAD:]
    except OSError:
        return None
    finally:
        os.close(descriptor)
