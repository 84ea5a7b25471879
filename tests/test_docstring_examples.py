"""Every example in a docstring of the package runs, and prints what stands there."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import cnn

NEEDED = {"cnn.datasets.folder.load_folder": "PIL", "cnn.nets.recognition.recognise": "cv2"}
PAGES = Path(__file__).parent.parent / "docs" / "api"


def examples():
    """All docstrings with examples, by the names of what they document."""
    found = {}
    for module in pkgutil.walk_packages(cnn.__path__, "cnn."):
        if module.name.endswith("__main__"):
            continue
        try:
            for test in doctest.DocTestFinder(exclude_empty=True).find(import_module(module.name), globs={}):
                if test.examples:
                    found[test.name] = test
        except ImportError as error:  # an extra is not installed
            if "pip install 'cnn-c[" not in str(error):
                raise
    return found


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(name, tmp_path, monkeypatch):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    monkeypatch.chdir(tmp_path)
    failed, attempted = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(EXAMPLES[name])
    assert attempted > 0
    assert failed == 0


def test_pages_in_rst_do_so_too():
    failed, attempted = doctest.testfile(str(PAGES / "reference.rst"), module_relative=False)
    assert (failed, attempted) == (0, 3)


def test_what_users_begin_with_has_an_example():
    assert sum(not name.startswith("cnn.reference.") for name in EXAMPLES) >= 25
