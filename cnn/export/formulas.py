"""Formulas of activations, each stated once by its layer, as C and JavaScript have them.

A formula is of x and the layer's constants, by name, with numbers, + - * / < > ? : and the functions below.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping

from ..layers.activation import Elementwise
from ..layers.registry import LAYERS

_IN_C = {"abs": "fabsf", "erfc": "erfcf", "exp": "expf", "log1p": "log1pf", "tanh": "tanhf"}
_IN_JAVASCRIPT = {name: f"Math.{name}" for name in _IN_C} | {"erfc": "erfc"}
_WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?")


def in_c(formula: str, constants: Mapping[str, float], literal: Callable[[float], str]) -> str:
    """An expression of the float x; `literal` writes a number as a float of C."""

    def word(match: re.Match[str]) -> str:
        name = match[0]
        if name[0].isdigit() or name in constants:
            return literal(constants[name] if name in constants else float(name))
        return _IN_C.get(name, name)

    return _WORD.sub(word, formula)


def in_javascript() -> str:
    """An object `FUNCTIONS` of all activations by name, functions of x and the constants."""
    lines = ["// Activations by the names that the package has for them.", "const FUNCTIONS = {"]
    for kind in LAYERS.values():
        if issubclass(kind, Elementwise):
            arguments = ", ".join(["x", *inspect.signature(kind).parameters])
            expression = _WORD.sub(lambda match: _IN_JAVASCRIPT.get(match[0], match[0]), kind.formula)
            lines.append(f"  {kind.function}: ({arguments}) => {expression},")
    return "\n".join([*lines, "};\n"])
