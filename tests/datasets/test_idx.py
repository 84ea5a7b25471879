"""IDX files: reading ones that may hold anything, and writing ones that can be read."""

import gzip
import hashlib
import itertools
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cnn.datasets import idx as idx_module
from cnn.datasets import load_idx, save_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx(array):
    array = np.asarray(array)
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_header(*sizes, code=0x08):
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


@pytest.fixture
def write(tmp_path):
    def write(content, name="digits-idx3-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", CODES)
def test_every_element_type_is_read_into_native_byte_order(write, dtype, compress):
    array = (np.arange(24) - 3).astype(dtype).reshape(2, 3, 4)
    read = load_idx(write(compress(idx(array))))
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_compression_is_told_by_the_content_and_not_by_the_name(write):
    np.testing.assert_array_equal(load_idx(write(idx(IMAGES), "plain.gz")), IMAGES)
    np.testing.assert_array_equal(load_idx(write(gzip.compress(idx(IMAGES)), "compressed")), IMAGES)


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0)])
def test_an_empty_array_is_read(write, shape, compress):
    assert load_idx(write(compress(idx(np.zeros(shape, np.uint8))))).shape == shape


BAD_CONTENT = {
    "empty": (b"", "empty"),
    "magic cut short": (b"\0\0\x08", "not an IDX file"),
    "text": (b"<html>not found</html>", "not an IDX file"),
    "unknown element type": (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
    "no dimension": (b"\0\0\x08\0\x01", "0 dimensions"),
    "255 dimensions": (b"\0\0\x08\xff" + bytes(4 * 255), "255 dimensions"),
    "header cut short": (idx(IMAGES)[:12], "ends within its header"),
    "one byte missing": (idx(IMAGES)[:-1], "60 bytes, the file holds 59"),
    "one byte too many": (idx(IMAGES) + b"\0", "60 bytes, the file holds more"),
    "an empty array with data": (idx_header(0, 28, 28) + b"\0", "holds more"),
    "sizes that overflow": (idx_header(2**32 - 1, 2**32 - 1, 2**32 - 1), "larger than any array"),
    "sizes that overflow beside zero": (idx_header(0, 2**32 - 1, 2**32 - 1), "larger than any array"),
    "sizes that wrap to a small number": (idx_header(2**31, 2**31, 4), "larger than any array"),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "reason"), BAD_CONTENT.values(), ids=BAD_CONTENT)
def test_a_bad_file_is_refused_with_its_name_and_the_reason(write, content, reason, compress):
    with pytest.raises(ValueError, match=reason) as refusal:
        load_idx(write(compress(content)))
    assert "digits-idx3-ubyte" in str(refusal.value)


def test_a_gzip_file_truncated_anywhere_is_refused(write):
    compressed = gzip.compress(idx(IMAGES))
    for length in range(len(compressed)):
        with pytest.raises(ValueError, match="digits-idx3-ubyte"):
            load_idx(write(compressed[:length]))


def test_a_gzip_file_with_a_wrong_checksum_is_refused(write):
    compressed = bytearray(gzip.compress(idx(IMAGES)))
    compressed[-8] ^= 1
    with pytest.raises(ValueError, match=r"damaged gzip file.*CRC"):
        load_idx(write(compressed))


def test_any_bit_flipped_in_a_compressed_file_is_refused_or_changes_nothing(write):
    compressed = gzip.compress(idx(IMAGES), mtime=0)
    for position, bit in itertools.product(range(len(compressed)), range(8)):
        damaged = bytearray(compressed)
        damaged[position] ^= 1 << bit
        try:
            read = load_idx(write(damaged))
        except ValueError:
            continue
        np.testing.assert_array_equal(read, IMAGES)  # flags and dates in gzip's header carry no data


def test_a_plain_file_that_declares_terabytes_costs_nothing(write):
    with pytest.raises(ValueError, match="the file holds 10"):
        load_idx(write(idx_header(2**20, 2**10, 2**10) + bytes(10)))


def test_a_bomb_behind_a_small_header_is_not_unpacked(write, monkeypatch):
    asked = []

    class CountingGzipFile(gzip.GzipFile):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(idx_module.gzip, "GzipFile", CountingGzipFile)
    with pytest.raises(ValueError, match="holds more"):
        load_idx(write(gzip.compress(idx(IMAGES) + bytes(1 << 24))))
    assert min(asked) > 0
    assert sum(asked) == len(idx(IMAGES)) + 1


def test_a_bomb_that_declares_its_size_is_not_unpacked(write):
    with pytest.raises(ValueError, match="decompress it first"):
        load_idx(write(gzip.compress(idx_header(2**31) + bytes(1 << 20))))


def test_the_checksum_is_of_the_content_however_compressed(write):
    sha256 = hashlib.sha256(idx(IMAGES)).hexdigest()
    for content in (idx(IMAGES), gzip.compress(idx(IMAGES), 1), gzip.compress(idx(IMAGES), 9)):
        np.testing.assert_array_equal(load_idx(write(content), sha256), IMAGES)
    with pytest.raises(ValueError, match="SHA-256"):
        load_idx(write(idx(IMAGES + 1)), sha256)


def test_what_is_no_path_is_refused_by_the_argument_s_name():
    with pytest.raises(TypeError, match=r"path must be a str or a pathlib\.Path, got 5"):
        load_idx(5)
    with pytest.raises(TypeError, match=r"path must be a str or a pathlib\.Path, got 5"):
        save_idx(5, IMAGES)


def test_a_missing_file_and_a_folder_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_idx(tmp_path / "absent")
    with pytest.raises(OSError, match=str(tmp_path)):
        load_idx(tmp_path)


@pytest.mark.usefixtures("hang_guard")
@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "/dev/tty"])
def test_what_would_never_end_is_not_opened(tmp_path, name):
    if name == "pipe":
        os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: it is no regular file$"):
        load_idx(tmp_path / name)


ELEMENTS = st.sampled_from([np.dtype(name).newbyteorder(order) for name in CODES for order in "<>"])
ARRAYS = arrays.arrays(ELEMENTS, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))


@given(array=ARRAYS, suffix=st.sampled_from(["", ".gz"]))
def test_what_is_written_is_read_back(tmp_path, array, suffix):
    path = tmp_path / f"array{suffix}"
    save_idx(path, array)
    read = load_idx(path)
    assert read.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read, array)


def test_only_a_name_that_ends_in_gz_is_compressed(tmp_path):
    save_idx(tmp_path / "plain", IMAGES)
    save_idx(str(tmp_path / "packed.gz"), IMAGES)
    assert (tmp_path / "plain").read_bytes() == idx(IMAGES)
    assert gzip.decompress((tmp_path / "packed.gz").read_bytes()) == idx(IMAGES)


def test_the_same_array_gives_the_same_bytes_whatever_the_file_is_called_and_whenever_it_is_written(tmp_path):
    save_idx(tmp_path / "one.gz", IMAGES)
    save_idx(tmp_path / "two.gz", IMAGES[:, ::-1][:, ::-1])
    one = (tmp_path / "one.gz").read_bytes()
    assert one == (tmp_path / "two.gz").read_bytes()
    assert one[4:8] == bytes(4)  # the time in gzip's header


@pytest.mark.parametrize(
    ("array", "error", "reason"),
    [
        (np.zeros(3, np.int64), TypeError, "array must be one of uint8, .*, got int64"),
        (np.zeros(3, bool), TypeError, "got bool"),
        (np.zeros(3, np.float16), TypeError, "got float16"),
        (np.array(["3"]), TypeError, "array must be an array of numbers"),
        (np.ma.masked_equal([1, 2], 2), TypeError, "array must not be a masked array"),
        (np.uint8(3), ValueError, r"array must have 1 to 32 dimensions .*, got shape \(\)"),
        (np.zeros((1,) * 33, np.uint8), ValueError, "array must have 1 to 32 dimensions"),
        (np.broadcast_to(np.uint8(0), (1 << 32, 0)), ValueError, "of at most 4,294,967,295"),
    ],
)
def test_an_array_that_the_format_cannot_hold_is_refused(tmp_path, array, error, reason):
    with pytest.raises(error, match=reason):
        save_idx(tmp_path / "array", array)
    assert list(tmp_path.iterdir()) == []


def test_no_compressed_file_is_written_that_would_not_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(idx_module, "LARGEST_COMPRESSED_CONTENT", IMAGES.nbytes - 1)
    with pytest.raises(ValueError, match="at most 59 bytes"):
        save_idx(tmp_path / "array.gz", IMAGES)
    save_idx(tmp_path / "array", IMAGES)


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    save_idx(tmp_path / "array", IMAGES)

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save_idx(tmp_path / "array", IMAGES + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["array"]
    np.testing.assert_array_equal(load_idx(tmp_path / "array"), IMAGES)


def test_only_a_regular_file_is_replaced_and_a_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe", "nowhere/array"):
        with pytest.raises(OSError, match=name.partition("/")[0]):
            save_idx(tmp_path / name, IMAGES)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    save_idx(tmp_path / "link", IMAGES)
    assert (tmp_path / "link").is_symlink()
    np.testing.assert_array_equal(load_idx(tmp_path / "target"), IMAGES)
