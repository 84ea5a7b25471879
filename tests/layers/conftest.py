"""The namespaces that layers come from."""

from __future__ import annotations

import pytest

import cnn
import cnn.reference


@pytest.fixture
def ns(implementation):
    """The namespace of the layers: `cnn.reference`, or `cnn` at some level."""
    return cnn.reference if implementation == "reference" else cnn


@pytest.fixture(params=["reference", "compiled"])
def either(request):
    """The namespace, at one level: for what is decided before a kernel runs."""
    return cnn.reference if request.param == "reference" else cnn
