"""The pages of docs/api list every public name once, and none that there is not."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import cnn

PAGES = Path(__file__).parent.parent / "docs" / "api"
ENTRY = re.compile(r"^\.\. auto(?:class|function):: ([\w.]+)$", re.MULTILINE)
LISTED = [name for page in sorted(PAGES.glob("*.rst")) for name in ENTRY.findall(page.read_text(encoding="utf-8"))]
MODULES = ("functional", "datasets", "losses", "models", "schedules", "export", "plot", "sklearn")


def public(module):
    """Names of a module's own classes and functions."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    ]
    return {name for name in names if callable(getattr(module, name))}


def test_each_name_is_listed_once():
    assert [name for name, times in Counter(LISTED).items() if times > 1] == []


def test_every_name_of_the_package_is_listed():
    assert public(cnn) - {name.removeprefix("cnn.") for name in LISTED} == set()


@pytest.mark.parametrize("name", MODULES)
def test_every_name_of_a_module_is_listed(name):
    if name in ("plot", "sklearn"):
        pytest.importorskip({"plot": "matplotlib", "sklearn": "sklearn"}[name])
    names = public(import_module(f"cnn.{name}"))
    assert names
    assert {f"cnn.{name}.{each}" for each in names} - set(LISTED) == set()
