"""The documentation site: Sphinx, with MyST for the pages and lessons, and autodoc for the API.

    pip install '.[docs]' && sphinx-build -W --keep-going -n docs build/site

Lessons run while the site is built, with MNIST from the folder that CNN_DATA_DIR names.
"""

import inspect
import re
import sys
from importlib import import_module
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.util.logging import getLogger

import cnn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for diagrams.py

REPOSITORY = "https://github.com/cnn-c/cnn-c"
LESSON_SECONDS = 120

project = "cnn-c"
author = "the authors of cnn-c"
version = release = version_of("cnn-c")
copyright = f"{author}; MIT license"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.linkcode", "sphinx.ext.napoleon", "diagrams"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"cnn-c {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": f"{REPOSITORY}/",
    "source_branch": "main",
    "source_directory": "docs/",
}

# The pages are read on the repository's web page, too: links between them are ordinary ones, to files and headings.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4

# A lesson in which a cell raises ends the build.
nb_execution_mode = "cache"
nb_execution_timeout = LESSON_SECONDS  # of a cell; _check_times looks at the whole lesson
nb_execution_in_temp = True  # what they write does not land in the checkout
nb_execution_raise_on_error = True
nb_merge_streams = True

# Single backticks in docstrings stand for code. What an argument is, is said there in words.
default_role = "literal"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]  # as arguments: in words, which are no names of classes
python_display_short_literal_types = True

nitpick_ignore_regex = [
    # Exceptions and base classes of others, whose inventories are on the network: a build does without.
    ("py:.*", r"(\w+Error|\w+Warning|object|NamedTuple|Protocol|optuna\..*|sklearn\..*)"),
]


def linkcode_resolve(domain: str, about: dict[str, str]) -> str | None:
    """The address of an object's source in the repository."""
    if not about["module"]:
        return None
    found = import_module(about["module"])
    for name in about["fullname"].split("."):
        found = getattr(found, name, None)
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(found))
        file = Path(inspect.getsourcefile(inspect.unwrap(found))).relative_to(Path(cnn.__file__).parent.parent)
    except TypeError:  # a value
        return None
    return f"{REPOSITORY}/blob/main/{file.as_posix()}#L{first}-L{first + len(lines) - 1}"


def _to_repository(app, page: str, text: list[str]) -> None:
    """Links from a page to files outside of docs/ lead to the repository."""
    up = r"\.\./" * (page.count("/") + 1)
    text[0] = re.sub(rf"\]\({up}(\w[\w./-]*)", rf"]({REPOSITORY}/blob/main/\1", text[0])


def _check_times(app, env) -> None:
    for page, about in getattr(env, "nb_metadata", {}).items():
        seconds = about.get("exec_data", {}).get("runtime") or 0
        if seconds > LESSON_SECONDS:
            getLogger(__name__).warning("%d s is longer than a lesson may run", seconds, location=page)


def setup(app) -> None:
    app.connect("source-read", _to_repository)
    app.connect("env-check-consistency", _check_times)
