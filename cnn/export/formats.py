"""Which formats there are, and a net written in the one that a file's suffix says."""

from __future__ import annotations

import os
from typing import Any

from ..backends import checks
from ..backends.names import meant

FORMATS = {"onnx": ".onnx", "c": ".h", "html": ".html"}  # and the suffix of each


def write(net: Any, path: str | os.PathLike[str], format: str | None = None, **options: Any) -> Any:
    """Write a net to a file; what the format's own function returns.

    Raises
    ------
    TypeError, ValueError
        A format or suffix that is none; options that the format has not; what the format's function raises.
    """
    from .. import export

    path = checks.path("path", path)
    writer = getattr(export, format_of(path, format))
    return writer(net, path, **options)


def format_of(path: str, format: str | None) -> str:
    """The format that is asked for, or that the file's suffix says; ValueError where that is none."""
    if format is not None:
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}{meant(format, FORMATS)}")
        return format
    suffix = os.path.splitext(path)[1].lower()
    for name, own in FORMATS.items():
        if suffix == own:
            return name
    known = ", ".join(f"{own} ({name})" for name, own in FORMATS.items())
    raise ValueError(f"path must end with {known}, or format must say what to write; got {path!r}")
