"""IDX files, the format of MNIST: four magic bytes, the sizes, then the elements, all big-endian.

The magic is 0, 0, a code of the element type, the number of dimensions. Nothing in a header is believed: the
content is read in pieces, so that a file costs the memory of what it holds, not of what it claims to hold.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..storage.atomic import write_atomically
from ..storage.regular import open_regular

ELEMENT_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

GZIP_MAGIC = b"\x1f\x8b"
# Deflate packs zeros a thousandfold: without a limit, a file of 10 MB could ask for 10 GB.
LARGEST_COMPRESSED_CONTENT = 1 << 30
LARGEST_ARRAY = (1 << 63) - 1
LARGEST_SIZE = (1 << 32) - 1
MOST_DIMENSIONS = 32
COMPRESSION = 6  # 9 takes ten times as long on images of digits and saves 2 % of their bytes
PIECE = 1 << 20


def load_idx(path: str | os.PathLike[str], sha256: str | None = None, mapped: bool = False) -> np.ndarray[Any, Any]:
    """Read one IDX file, gzip-compressed or not (told by its first bytes, not by its name).

    Parameters
    ----------
    path : str or path-like
        The file.
    sha256 : str, optional
        Hexadecimal SHA-256 that the decompressed content must have.
    mapped : bool
        Read nothing yet, if the file is not compressed, but map it into memory: only what is used is read then.

    Returns
    -------
    ndarray
        The elements, in the shape that the header gives; a new, writable, C-contiguous array of native byte
        order: uint8, int8, int16, int32, float32 or float64. Mapped, an `np.memmap` to read from, big-endian.

    Raises
    ------
    ValueError
        If the file is not a whole and exact IDX file, has another SHA-256, or is a pipe or a device; says which
        file and what is wrong with it.
    OSError
        If the file cannot be read.
    """
    path = checks.path("path", path)
    try:
        with open_regular(path) as file:
            compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if mapped and not compressed and sha256 is None:
                return _map_content(file)
            if not compressed:
                return _read_content(file, LARGEST_ARRAY, sha256)
            with gzip.GzipFile(fileobj=file) as content:
                return _read_content(content, LARGEST_COMPRESSED_CONTENT, sha256)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged gzip file: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def save_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, gzip-compressed if its name ends in `.gz`.

    The same array gives the same bytes, whatever the time. The file is replaced at once: it is what it was, or whole.

    Parameters
    ----------
    path : str or path-like
    array : array_like
        uint8, int8, int16, int32, float32 or float64, in 1 to 32 dimensions.

    Raises
    ------
    TypeError, ValueError
        If the format has no place for such an array; says what it takes.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> cnn.datasets.save_idx("labels.gz", np.array([3, 1, 4], np.uint8))
    >>> cnn.datasets.load_idx("labels.gz")
    array([3, 1, 4], dtype=uint8)
    """
    path = Path(checks.path("path", path))
    array = checks.array("array", array)
    codes = {np.dtype(element).newbyteorder("="): code for code, element in ELEMENT_TYPES.items()}
    element = array.dtype.newbyteorder("=")
    if element not in codes:
        raise TypeError(f"array must be one of {', '.join(map(str, codes))} for an IDX file, got {array.dtype}")
    if not 1 <= array.ndim <= MOST_DIMENSIONS or max(array.shape) > LARGEST_SIZE:
        raise ValueError(
            f"array must have 1 to {MOST_DIMENSIONS} dimensions of at most {LARGEST_SIZE:,} for an IDX file, "
            f"got shape {array.shape}"
        )
    header = bytes([0, 0, codes[element], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    data = header + array.astype(element.newbyteorder(">"), copy=False).tobytes()
    if path.suffix == ".gz":
        if array.nbytes > LARGEST_COMPRESSED_CONTENT:
            raise ValueError(
                f"{path}: from a compressed file at most {LARGEST_COMPRESSED_CONTENT:,} bytes are read, "
                f"got an array of {array.nbytes:,}"
            )
        data = gzip.compress(data, COMPRESSION, mtime=0)
    write_atomically(path, data)


def _map_content(file: io.BufferedReader) -> np.ndarray[Any, Any]:
    element, shape, header = _read_header(file)
    declared, held = math.prod(shape) * element.itemsize, os.fstat(file.fileno()).st_size - len(header)
    if declared != held:
        raise ValueError(f"header declares {shape} = {declared:,} bytes, the file holds {held:,}")
    if not declared:
        return np.empty(shape, element)
    return np.memmap(file, element, "r", len(header), shape)


def _read_content(content: io.BufferedIOBase, limit: int, sha256: str | None) -> np.ndarray[Any, Any]:
    element, shape, header = _read_header(content)
    declared = math.prod(shape) * element.itemsize
    if declared > limit:
        raise ValueError(
            f"header declares {declared:,} bytes; from a compressed file at most {limit:,} are read: "
            "decompress it first"
        )
    data = _read_up_to(content, declared)
    if len(data) < declared:
        raise ValueError(f"header declares {shape} = {declared:,} bytes, the file holds {len(data):,}")
    # This read also reaches the end of a gzip stream, where its checksum is verified.
    if content.read(1):
        raise ValueError(f"header declares {shape} = {declared:,} bytes, the file holds more")
    if sha256 is not None:
        _check_sha256(header, data, sha256)
    return np.frombuffer(data, element).astype(element.newbyteorder("="), copy=False).reshape(shape)


def _read_header(content: io.BufferedIOBase) -> tuple[np.dtype[Any], tuple[int, ...], bytes]:
    magic = content.read(4)
    if not magic:
        raise ValueError("the file is empty")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in ELEMENT_TYPES:
        raise ValueError(f"not an IDX file: it begins with the bytes {magic.hex(' ')}")
    if not 1 <= magic[3] <= MOST_DIMENSIONS:
        raise ValueError(f"header declares {magic[3]} dimensions, expected 1 to {MOST_DIMENSIONS}")
    sizes = content.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"the file ends within its header of {magic[3]} sizes")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    element = np.dtype(ELEMENT_TYPES[magic[2]])
    # Sizes beside a zero count too: NumPy refuses a shape whose other sizes overflow.
    if math.prod(size for size in shape if size) * element.itemsize > LARGEST_ARRAY:
        raise ValueError(f"sizes {shape} in the header are larger than any array")
    return element, shape, magic + sizes


def _read_up_to(content: io.BufferedIOBase, length: int) -> bytearray:
    data = bytearray()
    while len(data) < length:
        piece = content.read(min(PIECE, length - len(data)))
        if not piece:
            break
        data += piece
    return data


def _check_sha256(header: bytes, data: bytearray, expected: str) -> None:
    digest = hashlib.sha256(header)
    digest.update(data)
    if digest.hexdigest() != expected:
        raise ValueError(f"the content's SHA-256 is {digest.hexdigest()}, expected {expected}")
