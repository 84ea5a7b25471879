"""Convolution: `Conv2D`, `DepthwiseConv2D`, what they mean in NumPy, and how they are fused with what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

import numpy as np

from ..backends import checks, geometry
from ..backends.geometry import ConvGeometry
from ..backends.numpy.operations import Gradients, Out, numpy_operation, written
from ..backends.numpy.windows import inside, pad, padded_shape, views
from .activation import ReLU
from .base import Layer
from .batchnorm import BatchNorm
from .lowering import Lowering, constant
from .pooling import MaxPool2D
from .registry import begins_with, register
from .weighted import Activation, Weighted

if TYPE_CHECKING:
    from ..backends.annotations import Padding, Pair

__all__ = ["Conv2D", "DepthwiseConv2D"]


@numpy_operation
def conv2d_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, g: ConvGeometry) -> np.ndarray:
    y = np.zeros((len(x), *g.output_shape), w.dtype)
    if b is not None:
        y += b
    for u, v, view in views(pad(x, g, 0), g):
        for inputs, outputs in g.channels_of_groups:
            y[..., outputs] += np.tensordot(view[..., inputs], w[u, v, :, outputs], axes=1)
    return y


@numpy_operation
def conv2d_input_gradient(dy: np.ndarray, w: np.ndarray, g: ConvGeometry) -> np.ndarray:
    d_padded = np.zeros(padded_shape(len(dy), g.c_in, g), dy.dtype)
    for u, v, d_view in views(d_padded, g):
        for inputs, outputs in g.channels_of_groups:
            d_view[..., inputs] += np.tensordot(dy[..., outputs], w[u, v, :, outputs].T, axes=1)
    return inside(d_padded, g).copy()


@numpy_operation
def conv2d_weight_gradient(dy: np.ndarray, x: np.ndarray, g: ConvGeometry, out: Out | None = None) -> Gradients:
    dw = np.empty(g.kernel_shape, dy.dtype)
    for u, v, view in views(pad(x, g, 0), g):
        for inputs, outputs in g.channels_of_groups:
            axes = (0, 1, 2), (0, 1, 2)
            dw[u, v, :, outputs] = np.tensordot(view[..., inputs], dy[..., outputs], axes=axes)
    return written(dw, dy.sum(axis=(0, 1, 2)), out)


class ConvPoolGeometry(NamedTuple):
    """A convolution of stride 1, a ReLU and a 2x2 max pooling in one.

    Pitches are pixels from one row to the next, of the padded input and of the output.
    """

    h: int
    w: int
    c_in: int
    c_out: int
    kh: int
    kw: int
    ph: int
    pw: int
    oh: int
    ow: int
    x_pitch: int
    y_pitch: int
    relu: bool


class Convolution(Weighted):
    """What convolutions share. The weights are (kh, kw, c_in // groups, c_out)."""

    def __init__(
        self, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, activation: Activation, bias: bool
    ) -> None:
        super().__init__(activation, bias)
        self.kernel_size = checks.pair("kernel_size", kernel_size, minimum=1)
        self.stride = checks.pair("stride", stride, minimum=1)
        self.padding = geometry.checked_padding(padding)
        self.dilation = checks.pair("dilation", dilation, minimum=1)

    @property
    def macs(self) -> int:
        return self.geometry.macs if self.geometry else 0

    def filters_and_groups(self, channels: int) -> tuple[int, int]:
        """Output channels and groups for so many input channels."""
        raise NotImplementedError

    def infer_geometry(self, input_shape: tuple[int, ...]) -> ConvGeometry:
        if len(input_shape) != 3:
            raise ValueError(f"input_shape of {type(self).__name__} must be (h, w, c), got {input_shape}")
        filters, groups = self.filters_and_groups(input_shape[2])
        kernel_shape = (*self.kernel_size, max(input_shape[2] // groups, 1), filters)
        return geometry.conv2d(input_shape, kernel_shape, self.stride, self.padding, self.dilation, groups)

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.infer_geometry(input_shape).output_shape

    def weights_shape(self) -> tuple[int, ...]:
        return self.geometry.kernel_shape

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return self.ops.conv2d_forward(x, self.weights, self.bias, self.geometry), x

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        self.ops.conv2d_weight_gradient(dy, kept, self.geometry, self._gradients())
        return self.ops.conv2d_input_gradient(dy, self.weights, self.geometry)

    # ---- in a plan ----

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        norm = above[0] if not training and begins_with(above, BatchNorm) else None  # it becomes part of the weights
        rest = above[1:] if norm else above
        has_relu = begins_with(rest, ReLU)
        pooling = rest[has_relu:]
        fits = self.stride == (1, 1) and self.geometry.is_plain
        if fits and begins_with(pooling, MaxPool2D) and pooling[0].halves:
            layers = 1 + (norm is not None) + has_relu + 1
            lowering = self._pooled(below, pooling[0].output_shape, has_relu)._replace(layers=layers)
        else:
            lowering = Lowering("conv", 1 + (norm is not None), constant(self.geometry))
        return lowering._replace(normalisation=norm, epsilon=norm.epsilon) if norm else lowering

    def _pooled(self, below: Sequence[Layer], output_shape: tuple[int, ...], relu: bool) -> Lowering:
        """This convolution, a ReLU or not, and the pooling of what it gives to `output_shape`, in one operation."""
        g, (oh, ow, _) = self.geometry, output_shape

        def fused(x_pitch: int, y_pitch: int) -> ConvPoolGeometry:
            return ConvPoolGeometry(g.h, g.w, g.c_in, g.c_out, g.kh, g.kw, g.ph, g.pw, oh, ow, x_pitch, y_pitch, relu)

        has_gradient = any(layer.learns for layer in below)
        if g.c_in == 1 and self.kernel_size in ((3, 3), (5, 5)) and not has_gradient:
            # Lanes run over the end of a row into the next: the planes' rows, which are wider, set the pitch.
            return Lowering(
                "image conv+pool",
                geometry=lambda x, y: fused(y.pitch, y.pitch),
                least_pitch=ow + g.kw // 2,
            )
        # Of the convolution's output, 2 oh x 2 ow pixels are pooled, and no input is read beyond what these take.
        bottom, right = max(2 * oh + g.kh - 1 - g.ph - g.h, 0), max(2 * ow + g.kw - 1 - g.pw - g.w, 0)
        return Lowering(
            "conv+pool",
            geometry=lambda x, y: fused(x.pitch, y.pitch),
            frame=(g.ph, g.pw, bottom, right),
            least_pitch=0,
        )

    # ---- in other formats ----

    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The padding before and after, of the rows and of the columns."""
        g = self.geometry
        if self.padding == "same":
            rows = (g.oh - 1) * g.sh + (g.kh - 1) * g.dilation_h + 1 - g.h
            columns = (g.ow - 1) * g.sw + (g.kw - 1) * g.dilation_w + 1 - g.w
            return (g.ph, max(rows, 0) - g.ph), (g.pw, max(columns, 0) - g.pw)
        return (g.ph, g.ph), (g.pw, g.pw)

    def to_onnx(self, graph: Any) -> None:
        learned = graph.constants_of({"weights": self.weights.transpose(3, 2, 0, 1), "bias": self.bias})
        (top, bottom), (left, right) = self.sides()
        graph.add(
            "Conv",
            *learned,
            kernel_shape=self.kernel_size,
            strides=self.stride,
            pads=(top, left, bottom, right),
            dilations=self.dilation,
            group=self.geometry.groups,
        )

    def to_torch(self, modules: Any) -> None:
        g, ((top, bottom), (left, right)) = self.geometry, self.sides()
        padding = top, left
        if padding != (bottom, right):
            modules.add("ZeroPad2d", (left, right, top, bottom))
            padding = 0, 0
        modules.add(
            "Conv2d",
            g.c_in,
            g.c_out,
            self.kernel_size,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=g.groups,
            bias=self.bias is not None,
            learned={"weight": self.weights.transpose(3, 2, 0, 1), "bias": self.bias},
        )

    def to_c(self, program: Any) -> None:
        program.convolution(self.geometry, self.weights, self.bias)

    def to_page(self, page: Any) -> dict[str, Any]:
        g = self.geometry
        return {
            "kind": "conv",
            "kernel": [g.kh, g.kw],
            "stride": [g.sh, g.sw],
            "padding": [g.ph, g.pw],
            "dilation": [g.dilation_h, g.dilation_w],
            "groups": g.groups,
            "weights": page.numbers(self.weights),
            "bias": page.numbers(self.bias),
        }


@register
class Conv2D(Convolution):
    """Two-dimensional convolution (cross-correlation), channels last.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (int, int)
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)
    dilation : int or (int, int)
        Distance of neighbouring positions of the kernel in the image.
    groups : int
        Blocks of channels, each convolved by itself: the first of the filters see the first of the input's channels
        alone, and so on. The weights are (kh, kw, c_in // groups, filters).
    activation : str, activation or None
        Shorthand for the layer after this one: "relu" in a net is `ReLU()` behind the convolution.
    bias : bool

    Raises
    ------
    TypeError, ValueError
        Sizes that are no integers or too small, groups that do not divide the filters, an unknown activation; at
        `build`, a kernel larger than the padded input, groups that do not divide its channels.

    Examples
    --------
    >>> import cnn
    >>> layer = cnn.Conv2D(8, 3, padding="same").build(input_shape=(28, 28, 1))
    >>> layer.output_shape, layer.parameters["weights"].shape
    ((28, 28, 8), (3, 3, 1, 8))
    """

    def __init__(
        self,
        filters: SupportsIndex,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        padding: Padding = "valid",
        dilation: Pair = 1,
        groups: SupportsIndex = 1,
        activation: Activation = None,
        bias: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, activation, bias)
        self.filters = checks.integer("filters", filters, minimum=1)
        self.groups = checks.integer("groups", groups, minimum=1)
        if self.filters % self.groups:
            raise ValueError(f"groups must divide the {self.filters} filters, got {self.groups}")

    def filters_and_groups(self, channels: int) -> tuple[int, int]:
        return self.filters, self.groups


@register
class DepthwiseConv2D(Convolution):
    """Two-dimensional convolution of every channel by itself, channels last: `Conv2D` with a group for each channel.

    The weights are (kh, kw, 1, c * multiplier).

    Parameters
    ----------
    kernel_size : int or (int, int)
    multiplier : int
        Output channels for each input channel.
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)
    dilation : int or (int, int)
        Distance of neighbouring positions of the kernel in the image.
    activation : str, activation or None
        Shorthand for the layer after this one: "relu" in a net is `ReLU()` behind the convolution.
    bias : bool

    Raises
    ------
    TypeError, ValueError
        Sizes that are no integers or too small; at `build`, a kernel larger than the padded input.
    """

    def __init__(
        self,
        kernel_size: Pair,
        *,
        multiplier: SupportsIndex = 1,
        stride: Pair = 1,
        padding: Padding = "valid",
        dilation: Pair = 1,
        activation: Activation = None,
        bias: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, activation, bias)
        self.multiplier = checks.integer("multiplier", multiplier, minimum=1)

    def filters_and_groups(self, channels: int) -> tuple[int, int]:
        return channels * self.multiplier, channels
