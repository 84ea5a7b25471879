"""The page's files joined into one, which nothing can make fetch anything."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from ..formulas import in_javascript

# In an order in which each file's constants stand before those that are made of them.
SCRIPTS = (
    "elements.js",
    "colours.js",
    "layers.js",
    "net.js",
    "layout.js",
    "words.js",
    "panel.js",
    "explain.js",
    "maps.js",
    "tiles.js",
    "pad.js",
    "bars.js",
    "examples.js",
    "main.js",
)


def joined(data: dict[str, Any], title: str, summary: str) -> str:
    """The page with its data."""
    script = "\n".join(["", in_javascript(), *map(_text, SCRIPTS)])
    style = "\n" + _text("page.css")
    sources = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}"
    return Template(_text("page.html")).substitute(
        policy=f"{sources}; base-uri 'none'; form-action 'none'",
        title=escape(title),
        summary=escape(summary),
        style=style,
        script=script,
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """By which the page's policy knows its own script and style: no other runs."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
