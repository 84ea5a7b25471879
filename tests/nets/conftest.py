"""The backends of a net."""

from __future__ import annotations

import pytest


@pytest.fixture
def backend(implementation):
    """The backend of a net: the reference, or the compiled one at some level."""
    return "numpy" if implementation == "reference" else "compiled"


@pytest.fixture(params=["compiled", "numpy"])
def either(request):
    """The backend of a net, at one level: for what is decided before a kernel runs."""
    return request.param
