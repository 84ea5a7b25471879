"""`c`: a net written as one C header."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...backends import checks
from ...storage.atomic import write_atomically
from ..layers import at_one_moment
from . import float32, int8
from .arena import arena
from .evaluation import Floats
from .folding import folded, stages
from .integers import Integers
from .names import stem
from .program import Operation, Program, Tensor
from .quantisation import quantised
from .source import Source
from .text import Header, text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_LARGEST = 2**31 - 1  # bytes of an array that C's int can count


def c(
    net: Any,
    path: str | os.PathLike[str],
    dtype: Literal["float32", "int8"] = "float32",
    calibration: ArrayLike | None = None,
) -> Header:
    """Write a net as one C header without dependencies, for a microcontroller.

    It declares ``int STEM_predict(const float *image, float *logits)``, which returns the number of the largest output,
    and the macros STEM_INPUT and STEM_OUTPUT, how many numbers an image and the outputs have, STEM_RAM and STEM_FLASH,
    bytes. STEM is the file's name without its suffix, as a C identifier. The image is (h, w, c), as the net takes it.

    Parameters
    ----------
    net : Sequential
        One of float64 is written in float32.
    path : str or pathlib.Path
        An old file is replaced in one moment.
    dtype : "float32" or "int8"
        int8 stands for weights and activations in integers of eight bits: a quarter of the memory.
    calibration : array (n, *input_shape) or None
        For int8, and only for that: some hundred images as the net was trained with, whose activations say which
        numbers the integers stand for.

    Returns
    -------
    Header
        Its memory, and `predict_logits`, by which its accuracy is measured:
        ``net.evaluate_logits(header.predict_logits(x), y)``.

    Raises
    ------
    TypeError, ValueError
        A dtype or calibration that is none; a layer that cannot be written, which is named; weights or activations
        that are not finite; a net too large for C's int.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import cnn
    >>> header = cnn.export.c(cnn.models.lenet5(seed=0), "digits.h")
    >>> header.ram, header.flash  # bytes
    (4480, 177912)
    """
    path, net = checks.path("path", path), at_one_moment(net)
    images = _checked_calibration(net, dtype, calibration)
    program = Program(math.prod(net.input_shape))
    program.write(net.layers)
    operations, source = folded(program), Source(stem(path), dtype)
    if images is None:
        ram, rows = _write_float32(source, operations, program.image), Floats(operations, program.image).outputs
    else:
        integers = quantised(operations, program.image, images)
        ram, rows = _write_int8(source, integers), integers.outputs
    if max(4 * program.image.size, ram, source.flash) > _LARGEST:
        raise ValueError(f"the net is too large for C's int: {ram} bytes of memory, {source.flash} of constants")
    header = Header(source.stem, dtype, source.flash, ram, tuple(net.input_shape), net.output_shape[0], rows)
    write_atomically(path, text(source, header, net).encode("ascii"))
    return header


def _checked_calibration(net: Any, dtype: str, calibration: ArrayLike | None) -> np.ndarray | None:
    """Images for int8, None for float32; what else is given is refused."""
    if dtype not in ("float32", "int8"):
        raise ValueError(f'dtype must be "float32" or "int8", got {dtype!r}')
    if dtype == "float32":
        if calibration is not None:
            raise ValueError('calibration must be None for dtype "float32", which needs none, got an array')
        return None
    if calibration is None:
        raise ValueError(
            'calibration must be images for dtype "int8": some hundred as the net was trained with, got None'
        )
    images = checks.images("calibration", calibration, net.input_shape)
    if not len(images):
        raise ValueError("calibration must hold at least one image, got none")
    low, high = float(images.min()), float(images.max())
    if net.image_range is not None and net.image_range.differs_plainly(low, high):
        raise ValueError(
            f"calibration must be on the scale that the net was fitted on, {net.image_range}, got {low:g} to {high:g}"
        )
    return images


def _write_float32(source: Source, operations: Sequence[Operation], image: Tensor) -> int:
    """The calls, and the bytes of the arena."""
    calls = stages(operations)
    offsets, size = arena(calls, None)
    ends = {image: "image", calls[-1][-1].output: "logits"}
    float32.write_calls(source, calls, _places(source, offsets) | ends)
    return 4 * size


def _write_int8(source: Source, integers: Integers) -> int:
    """The calls, and the bytes of the arena, in which the image lies as integers."""
    steps = {each.operation: each for each in integers.steps}
    calls = stages([*steps])
    offsets, size = arena(calls, integers.image)
    places = _places(source, offsets) | {calls[-1][-1].output: "logits"}
    int8.write_calls(source, integers, [[steps[each] for each in call] for call in calls], places)
    return size


def _places(source: Source, offsets: Mapping[Tensor, int]) -> dict[Tensor, str]:
    return {tensor: f"{source.stem}_arena + {offset}" for tensor, offset in offsets.items()}
