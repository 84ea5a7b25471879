"""What changes no number: reshapes, transposes, zeros around a map; and the shapes that a `forward` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...chain import layers, shapes
from ...chain.tensor import Tensor

ANY_BATCH = 2**61 - 1  # the images of a batch, in shapes that a module computes


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    if start_dim != 1 or end_dim % (len(x.axes) + 1) != len(x.axes):
        raise ValueError(f"it must flatten all axes but the batch's (start_dim=1), got {start_dim} to {end_dim}")
    return shapes.flatten(x)


def reshape(x: Tensor, *sizes: Any) -> Tensor:
    wanted = [int(size) for size in (sizes[0] if isinstance(sizes[0], Sequence) else sizes)]
    if wanted[:1] == [-1] and -1 not in wanted[1:]:
        wanted[0] = ANY_BATCH
    if len(wanted) < 2 or wanted[0] != ANY_BATCH:
        raise ValueError(f"the batch must stay the first axis, got the shape {wanted}")
    return shapes.reshape(x, wanted[1:])


def permute(x: Tensor, *dims: Any) -> Tensor:
    axes = dims[0] if isinstance(dims[0], Sequence) else dims
    return shapes.transpose(x, [axis % len(axes) for axis in axes])


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    axes = list(range(len(x.axes) + 1))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return shapes.transpose(x, axes)


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    count = len(x.axes) + 1
    given = range(1, count) if dim is None else [dim] if isinstance(dim, int) else dim
    removed = {axis % count for axis in given}
    return shapes.reshape(x, [size for i, size in enumerate(x.sizes, 1) if i not in removed or size > 1])


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    sizes = [ANY_BATCH, *x.sizes]
    sizes.insert(dim % (len(sizes) + 1), 1)
    return reshape(x, sizes)


def size(x: Tensor, dim: int | None = None) -> Any:
    sizes = (ANY_BATCH, *x.sizes)
    return sizes if dim is None else sizes[dim]


def attribute(x: Tensor, name: str) -> Any:
    if name != "shape":
        raise ValueError(f"an attribute of a tensor must be its shape, got {name!r}")
    return size(x)


def pad(x: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    sides = [int(each) for each in pad] + [0] * (4 - len(pad))
    if mode != "constant" or value or len(sides) != 4 or min(sides) < 0:
        raise ValueError(f"it must put zeros around maps, got pad={pad}, mode={mode!r}, value={value}")
    left, right, top, bottom = sides
    return layers.zeros(x, ((top, bottom), (left, right)))
