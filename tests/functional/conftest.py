"""Comparisons that fail show their values wherever they are written."""

import pytest

pytest.register_assert_rewrite("tests.functional.cases")
