"""What mypy and pyright say of programs that use the package, as it is installed.

A line of `scripts/` that is marked by a comment `# error: ...` must be an error, and no other line may be one. Programs
that are right are those of `tests/tutorial_scripts`, of README and of pages in docs/.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cnn
import cnn.datasets
import cnn.functional
import cnn.models
import cnn.plot
import cnn.schedules

from ..fences import python_programs

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = sorted((ROOT / "tests/typing/scripts").glob("*.py"))
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("start", "training", "data", "sklearn"))]
TUTORIAL = sorted((ROOT / "tests/tutorial_scripts").glob("*.py"))
UNANNOTATED = "# mypy: allow-untyped-defs, allow-untyped-calls\n"  # the tutorial's own functions
SECONDS = 300  # until a checker counts as hanging

Errors = dict[str, dict[int, str]]  # by file and line


def _name(page: Path) -> str:
    """Of the file with a page's programs."""
    return f"page_{page.stem.lower()}.py"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder of its own for all of them, from which no checkout is found."""
    folder = tmp_path_factory.mktemp("programs")
    for script in SCRIPTS:
        shutil.copy(script, folder)
    for program in TUTORIAL:
        (folder / f"tutorial_{program.name}").write_text(UNANNOTATED + program.read_text(encoding="utf-8"))
    for page in PAGES:
        program = "\n".join(python_programs(page.read_text(encoding="utf-8")))
        (folder / _name(page)).write_text(UNANNOTATED + program)
    return folder


@pytest.fixture(scope="module")
def mypy(programs) -> Errors:
    command = ["--strict", "--config-file=", "--output=json", "--python-executable", sys.executable]
    found: Errors = {}
    for line in _output("mypy", *command, *_names(programs), folder=programs).splitlines():
        told = json.loads(line)
        if told["severity"] == "error":
            found.setdefault(told["file"], {})[told["line"]] = told["message"]
    return found


@pytest.fixture(scope="module")
def pyright(programs) -> Errors:
    command = ["--outputjson", "--pythonpath", sys.executable]
    found: Errors = {}
    for told in json.loads(_output("pyright", *command, *_names(programs), folder=programs))["generalDiagnostics"]:
        if told["severity"] == "error":
            found.setdefault(Path(told["file"]).name, {})[told["range"]["start"]["line"] + 1] = told["message"]
    return found


def _names(folder: Path) -> list[str]:
    return [path.name for path in sorted(folder.glob("*.py"))]


def _output(checker: str, *arguments: str, folder: Path) -> str:
    # An editable install is found by a hook that checkers do not run: they are told the folder of the package.
    environment = os.environ | {"PYTHONPATH": str(Path(cnn.__file__).parent.parent)}
    run = subprocess.run(
        [sys.executable, "-m", checker, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert run.returncode in (0, 1), run.stderr or run.stdout  # 1: there are errors in the programs
    return run.stdout


@pytest.fixture(params=["mypy", "pyright"])
def errors(request) -> Errors:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_errors_of_a_script_are_the_lines_that_are_marked(errors, script):
    lines = enumerate(script.read_text(encoding="utf-8").splitlines(), 1)
    marked = {number: line for number, line in lines if "# error: " in line}
    found = errors.get(script.name, {})
    assert {number: found[number] for number in found.keys() - marked.keys()} == {}
    assert {number: marked[number] for number in marked.keys() - found.keys()} == {}


@pytest.mark.parametrize("program", [*map(_name, PAGES), *(f"tutorial_{path.name}" for path in TUTORIAL)])
def test_examples_have_no_error(programs, errors, program):
    assert "import cnn" in (programs / program).read_text() or "from cnn" in (programs / program).read_text()
    assert errors.get(program, {}) == {}


def test_every_public_name_stands_in_a_script():
    words = {word for script in SCRIPTS for word in re.findall(r"\w+", script.read_text(encoding="utf-8"))}
    names = {name for module in (cnn, cnn.datasets, cnn.plot) for name in module.__all__}
    names |= {
        name
        for module in (cnn.models, cnn.schedules)
        for name, of in vars(module).items()
        if getattr(of, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    assert names - words == set()
