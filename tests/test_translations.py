"""Pages in Chinese have the code of the pages that they translate, comments apart."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from .fences import FENCES

DOCS = Path(__file__).parent.parent / "docs"
INDEXES = {"lessons.md"}  # lists of pages, in the words of their language
PAGES = sorted(
    path.relative_to(DOCS / "zh")
    for path in (DOCS / "zh").rglob("*")
    if path.suffix in (".md", ".ipynb") and path.name not in INDEXES and "_build" not in path.parts
)


def without_comments(language: str, code: str) -> str:
    if language == "python":
        return ast.unparse(ast.parse(code))
    if language == "sh":
        return "\n".join(re.sub(r"\s+# .*$", "", line).rstrip() for line in code.splitlines())
    return code


def blocks(path: Path) -> list[str]:
    """The code of a page's fences, or of a notebook's cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        return [without_comments("python", "".join(cell["source"])) for cell in cells]
    return [without_comments(*fence) for fence in FENCES.findall(text)]


def original(page: Path) -> Path:
    """The page that one in Chinese translates; the README is that of the repository."""
    return DOCS.parent / page if page.name == "README.md" else DOCS / page


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_translation_has_the_code_of_its_original(page):
    expected = blocks(original(page))
    assert expected
    assert blocks(DOCS / "zh" / page) == expected


def test_the_pages_that_are_promised_in_chinese_are_there():
    assert {"README.md", "start.md"} <= {str(page) for page in PAGES}
