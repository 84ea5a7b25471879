"""Files that hold no net are refused, and nothing of them is executed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import cnn
import cnn.reference

from .cases import loaded_from

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_file_that_is_missing_is_not_found(path):
    with pytest.raises(FileNotFoundError, match=r"net\.safetensors"):
        cnn.load(path)


def test_a_folder_is_no_net(tmp_path):
    with pytest.raises(IsADirectoryError):
        cnn.load(tmp_path)


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_what_would_never_end_is_not_read(tmp_path, name):
    if name == "pipe":
        os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="no regular file"):
        cnn.load(tmp_path / name)


class Harmful:
    """Unpickled, it would be noticed."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, weights=np.zeros(3))
    return file.getvalue()


def zipped_pickle() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Harmful()))
    return file.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_unpickled(path, protocol):
    with pytest.raises(ValueError, match=r"net\.safetensors"):
        loaded_from(path, pickle.dumps(Harmful(), protocol))


@pytest.mark.parametrize("data", [pickle.dumps(Harmful()), zipped_pickle(), npz()])
def test_an_error_says_that_nothing_is_unpacked(path, data):
    with pytest.raises(ValueError, match="never unpacked"):
        loaded_from(path, data)


OTHERS = [b"", b"\0", b"x" * 7, b"\0" * 8, b"x" * 1000, b"{}", b"\x89PNG\r\n\x1a\n" + b"x" * 100]


@pytest.mark.parametrize("data", OTHERS)
def test_bytes_of_another_kind_are_refused(path, data):
    with pytest.raises(ValueError, match=r"net\.safetensors' cannot be loaded"):
        loaded_from(path, data)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory, data):
    with pytest.raises(ValueError, match="cannot be loaded"):
        loaded_from(tmp_path_factory.getbasetemp() / "any", data)


def test_tensors_of_another_program_are_no_net(path):
    with pytest.raises(ValueError, match="cannot be loaded"):
        loaded_from(path, safetensors.numpy.save({"weights": np.zeros(3, np.float32)}))
    with pytest.raises(ValueError, match="cannot be loaded"):
        loaded_from(path, safetensors.numpy.save({"weights": np.zeros(3, np.float32)}, {"format": "pt"}))
