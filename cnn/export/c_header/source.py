"""`Source`: the text of a header, as it grows: kernels that are needed, functions, constants, and calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from .names import identifier, in_comment

_BYTES = {"float": 4, "int32_t": 4, "int8_t": 1, "uint8_t": 1}
_OF_A_FIELD = 4  # a number or an address, on a processor of 32 bits
_LINE = 100
_FUNCTION_OF_MATH = re.compile(r"\b[a-z0-9]+f\(")  # expf(


class Source:
    """What a header holds, of kernels in `kernels/<folder>` and `kernels/shared`.

    Attributes
    ----------
    flash : int
        Bytes of the constants so far.
    """

    def __init__(self, stem: str, folder: str) -> None:
        self.stem, self.flash = stem, 0
        self.includes = {"<limits.h>", "<stdint.h>"}
        self.kernels: dict[str, str] = {}
        self.functions: dict[str, str] = {}  # names by expression
        self.constants: list[str] = []
        self.calls: list[str] = []
        self._folders = [files(__package__).joinpath("kernels", each) for each in (folder, "shared")]
        self._names: set[str] = set()

    def function(self, name: str, expression: str) -> str:
        """The name of a function of a float x, which is that of the expression's first layer."""
        if _FUNCTION_OF_MATH.search(expression):
            self.includes.add("<math.h>")
        if expression not in self.functions:
            self.functions[expression] = self._new(name)
        return self.functions[expression]

    def array(self, kind: str, name: str, values: np.ndarray, shape: str = "") -> str:
        """A constant array of a C type; its name."""
        name = self._new(name)
        comment = f"  /* {in_comment(shape)} */" if shape else ""
        self.constants.append(
            f"static const {kind} {name}[{values.size}] = {{{comment}\n{_lines(_literals(kind, values))}\n}};\n"
        )
        self.flash += values.size * _BYTES[kind]
        return name

    def struct(self, kind: str, name: str, *fields: object) -> str:
        """A constant of the struct that the kernel file `kind` declares; its address."""
        self.need(kind)
        name = self._new(name)
        self.constants.append(f"static const {self.stem}_{kind} {name} = {{{', '.join(map(str, fields))}}};\n")
        self.flash += _OF_A_FIELD * len(fields)
        return f"&{name}"

    def call(self, kernel: str, layers: Sequence[str], *arguments: object) -> None:
        """A call of a kernel, with the layers that it computes as a comment."""
        self.need(kernel)
        self.calls.append(f"    /* {in_comment(', '.join(layers))} */\n")
        self.calls.append(f"    {self.stem}_{kernel}({', '.join(map(str, arguments))});\n")

    def need(self, kernel: str) -> None:
        """Let a kernel be in the header, behind those whose names it holds."""
        if kernel in self.kernels:
            return
        text = self._read(kernel)
        assert text is not None, kernel
        lines = text.splitlines(keepends=True)
        self.includes.update(line.split()[1] for line in lines if line.startswith("#include"))
        for name in re.findall(r"\bSTEM_(\w+)", text):
            if name != kernel and self._read(name) is not None:
                self.need(name)
        text = "".join(line for line in lines if not line.startswith("#include"))
        self.kernels[kernel] = re.sub(r"\bSTEM_", f"{self.stem}_", text)

    def _read(self, kernel: str) -> str | None:
        for folder in self._folders:
            file = folder.joinpath(f"{kernel}.c.in")
            if file.is_file():
                return file.read_text(encoding="utf-8")
        return None

    def _new(self, name: str) -> str:
        """A name of the header's own: several operations may come of one layer."""
        base = f"{self.stem}_{identifier(name)}"
        numbered = (base if i == 1 else f"{base}_{i}" for i in range(1, len(self._names) + 2))
        name = next(each for each in numbered if each not in self._names)
        self._names.add(name)
        return name


def number(value: float) -> str:
    """A float32 in C, in as few digits as give it back."""
    return _literals("float", np.asarray([value]))[0]


def _literals(kind: str, values: np.ndarray) -> list[str]:
    if kind == "float":
        return [f"{each}f" for each in values.astype(np.float32).ravel().astype(str).tolist()]
    return list(map(str, values.ravel().tolist()))


def _lines(literals: Sequence[str]) -> str:
    """So many on each line as fit even if all were as long as the longest one."""
    count = max(_LINE // (max(map(len, literals)) + 2), 1)
    return ",\n".join("    " + ", ".join(literals[i : i + count]) for i in range(0, len(literals), count))
