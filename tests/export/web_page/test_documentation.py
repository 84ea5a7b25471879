"""The program of the section on web pages in docs/formats.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "formats.md"


def test_the_program_of_the_page_runs(tmp_path, monkeypatch):
    section = re.search(r"^## A web page\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    (script,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, str(PAGE), "exec"), {})
    assert "<h1>A net that reads digits</h1>" in (tmp_path / "digits.html").read_text("utf-8")
