"""What people read: `help()` of every public class and function, and the map of the files."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import cnn
import cnn.datasets
import cnn.plot
import cnn.reference
import cnn.report

MODULES = [cnn, cnn.functional, cnn.datasets, cnn.schedules, cnn.models, cnn.plot, cnn.reference]
# What a fit calls, or hands out; users of these read the class.
NOT_ARGUMENTS = {"Callback", "Dataset", "LabelledImages"}


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
    for name, method in vars(cnn.Sequential).items():
        if inspect.isfunction(method) and not name.startswith("_"):
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


def test_every_module_stands_in_the_map():
    root = Path(__file__).parent.parent
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = [*root.glob("cnn/*.py"), *root.glob("src/cnn_c/*.py?"), *root.glob("src/cnn_c/step*.pxd")]
    folders = [path.parent for path in root.glob("cnn/*/__init__.py")]
    names = {path.name for path in files} - {"__init__.py", "__main__.py", "kernels.pyi"}
    names -= {"step_backward.pxd", "step_moments.pxd", "step_update.pxd"}  # "..." after their siblings
    assert len(names) > 30
    assert not {name for name in names | {f"cnn/{folder.name}/" for folder in folders} if f"{name}`" not in text}
