"""The code that stands between fences in pages of Markdown."""

from __future__ import annotations

import re

FENCES = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)  # language and text of each


def python_programs(markdown: str) -> list[str]:
    """The programs in Python, in order."""
    return [text for language, text in FENCES.findall(markdown) if language == "python"]
