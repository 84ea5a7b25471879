"""Shapes: what a convolution or a pooling does to a height and a width, checked once and remembered.

A geometry is a plain tuple of integers that prints readably. The compiled kernels take it as it is and trust it,
so everything that could make a size negative, zero or too large for an index is refused here.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from . import checks

if TYPE_CHECKING:
    from typing import SupportsIndex

    from .annotations import Padding, Pair, Shape

_LARGEST_SWITCH = 2**31 - 1  # positions in a pool window, which are kept as 32-bit integers
_UNHASHABLE = (list, np.ndarray)


class ConvGeometry(NamedTuple):
    """One convolution: input, kernel, stride, padding at the top and left, output, dilation, groups."""

    h: int
    w: int
    c_in: int
    c_out: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    oh: int
    ow: int
    dilation_h: int = 1
    dilation_w: int = 1
    groups: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether it has neither groups nor a dilation."""
        return self.dilation_h == self.dilation_w == self.groups == 1

    @property
    def dilation(self) -> tuple[int, int]:
        return self.dilation_h, self.dilation_w

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.h, self.w, self.c_in

    @property
    def output_shape(self) -> tuple[int, int, int]:
        return self.oh, self.ow, self.c_out

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return self.kh, self.kw, self.c_in // self.groups, self.c_out

    @property
    def channels_of_groups(self) -> list[tuple[slice, slice]]:
        """Of each group, its input channels and its output channels."""
        inputs, outputs = self.c_in // self.groups, self.c_out // self.groups
        return [
            (slice(group * inputs, (group + 1) * inputs), slice(group * outputs, (group + 1) * outputs))
            for group in range(self.groups)
        ]

    @property
    def macs(self) -> int:
        """Multiply-adds of the forward pass of one image."""
        return self.oh * self.ow * math.prod(self.kernel_shape)


class PoolGeometry(NamedTuple):
    """One pooling: input, window, stride, padding at the top and left, output."""

    h: int
    w: int
    c: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    oh: int
    ow: int

    @property
    def dilation(self) -> tuple[int, int]:
        """A window has no gaps."""
        return 1, 1

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.h, self.w, self.c

    @property
    def output_shape(self) -> tuple[int, int, int]:
        return self.oh, self.ow, self.c


def conv2d(
    input_shape: Shape,
    kernel_shape: Shape,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
) -> ConvGeometry:
    """Geometry of a convolution.

    Parameters
    ----------
    input_shape : (h, w, c_in)
    kernel_shape : (kh, kw, c_in // groups, c_out)
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)
        "same" gives ceil(h / stride) rows; where the padding is odd, the extra row goes to the bottom
        (TensorFlow's rule, and PyTorch's at stride 1).
    dilation : int or (int, int)
        Distance of neighbouring positions of the kernel; it counts as one of (kh - 1) * dilation + 1 rows.
    groups : int
        Blocks of channels, each convolved by itself.

    Raises
    ------
    TypeError, ValueError
        A size that is no integer, not positive, a kernel larger than the padded input, or groups that do not divide
        the channels of input and output.
    """
    return _conv2d(tuple(input_shape), tuple(kernel_shape), _key(stride), _key(padding), _key(dilation), _key(groups))


@lru_cache(maxsize=1024, typed=True)
def _conv2d(input_shape: Any, kernel_shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> ConvGeometry:
    h, w, c = _sizes("input", ("height", "width", "channels"), input_shape)
    kh, kw, inputs, c_out = _sizes("kernel", ("height", "width", "channels", "filters"), kernel_shape)
    groups = checks.integer("groups", groups, minimum=1)
    if c % groups or c_out % groups:
        raise ValueError(f"groups must divide the input's {c} channels and the {c_out} filters, got {groups}")
    if c != inputs * groups:
        of_groups = f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"x of shape {input_shape} has {c} channels, w of shape {kernel_shape} takes {inputs}{of_groups}"
        )
    sh, sw = checks.pair("stride", stride, minimum=1)
    dh, dw = checks.pair("dilation", dilation, minimum=1)
    padding = checked_padding(padding)
    rows, columns = (padding, padding) if isinstance(padding, str) else padding
    dilated_h, dilated_w = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    oh, ph = _output_size("height", h, dilated_h, sh, rows, _kernel(dh))
    ow, pw = _output_size("width", w, dilated_w, sw, columns, _kernel(dw))
    geometry = ConvGeometry(h, w, c, c_out, kh, kw, sh, sw, ph, pw, oh, ow, dh, dw, groups)
    # The padded input, the output gradient set apart and padded, the kernel, the output: all that C indexes.
    width = (ow - 1) * sw + 2 * dilated_w + w
    padded = ((oh - 1) * sh + 2 * dilated_h + h) * width * max(c, c_out)
    steps = sh * w * c, sw * c, dh * width * max(c, c_out), dw * max(c, c_out)
    if max(padded, kh * kw * inputs * c_out, *steps) > checks.LARGEST:
        raise ValueError(f"the sizes overflow: {geometry}")
    return geometry


def pool2d(
    input_shape: Shape,
    pool_size: Pair = 2,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> PoolGeometry:
    """Geometry of a pooling.

    Parameters
    ----------
    input_shape : (h, w, c)
    pool_size : int or (int, int)
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half the window, so that every window holds at least one element.

    Raises
    ------
    TypeError, ValueError
        A size that is no integer, not positive, or a window larger than the padded input.
    """
    return _pool2d(tuple(input_shape), _key(pool_size), _key(stride), _key(padding))


@lru_cache(maxsize=1024, typed=True)
def _pool2d(input_shape: Any, pool_size: Any, stride: Any, padding: Any) -> PoolGeometry:
    h, w, c = _sizes("input", ("height", "width", "channels"), input_shape)
    kh, kw = checks.pair("pool_size", pool_size, minimum=1)
    sh, sw = (kh, kw) if stride is None else checks.pair("stride", stride, minimum=1)
    ph, pw = checked_pool_padding(padding, (kh, kw))
    oh, _ = _output_size("height", h, kh, sh, ph, what="pool window")
    ow, _ = _output_size("width", w, kw, sw, pw, what="pool window")
    geometry = PoolGeometry(h, w, c, kh, kw, sh, sw, ph, pw, oh, ow)
    if max((h + 2 * ph) * (w + 2 * pw) * c, sh * w * c, sw * c) > checks.LARGEST or kh * kw > _LARGEST_SWITCH:
        raise ValueError(f"the sizes overflow: {geometry}")
    return geometry


def _key(value: Any) -> Any:
    """`value`, as something that can be looked up: a list or an array as a tuple."""
    return tuple(value) if isinstance(value, _UNHASHABLE) else value


def _sizes(what: str, names: tuple[str, ...], shape: tuple[Any, ...]) -> list[int]:
    if len(shape) != len(names):
        raise ValueError(f"{what} must have shape ({', '.join(names)}), got {shape}")
    return [checks.integer(f"{what} {name}", size, minimum=1) for name, size in zip(names, shape, strict=True)]


def checked_padding(padding: Padding) -> Literal["same", "valid"] | tuple[int, int]:
    """The padding of a convolution: "valid", "same" or a pair of ints."""
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f'padding must be "valid", "same", an int or a pair of ints, got {padding!r}')
        return padding
    return checks.pair("padding", padding, minimum=0)


def checked_pool_padding(padding: Any, pool_size: tuple[int, int]) -> tuple[int, int]:
    """The padding of a pooling: a pair of ints, at most half the window."""
    pair = checks.pair("padding", padding, minimum=0)
    if any(2 * p > k for p, k in zip(pair, pool_size, strict=True)):
        raise ValueError(f"padding must be at most half of pool_size {pool_size}, got {pair}")
    return pair


def _kernel(dilation: int) -> str:
    return "kernel" if dilation == 1 else f"kernel with dilation {dilation}"


def _output_size(axis: str, size: int, kernel: int, stride: int, padding: Any, what: str = "kernel") -> tuple[int, int]:
    """Output size and leading padding along one axis."""
    if padding == "same":
        out = -(-size // stride)
        return out, max((out - 1) * stride + kernel - size, 0) // 2
    if padding == "valid":
        padding = 0
    if kernel > size + 2 * padding:
        raise ValueError(
            f"{what} of {axis} {kernel} is larger than the input of {axis} {size} with padding {padding} on each side"
        )
    return (size + 2 * padding - kernel) // stride + 1, padding
