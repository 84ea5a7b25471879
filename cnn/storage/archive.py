"""Named arrays and a document of JSON in one file, in the format safetensors: written whole, and read with suspicion.

A digest in the document covers all of it and every array, so that no flipped bit passes for another net. Nothing in
such a file can be executed, and nothing is read that its header does not account for.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from .atomic import write_atomically
from .regular import open_regular

LARGEST_HEADER = 1 << 24  # bytes; that of a net has a few thousand
_MOST_AXES = 8
_TEXT = "cnn-c"  # the name of the document among the metadata
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "I64": np.dtype(np.int64),
}


def write(path: str | os.PathLike[str], document: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write the file; see `atomic.write_atomically` for what is raised.

    Raises
    ------
    TypeError
        An array that is not of float32, float64 or int64.
    """
    from safetensors.numpy import save

    # The library takes the memory as it lies, so transposed views are copied. (Not by ascontiguousarray, which makes
    # rows of scalars.)
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    for name, value in arrays.items():
        if value.dtype not in _DTYPES.values():
            raise TypeError(f"{name} must be of float32, float64 or int64, to be saved, got {value.dtype}")
    # One text, because the library writes several in an order that changes from run to run.
    text = json.dumps({**document, "sha256": _digest(document, arrays)})
    data = save(arrays, {_TEXT: text})
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER:
        raise ValueError(f"the net's description must have at most {LARGEST_HEADER:,} bytes to be saved")
    write_atomically(path, data)


class Archive:
    """A file that `write` wrote, open for reading; a context manager.

    Attributes
    ----------
    document : dict
    shapes : dict of str to tuple of int
        Of the arrays, as the header declares them; their bytes are in the file, and not yet read.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    ValueError
        It is none of this format, or damaged. The message does not name the file.
    """

    def __init__(self, path: str) -> None:
        self._file = open_regular(path)  # closed by __exit__
        try:
            size = os.fstat(self._file.fileno()).st_size
            header = _read_header(self._file, size)
            self.document, self.shapes = _parse(header, size - 8 - len(header))
            self._sha256 = self.document.pop("sha256", None)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def tensors(self) -> dict[str, np.ndarray]:
        """All arrays, read and compared with the digest."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        self._file.seek(0)
        try:
            tensors = load(self._file.read())
        except SafetensorError as error:
            raise ValueError(f"the tensors do not fit the file: {error}") from error
        if _digest(self.document, tensors) != self._sha256:
            raise ValueError("it has been damaged or changed: its content is not that of its digest")
        if {name: tensor.shape for name, tensor in tensors.items()} != self.shapes:
            raise ValueError("its header can be read in two ways")
        return tensors


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Let errors in what the file holds name the file; they may quote all of it."""
    try:
        yield
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path!r} cannot be loaded: {str(error)[:500]}") from error


@contextmanager
def opened(path: str) -> Iterator[Archive]:
    """The file, open; errors in what it holds name it."""
    with reading(path), Archive(path) as file:
        yield file


def _digest(document: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of everything, in an order that does not depend on the file's."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, tensor.dtype.name, tensor.shape]).encode())
        digest.update(tensor.data if tensor.size else b"")
    return digest.hexdigest()


def _read_header(file: BinaryIO, size: int) -> bytes:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) == 8 and 2 <= length <= min(size - 8, LARGEST_HEADER):
        return file.read(length)
    if start[:1] == b"\x80" or start[:2] == b"PK":
        raise ValueError("it begins like a pickle or a zip archive, which is never unpacked here")
    raise ValueError(f"it has {size:,} bytes, and no header of safetensors that fits in")


def _parse(header: bytes, size: int) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """The document, and shapes of the tensors, which have to take the `size` bytes after the header."""
    entries = mapping("the header", _parse_json(str(header, "utf-8")))
    texts = mapping("__metadata__", entries.pop("__metadata__", None))
    if texts.keys() != {_TEXT} or not isinstance(texts[_TEXT], str):
        raise ValueError(f"its __metadata__ must be a text of {_TEXT}, got {texts}")
    document = mapping(_TEXT, _parse_json(texts[_TEXT]))
    shapes: dict[str, tuple[int, ...]] = {}
    declared = 0
    for name, entry in entries.items():
        dtype = mapping(f"tensor {name!r}", entry).get("dtype")
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise ValueError(f"the dtype of {name!r} must be one of {', '.join(_DTYPES)}, got {dtype!r}")
        shapes[name] = sizes(f"the shape of {name!r}", entry.get("shape"))
        declared += math.prod(shapes[name]) * _DTYPES[dtype].itemsize
    if declared != size:
        raise ValueError(f"its tensors take {declared:,} bytes, but it has {size:,} for them")
    return document, shapes


# ---- JSON of which nothing is taken on trust -----------------------------------------------------------------


def _parse_json(text: str) -> Any:
    """What `text` says in JSON, in which no name may stand twice; ValueError or RecursionError."""
    return json.loads(text, object_pairs_hook=_without_doubles)


def mapping(name: str, value: Any) -> dict[str, Any]:
    """`value` if it is an object of JSON, else ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object of JSON, got {type(value).__name__}")
    return value


def sizes(name: str, value: Any) -> tuple[int, ...]:
    """`value` if it is a list of sizes, as a shape; else ValueError."""
    if not isinstance(value, list) or len(value) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in value):
        raise ValueError(f"{name} must be a list of at most {_MOST_AXES} sizes, got {value!r}")
    return tuple(value)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError(f"a name stands twice among {', '.join(name for name, _ in pairs)[:200]}")
    return result
