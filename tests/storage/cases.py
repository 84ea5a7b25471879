"""Nets to be saved, and files of them."""

from __future__ import annotations

import numpy as np

import cnn
import cnn.reference
from cnn.storage import archive
from cnn.storage import description as saving


def tiny():
    return cnn.Sequential([cnn.Rescaling(0.5), cnn.Flatten(), cnn.Dense(2)], (3, 1, 1), seed=0)


def bits(net) -> bytes:
    return b"".join(name.encode() + value.tobytes() for name, value in net.state().items())


def loaded_from(path, data: bytes):
    path.unlink(missing_ok=True)  # or some file systems would wait for the disk
    path.write_bytes(data)
    return cnn.load(path)


def refused_or_unchanged(path, data: bytes) -> bool:
    """Whether the file is refused; a net that is loaded has to be the one that was saved."""
    try:
        net = loaded_from(path, data)
    except ValueError as error:
        assert path.name in str(error)  # noqa: PT017
        return True
    assert (saving.describe(net), bits(net)) == (saving.describe(tiny()), bits(tiny()))
    return False


def crafted(path, net=None, tensors=None, more=None):
    """Load a file with a right digest: `tiny()` with other entries of its net's description, other tensors."""
    document = {"version": 1, "net": {**saving.describe(tiny()), **(net or {})}, **(more or {})}
    archive.write(path, document, tiny().state() if tensors is None else tensors)
    return cnn.load(path)


def dense(**arguments):
    return {"layers": [{"layer": "Flatten"}, {"layer": "Dense", **arguments}]}


WEIGHTS, BIAS = np.zeros((3, 2), np.float32), np.zeros(2, np.float32)
