"""A program in a process of its own: what could hang or end the tests runs there."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from .programs import ALARM, TIME_LIMIT, environment


@pytest.fixture
def python(tmp_path):
    """Run a program elsewhere, so that it imports what is installed; its output, and its errors if it fails."""

    def run(*parts: str, **changes: str | None) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(map(textwrap.dedent, (ALARM, *parts)))],
            cwd=tmp_path, env=environment(**changes), capture_output=True, text=True, timeout=TIME_LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
