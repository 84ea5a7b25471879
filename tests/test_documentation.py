"""What people read: `help()` of every public class and function, and the map of the files."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import cnn
import cnn.datasets
import cnn.export
import cnn.plot
import cnn.reference
import cnn.sklearn

MODULES = [
    cnn,
    cnn.functional,
    cnn.datasets,
    cnn.export,
    cnn.schedules,
    cnn.models,
    cnn.plot,
    cnn.reference,
    cnn.sklearn,
]
# What a fit calls, or hands out; users of these read the class.
NOT_ARGUMENTS = {"Callback", "Dataset", "LabelledImages", "ScaleWarning", "Schedule", "Shard"}


def public():
    """Names and objects, those of a class's methods that it does not inherit among them."""
    for module in MODULES:
        names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
        for name in names:
            value = getattr(module, name)
            if not getattr(value, "__module__", "").startswith("cnn"):
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"{module.__name__}.{name}", value
    for name, method in inspect.getmembers(cnn.Sequential, inspect.isfunction):
        if not name.startswith("_"):
            yield f"cnn.Sequential.{name}", method


@pytest.mark.parametrize("documented", [pytest.param(value, id=name) for name, value in public()])
def test_the_docstring_names_every_argument_and_what_is_raised(documented):
    text = inspect.getdoc(documented)
    assert text
    if documented.__name__ in NOT_ARGUMENTS:
        return
    arguments = [name for name in inspect.signature(documented).parameters if name != "self"]
    if arguments:
        _, _, taken = text.partition("Parameters\n----------\n")
        named = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", taken, re.MULTILINE)
        named = {name for line in named for name in line.split(", ")}
        assert named >= set(arguments)
        assert "Raises\n------\n" in text


def test_every_folder_stands_in_the_map():
    root = Path(__file__).parent.parent
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = [path.parent.relative_to(root) for path in root.glob("cnn/*/__init__.py")]
    folders += [path.parent.relative_to(root) for path in root.glob("src/cnn_c/**/*.pxd")]
    assert len(folders) > 9
    assert not {folder for folder in folders if f"`{folder}/`" not in text}


def test_every_fault_names_a_test_that_there_is():
    root = Path(__file__).parent
    rows = [
        line for line in (root.parent / "docs" / "faults.md").read_text("utf-8").splitlines() if line.startswith("|")
    ]
    rows = [row for row in rows if not row.startswith(("|---", "| input or fault"))]
    assert len(rows) > 50
    for row in rows:
        *_, test, _ = row.split("|")
        file, _, name = test.strip().strip("`").partition("::")
        assert f"def {name}(" in (root / file).read_text("utf-8"), row


def test_every_link_of_readme_leads_to_a_file_that_there_is():
    """README is the package's page on an index, too, so its links are absolute."""
    root = Path(__file__).parent.parent
    links = re.findall(r"(?:\]\(|(?:href|src)=\")([^)\"]+)", (root / "README.md").read_text(encoding="utf-8"))
    site, files = (
        "https://cnn-c.readthedocs.io/en/latest/",
        re.compile(r"https://[\w.]+/cnn-c/cnn-c/(?:blob/)?main/(.+)"),
    )
    assert len(links) > 9
    for link in links:
        if link.startswith(site):
            page = link.removeprefix(site).partition("#")[0].removesuffix(".html")
            assert (root / "docs" / f"{page}.md").is_file(), link
        else:
            assert (root / files.fullmatch(link).group(1)).is_file(), link
