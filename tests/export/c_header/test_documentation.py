"""The programs of the section on C in docs/formats.md, run one after the other as they stand there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .compilers import C99, build

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "formats.md"


def blocks(language: str) -> list[str]:
    section = re.search(r"^## C\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_the_programs_of_the_page_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (script,), (program,) = blocks("python"), blocks("c")
    exec(compile(script, str(PAGE), "exec"), {})
    sizes, before, after = capsys.readouterr().out.splitlines()[-3:]
    assert abs(float(before) - float(after)) < 0.01
    build(program, tmp_path / "program", "gcc", C99)
    said = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True).stdout
    assert said == f"1, by {sizes.split()[1]} bytes of RAM\n"
