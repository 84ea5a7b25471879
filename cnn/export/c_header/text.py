"""`Header`, what is known of a header that was written, and its text from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...backends import checks
from .evaluation import batches
from .names import in_comment
from .source import Source

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_ENOUGH = '#if INT_MAX < 2147483647\n#error "sizes of this net need an int of 32 bits"\n#endif\n'
_ELEMENTS = {"float32": ("float", 4), "int8": ("int8_t", 1)}  # of the arena: type and bytes


@dataclass(frozen=True)
class Header:
    """A header that was written.

    Attributes
    ----------
    stem : str
        What all names in it begin with.
    dtype : "float32" or "int8"
    flash : int
        Bytes of its constants, the code not counted: its macro STEM_FLASH.
    ram : int
        Bytes of its memory for activations, the stack not counted: its macro STEM_RAM.
    """

    stem: str
    dtype: str
    flash: int
    ram: int
    input_shape: tuple[int, ...]
    outputs: int
    rows: Callable[[np.ndarray], np.ndarray] = field(repr=False)  # outputs of a batch of rows of float32

    def predict_logits(self, images: ArrayLike) -> NDArray[np.float32]:
        """What the header computes for images (n, *input_shape), float32 (n, outputs).

        In int8 by the same integer arithmetic, bit for bit; in float32 up to rounding, for sums are in another order.

        Raises
        ------
        TypeError, ValueError
            What are no images of the net.
        """
        images = checks.images("images", images, self.input_shape)
        parts = [self.rows(part) for part in batches(images)]
        return np.concatenate(parts) if parts else np.empty((0, self.outputs), np.float32)


def text(source: Source, header: Header, net: Any) -> str:
    """The header: what it is, macros, kernels, functions, constants, memory, and the one function for others."""
    name = source.stem
    source.need("argmax")
    parts = [
        _about(header, net),
        f"#ifndef {name}_H\n#define {name}_H\n",
        "".join(f"#include {each}\n" for each in sorted(source.includes)),
        _ENOUGH,
        _macros(header),
        *source.kernels.values(),
        *(_function(each, expression) for expression, each in source.functions.items()),
        *source.constants,
        _arena(header),
        _predict(source),
        f"#endif /* {name}_H */\n",
    ]
    return "\n".join(part for part in parts if part)


def _about(header: Header, net: Any) -> str:
    """What a reader of the file has to know to use it."""
    shape, images = " x ".join(map(str, header.input_shape)), net.image_range
    trained = f", from {images.minimum:g} to {images.maximum:g} when the net was trained" if images else ""
    classes = f"\n\n   The outputs are {', '.join(map(in_comment, net.classes))}." if net.classes else ""
    return (
        f"/* A net in C, {header.dtype}, written by cnn.export.c.\n\n"
        f"   int {header.stem}_predict(const float *image, float *logits)\n\n"
        f"   image holds {shape} numbers: rows, their pixels, the channels of each{trained}.\n"
        f"   logits takes {header.outputs}. It returns the number of the largest one, the first of equal ones.\n"
        "   What it computes it keeps in memory of its own: one call at a time."
        f"{classes} */"
    )


def _macros(header: Header) -> str:
    size = int(np.prod(header.input_shape))
    numbers = {"INPUT": (size, "numbers of an image"), "OUTPUT": (header.outputs, "logits")}
    numbers |= {"RAM": (header.ram, "bytes of memory"), "FLASH": (header.flash, "bytes of constants")}
    return "".join(f"#define {header.stem}_{key} {n} /* {what} */\n" for key, (n, what) in numbers.items())


def _function(name: str, expression: str) -> str:
    return f"static inline float {name}(float x)\n{{\n    return {expression};\n}}\n"


def _arena(header: Header) -> str:
    kind, bytes_each = _ELEMENTS[header.dtype]
    return f"static {kind} {header.stem}_arena[{header.ram // bytes_each}];\n" if header.ram else ""


def _predict(source: Source) -> str:
    head = f"static inline int {source.stem}_predict(const float *image, float *logits)"
    return f"{head}\n{{\n{''.join(source.calls)}    return {source.stem}_argmax(logits, {source.stem}_OUTPUT);\n}}\n"
