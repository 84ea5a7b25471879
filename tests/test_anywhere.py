"""The commands and programs of docs/anywhere.md, run one after the other in one folder and one namespace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .fences import FENCES

DOCS = Path(__file__).parent.parent / "docs"
NEEDED = ("PIL", "cv2", "onnx", "onnxruntime", "torch")

pytestmark = pytest.mark.usefixtures("one_thread")


def blocks(language):
    found = FENCES.findall((DOCS / "anywhere.md").read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the page's photograph, in which all of it has been run; what each command printed."""
    for name in NEEDED:
        pytest.importorskip(name)
    path = tmp_path_factory.mktemp("anywhere")
    shutil.copy(DOCS / "page.jpg", path)
    (program,) = blocks("c")
    (path / "main.c").write_text(program, encoding="utf-8")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BROWSER": "true",  # in place of the user's
    }
    printed, namespace, before = {}, {"__name__": "anywhere"}, Path.cwd()
    os.chdir(path)
    try:
        for kind, text in FENCES.findall((DOCS / "anywhere.md").read_text(encoding="utf-8")):
            if kind == "python":
                exec(compile(text, "anywhere.md", "exec"), namespace)
            elif kind == "sh" and shutil.which(text.split()[0], path=environment["PATH"]):
                done = subprocess.run(
                    ["bash", "-c", text], env=environment, capture_output=True, text=True, timeout=300
                )
                assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
                printed[text.split()[0], text.split()[1]] = done.stdout
    finally:
        os.chdir(before)
    return path, printed, namespace


def test_the_page_has_commands_and_programs():
    assert len(blocks("sh")) == 7
    assert len(blocks("python")) == 3


def test_every_command_writes_what_the_page_says(folder):
    path, _, _ = folder
    for name in ("digits.safetensors", "digits.html", "digits.onnx", "digits.h", "main"):
        assert (path / name).stat().st_size > 1000
    assert list((path / "seen").iterdir())


def test_most_of_the_photograph_is_read(folder):
    _, printed, _ = folder
    numbers = {row.split()[1] for row in printed["cnn", "predict"].splitlines()[1:]}
    assert len(numbers & {"05", "2", "967", "5323", "3521"}) >= 3


def test_the_program_in_c_reads_a_one(folder):
    _, printed, _ = folder
    assert printed["cc", "-std=c99"] == "1\n"


def test_the_files_that_are_shown_are_there():
    text = (DOCS / "anywhere.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\(([\w./]+)\)", text)
    assert len(shown) > 5
    assert not [name for name in shown if not (DOCS / name).is_file()]
