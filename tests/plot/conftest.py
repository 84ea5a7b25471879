"""Images and labels for a small net."""

from __future__ import annotations

import numpy as np
import pytest

from .cases import CLASSES


@pytest.fixture(scope="module")
def data():
    """Images, and labels of which a net that has learned nothing gets most wrong."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(40, 6, 6), dtype=np.uint8), rng.integers(CLASSES, size=40)
