"""An ONNX file, read with suspicion: checked by the package onnx, whole, and without files beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ...storage.regular import open_regular
from .package import onnx_package

_MOST_BYTES = 2**31 - 1  # of a protocol buffer
_MOST_NODES = 10_000


def read_model(path: str) -> Any:
    """The model in a file.

    Raises
    ------
    ValueError
        It is no model of ONNX, or one with data in other files. The message does not name the file.
    OSError
        It is missing or cannot be read.
    ImportError
        The package onnx is not installed.
    """
    package = onnx_package()
    from google.protobuf.message import DecodeError  # which onnx needs

    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise ValueError(f"it must have at most {_MOST_BYTES:,} bytes")
        data = file.read()
    try:
        model = package.load_model_from_string(data)
    except DecodeError as error:
        raise ValueError(f"it is no model of ONNX: {error}") from error
    for tensor in _tensors(model.graph):
        if tensor.data_location == package.TensorProto.EXTERNAL:
            raise ValueError(f"the data of {tensor.name!r} must be in the file itself, and not in another one")
    if len(model.graph.node) > _MOST_NODES:
        raise ValueError(f"it must have at most {_MOST_NODES:,} nodes, got {len(model.graph.node):,}")
    try:
        package.checker.check_model(model)
    except package.checker.ValidationError as error:
        raise ValueError(f"it is no valid model of ONNX: {error}") from error
    return model


def _tensors(graph: Any) -> Iterator[Any]:
    """All that a graph holds; those of graphs in it belong to nodes that no net here has."""
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))
