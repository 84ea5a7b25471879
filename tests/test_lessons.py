"""The notebooks of docs/lessons: their form, their links, and that they run from the first cell to the last.

The site's build executes them, too; here the programs of the answers are run as well.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from .fences import python_programs

DOCS = Path(__file__).parent.parent / "docs"
LESSONS = sorted([*DOCS.glob("lessons/*.ipynb"), *DOCS.glob("zh/lessons/*.ipynb")])
LINKS = re.compile(r"\]\(([^)#:]+)\)")
LONGEST = 15  # lines of a cell, to be read at one glance

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: str(path.relative_to(DOCS)))


def read(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook, [(cell, "".join(cell["source"])) for cell in notebook["cells"]]


def test_there_are_five_and_one_in_chinese():
    assert [path.stem[0] for path in LESSONS] == [*"12345", "1"]


@each_lesson
def test_the_form_is_one_whose_differences_read_well(path):
    notebook, cells = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    names = [cell["id"] for cell, _ in cells]
    assert len(set(names)) == len(names)
    for cell, text in cells:
        assert cell["source"] == text.splitlines(keepends=True)
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            assert text.count("\n") < LONGEST, cell["id"]


@each_lesson
def test_what_a_lesson_links_to_is_there(path):
    _, cells = read(path)
    links = [link for cell, text in cells if cell["cell_type"] == "markdown" for link in LINKS.findall(text)]
    assert links
    assert not [link for link in links if not (path.parent / link).is_file()]


@pytest.mark.slow
@pytest.mark.usefixtures("mnist_dataset")
@each_lesson
def test_a_lesson_and_its_answers_run(path, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("cv2")
    matplotlib.use("agg")
    monkeypatch.setenv("CNN_DATA_DIR", str(Path(os.environ["CNN_DATA_DIR"]).absolute()))
    monkeypatch.chdir(tmp_path)
    namespace, answers = {"__name__": "__main__"}, []
    for cell, text in read(path)[1]:
        if cell["cell_type"] == "code":
            exec(compile(text, cell["id"], "exec"), namespace)
        else:
            answers += python_programs(text)
    for program in answers:
        exec(compile(program, "answer", "exec"), namespace)
    namespace["plt"].close("all")
