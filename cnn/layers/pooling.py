"""Pooling: windows over a map, each reduced to one value a channel.

`MaxPool2D`, `AvgPool2D`; `GlobalMaxPool2D`, `GlobalAvgPool2D`, whose window is the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..backends import checks, geometry
from ..backends.geometry import PoolGeometry
from ..backends.numpy.operations import numpy_operation
from ..backends.numpy.windows import inside, pad, padded_shape, views
from .base import Layer
from .lowering import Lowering, constant
from .registry import register

if TYPE_CHECKING:
    from ..backends.annotations import Pair

__all__ = ["AvgPool2D", "GlobalAvgPool2D", "GlobalMaxPool2D", "MaxPool2D"]

# ---- maximum -----------------------------------------------------------------------------------------------


@numpy_operation
def maxpool2d_forward(x: np.ndarray, g: PoolGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The maxima, and the argmax of every window: row * kw + column, counted in the window."""
    y = np.full((len(x), *g.output_shape), -np.inf, x.dtype)
    argmax = np.full(y.shape, -1, np.int32)
    padded = pad(x, g, -np.inf)
    in_image = pad(np.ones((1, g.h, g.w, 1), bool), g, False)
    for (u, v, view), (_, _, candidates) in zip(views(padded, g), views(in_image, g), strict=True):
        larger = (view > y) | (np.isnan(view) & ~np.isnan(y))
        wins = candidates & (larger | (argmax < 0))
        np.copyto(y, view, where=wins)
        argmax[wins] = u * g.kw + v
    return y, argmax


@numpy_operation
def maxpool2d_backward(dy: np.ndarray, argmax: np.ndarray, g: PoolGeometry) -> np.ndarray:
    d_padded = np.zeros(padded_shape(len(dy), g.c, g), dy.dtype)
    for u, v, d_view in views(d_padded, g):
        d_view += np.where(argmax == u * g.kw + v, dy, 0)
    return inside(d_padded, g).copy()


@numpy_operation
def maxpool2d_backward_ties(dy: np.ndarray, x: np.ndarray, y: np.ndarray, g: PoolGeometry) -> np.ndarray:
    padded = pad(x, g, -np.inf)
    d_padded = np.zeros_like(padded)
    for (_, _, view), (_, _, d_view) in zip(views(padded, g), views(d_padded, g), strict=True):
        d_view += np.where(view == y, dy, 0)
    return inside(d_padded, g).copy()


class Pool(Layer):
    """What poolings share."""

    def __init__(self, pool_size: Pair, stride: Pair | None, padding: Pair) -> None:
        super().__init__()
        self.pool_size = checks.pair("pool_size", pool_size, minimum=1)
        self.stride = self.pool_size if stride is None else checks.pair("stride", stride, minimum=1)
        self.padding = geometry.checked_pool_padding(padding, self.pool_size)

    def infer_geometry(self, input_shape: tuple[int, ...]) -> PoolGeometry:
        if len(input_shape) != 3:
            raise ValueError(f"input_shape of {type(self).__name__} must be (h, w, c), got {input_shape}")
        return geometry.pool2d(input_shape, self.pool_size, self.stride, self.padding)

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.infer_geometry(input_shape).output_shape


@register
class MaxPool2D(Pool):
    """Maximum of every window.

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half of `pool_size`.
    ties : "first" or "all"
        Who takes the gradient of a window with several equal maxima: the first in row order (PyTorch's rule), or
        every one (the tutorial's).

    Raises
    ------
    TypeError, ValueError
        Bad sizes; at `build`, a window larger than the padded input.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> layer = cnn.MaxPool2D(2).build(input_shape=(2, 4, 1))
    >>> layer.forward(np.array([[1, 2, 5, 6], [3, 4, 7, 8]]).reshape(1, 2, 4, 1)).ravel()
    array([4., 8.], dtype=float32)
    """

    def __init__(
        self,
        pool_size: Pair = 2,
        *,
        stride: Pair | None = None,
        padding: Pair = 0,
        ties: Literal["first", "all"] = "first",
    ) -> None:
        super().__init__(pool_size, stride, padding)
        if ties not in ("first", "all"):
            raise ValueError(f'ties must be "first" or "all", got {ties!r}')
        self.ties = ties

    @property
    def halves(self) -> bool:
        """Whether it takes windows of 2x2 that touch, with one maximum each, as an operation fused with it does."""
        return self.pool_size == self.stride == (2, 2) and self.padding == (0, 0) and self.ties == "first"

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        y, argmax = self.ops.maxpool2d_forward(x, self.geometry)
        return y, argmax if self.ties == "first" else (x, y)

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        if self.ties == "first":
            return self.ops.maxpool2d_backward(dy, kept, self.geometry)
        return self.ops.maxpool2d_backward_ties(dy, *kept, self.geometry)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        geometry = constant(self.geometry)
        if self.ties == "all":
            return Lowering("maxpool, ties", geometry=geometry)
        return Lowering("maxpool", geometry=geometry)

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("MaxPool", kernel_shape=self.pool_size, strides=self.stride, pads=self.padding * 2)

    def to_torch(self, modules: Any) -> None:
        modules.add("MaxPool2d", self.pool_size, self.stride, self.padding)

    def to_c(self, program: Any) -> None:
        program.max_pool(self.geometry)

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "maxpool", **_window(self.geometry)}


# ---- mean --------------------------------------------------------------------------------------------------


@numpy_operation
def avgpool2d_forward(x: np.ndarray, g: PoolGeometry) -> np.ndarray:
    total = np.zeros((len(x), *g.output_shape), x.dtype)
    for _, _, view in views(pad(x, g, 0), g):
        total += view
    return total * _shares(g, x.dtype)


@numpy_operation
def avgpool2d_backward(dy: np.ndarray, g: PoolGeometry) -> np.ndarray:
    d_padded = np.zeros(padded_shape(len(dy), g.c, g), dy.dtype)
    shares = dy * _shares(g, dy.dtype)
    for _, _, d_view in views(d_padded, g):
        d_view += shares
    return inside(d_padded, g).copy()


def _shares(g: PoolGeometry, dtype: np.dtype) -> np.ndarray:
    """One over the number of the image's pixels in each window, (1, oh, ow, 1)."""
    in_image = pad(np.ones((1, g.h, g.w, 1), dtype), g, 0)
    counts = np.zeros((1, g.oh, g.ow, 1), dtype)
    for _, _, view in views(in_image, g):
        counts += view
    return 1 / counts


@register
class AvgPool2D(Pool):
    """Mean of every window; of its elements inside the image, where it reaches into the padding (ONNX's default).

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half of `pool_size`.

    Raises
    ------
    TypeError, ValueError
        Bad sizes; at `build`, a window larger than the padded input.
    """

    def __init__(self, pool_size: Pair = 2, *, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__(pool_size, stride, padding)

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return self.ops.avgpool2d_forward(x, self.geometry), None

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return self.ops.avgpool2d_backward(dy, self.geometry)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        return Lowering("avgpool", geometry=constant(self.geometry))

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        sizes = {"kernel_shape": self.pool_size, "strides": self.stride, "pads": self.padding * 2}
        graph.add("AveragePool", **sizes, count_include_pad=0)

    def to_torch(self, modules: Any) -> None:
        modules.add("AvgPool2d", self.pool_size, self.stride, self.padding, count_include_pad=False)

    def to_c(self, program: Any) -> None:
        program.avg_pool(self.geometry)

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "avgpool", **_window(self.geometry)}


# ---- of the whole map --------------------------------------------------------------------------------------


class GlobalPool(Layer):
    """What poolings of a whole map share: their one window is the map, (h, w, c) to (c,)."""

    def infer_geometry(self, input_shape: tuple[int, ...]) -> PoolGeometry:
        if len(input_shape) != 3:
            raise ValueError(f"input_shape of {type(self).__name__} must be (h, w, c), got {input_shape}")
        return geometry.pool2d(input_shape, input_shape[:2])

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.infer_geometry(input_shape).output_shape[2:]

    def _as_map(self, dy: np.ndarray) -> np.ndarray:
        return dy.reshape(len(dy), *self.geometry.output_shape)


@register
class GlobalMaxPool2D(GlobalPool):
    """Maximum of every channel over the whole map: (h, w, c) to (c,). Of equal ones, the first takes the gradient."""

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        y, argmax = self.ops.maxpool2d_forward(x, self.geometry)
        return y.reshape(len(x), *self.output_shape), argmax

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return self.ops.maxpool2d_backward(self._as_map(dy), kept, self.geometry)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        return Lowering("maxpool", geometry=constant(self.geometry), label="global maxpool")

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("GlobalMaxPool")
        graph.add("Flatten", axis=1)

    def to_torch(self, modules: Any) -> None:
        modules.add("AdaptiveMaxPool2d", 1)
        modules.add("Flatten")

    def to_c(self, program: Any) -> None:
        program.max_pool(self.geometry)

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "maxpool", **_window(self.geometry)}


@register
class GlobalAvgPool2D(GlobalPool):
    """Mean of every channel over the whole map: (h, w, c) to (c,)."""

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return self.ops.avgpool2d_forward(x, self.geometry).reshape(len(x), *self.output_shape), None

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return self.ops.avgpool2d_backward(self._as_map(dy), self.geometry)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        return Lowering("avgpool", geometry=constant(self.geometry), label="global avgpool")

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("GlobalAveragePool")
        graph.add("Flatten", axis=1)

    def to_torch(self, modules: Any) -> None:
        modules.add("AdaptiveAvgPool2d", 1)
        modules.add("Flatten")

    def to_c(self, program: Any) -> None:
        program.avg_pool(self.geometry)

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "avgpool", **_window(self.geometry)}


def _window(g: PoolGeometry) -> dict[str, Any]:
    """Of a pooling, as a page takes it."""
    return {"kernel": [g.kh, g.kw], "stride": [g.sh, g.sw], "padding": [g.ph, g.pw], "map": [g.oh, g.ow]}
