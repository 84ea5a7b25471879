"""A small net's file, and where to write one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import tiny


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("tiny") / "net"
    tiny().save(path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "net.safetensors"
