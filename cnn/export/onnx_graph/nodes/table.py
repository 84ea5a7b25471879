"""The table of operations, which the other files of this folder fill."""

from __future__ import annotations

from collections.abc import Callable

from ...chain.tensor import Tensor
from ..node import Node

Reader = Callable[[Node], Tensor]
NODES: dict[str, Reader] = {}


def reads(*operations: str) -> Callable[[Reader], Reader]:
    """Decorator: the function reads nodes of these operations."""

    def add(reader: Reader) -> Reader:
        NODES.update(dict.fromkeys(operations, reader))
        return reader

    return add
