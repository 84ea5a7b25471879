"""Formulas of activations in C and JavaScript; what they compute is tested where they are compiled and run."""

from __future__ import annotations

from cnn.export.formulas import in_c, in_javascript
from cnn.layers.activation import Elementwise
from cnn.layers.registry import LAYERS


def test_numbers_constants_and_functions_are_those_of_c():
    formula = "x > 0 ? x : slope * (exp(x) - 1.5)"
    assert in_c(formula, {"slope": 0.25}, lambda value: f"{value}f") == "x > 0.0f ? x : 0.25f * (expf(x) - 1.5f)"


def test_every_activation_is_a_function_of_javascript():
    text = in_javascript()
    kinds = [kind for kind in LAYERS.values() if issubclass(kind, Elementwise)]
    assert len(kinds) > 6
    assert all(f"  {kind.function}: (x" in text for kind in kinds)
    assert "  leaky_relu: (x, slope) => x > 0 ? x : slope * x,\n" in text
    assert "  softplus: (x) => (x > 0 ? x : 0) + Math.log1p(Math.exp(-Math.abs(x))),\n" in text
