"""The package onnx, imported when it is needed."""

from __future__ import annotations

from typing import Any


def onnx_package() -> Any:
    """The module `onnx`; ImportError that says how it is installed."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("ONNX files need the package onnx: pip install 'cnn-c[onnx]'") from error
    return onnx
