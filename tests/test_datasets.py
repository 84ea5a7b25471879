"""Reading IDX files that may be anything, then MNIST: in a folder of the user's, in the cache, downloaded."""

import gzip
import hashlib
import itertools
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pooch
import pytest

from cnn.datasets import idx as idx_module
from cnn.datasets import load_mnist, mnist, read_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx(array):
    array = np.asarray(array)
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_header(*sizes, code=0x08):
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
CONTENT = {
    mnist.TRAIN_IMAGES: idx(IMAGES),
    mnist.TRAIN_LABELS: idx(LABELS),
    mnist.TEST_IMAGES: idx(IMAGES[:2]),
    mnist.TEST_LABELS: idx(LABELS[:2]),
}


@pytest.fixture
def write(tmp_path):
    def write(content, name="digits-idx3-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def fill(folder, content=CONTENT, name="{}", compress=bytes):
    for file, data in content.items():
        (folder / name.format(file)).write_bytes(compress(data))
    return folder


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", CODES)
def test_every_element_type_is_read_into_native_byte_order(write, dtype, compress):
    array = (np.arange(24) - 3).astype(dtype).reshape(2, 3, 4)
    read = read_idx(write(compress(idx(array))))
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_compression_is_told_by_the_content_and_not_by_the_name(write):
    np.testing.assert_array_equal(read_idx(write(idx(IMAGES), "plain.gz")), IMAGES)
    np.testing.assert_array_equal(read_idx(write(gzip.compress(idx(IMAGES)), "compressed")), IMAGES)


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0)])
def test_an_empty_array_is_read(write, shape, compress):
    assert read_idx(write(compress(idx(np.zeros(shape, np.uint8))))).shape == shape


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
        read_idx(write(compress(content)))
    assert "digits-idx3-ubyte" in str(refusal.value)


def test_a_gzip_file_truncated_anywhere_is_refused(write):
    compressed = gzip.compress(idx(IMAGES))
    for length in range(len(compressed)):
        with pytest.raises(ValueError, match="digits-idx3-ubyte"):
            read_idx(write(compressed[:length]))


def test_a_gzip_file_with_a_wrong_checksum_is_refused(write):
    compressed = bytearray(gzip.compress(idx(IMAGES)))
    compressed[-8] ^= 1
    with pytest.raises(ValueError, match=r"damaged gzip file.*CRC"):
        read_idx(write(compressed))


def test_any_bit_flipped_in_a_compressed_file_is_refused_or_changes_nothing(write):
    compressed = gzip.compress(idx(IMAGES), mtime=0)
    for position, bit in itertools.product(range(len(compressed)), range(8)):
        damaged = bytearray(compressed)
        damaged[position] ^= 1 << bit
        try:
            read = read_idx(write(damaged))
        except ValueError:
            continue
        np.testing.assert_array_equal(read, IMAGES)  # flags and dates in gzip's header carry no data


def test_a_plain_file_that_declares_terabytes_costs_nothing(write):
    with pytest.raises(ValueError, match="the file holds 10"):
        read_idx(write(idx_header(2**20, 2**10, 2**10) + bytes(10)))


def test_a_bomb_behind_a_small_header_is_not_unpacked(write, monkeypatch):
    asked = []

    class CountingGzipFile(gzip.GzipFile):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(idx_module.gzip, "GzipFile", CountingGzipFile)
    with pytest.raises(ValueError, match="holds more"):
        read_idx(write(gzip.compress(idx(IMAGES) + bytes(1 << 24))))
    assert min(asked) > 0
    assert sum(asked) == len(idx(IMAGES)) + 1


def test_a_bomb_that_declares_its_size_is_not_unpacked(write):
    with pytest.raises(ValueError, match="decompress it first"):
        read_idx(write(gzip.compress(idx_header(2**31) + bytes(1 << 20))))


def test_the_checksum_is_of_the_content_however_compressed(write):
    sha256 = hashlib.sha256(idx(IMAGES)).hexdigest()
    for content in (idx(IMAGES), gzip.compress(idx(IMAGES), 1), gzip.compress(idx(IMAGES), 9)):
        np.testing.assert_array_equal(read_idx(write(content), sha256), IMAGES)
    with pytest.raises(ValueError, match="SHA-256"):
        read_idx(write(idx(IMAGES + 1)), sha256)


def test_a_missing_file_and_a_folder_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")
    with pytest.raises(OSError, match=str(tmp_path)):
        read_idx(tmp_path)


SPELLINGS = {
    "as published": ("{}.gz", gzip.compress),
    "decompressed": ("{}", bytes),
    "compressed without a suffix": ("{}", gzip.compress),
}


@pytest.mark.parametrize(("name", "compress"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_named_folder_is_loaded(tmp_path, name, compress):
    dataset = load_mnist(fill(tmp_path, name=name, compress=compress))
    for read, expected in zip(dataset, (IMAGES, LABELS, IMAGES[:2], LABELS[:2]), strict=True):
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, expected)


def test_names_spelt_with_a_dot_are_found(tmp_path):
    fill(tmp_path, {file.replace("-idx", ".idx"): data for file, data in CONTENT.items()})
    np.testing.assert_array_equal(load_mnist(tmp_path).train_labels, LABELS)


def test_the_environment_names_the_folder_and_an_argument_goes_before_it(tmp_path, monkeypatch):
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    fill(mine)
    fill(other, CONTENT | {mnist.TRAIN_LABELS: idx(LABELS + 1)})
    monkeypatch.setenv("CNN_DATA_DIR", str(other))
    np.testing.assert_array_equal(load_mnist().train_labels, LABELS + 1)
    np.testing.assert_array_equal(load_mnist(mine).train_labels, LABELS)


def test_the_tutorials_functions_return_the_same_arrays(tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(fill(tmp_path)))
    dataset = load_mnist()
    np.testing.assert_array_equal(mnist.train_images(), dataset.train_images)
    np.testing.assert_array_equal(mnist.train_labels(), dataset.train_labels)
    np.testing.assert_array_equal(mnist.test_images(), dataset.test_images)
    np.testing.assert_array_equal(mnist.test_labels(), dataset.test_labels)


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(mnist, "_from_cache", lambda file: pytest.fail("looked beyond the named folder"))


@pytest.mark.usefixtures("no_download")
def test_a_missing_file_is_named_with_what_was_looked_for(tmp_path):
    fill(tmp_path)
    (tmp_path / mnist.TEST_LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=r"not hold t10k-labels-idx1-ubyte.*-labels\.idx1") as error:
        load_mnist(tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.usefixtures("no_download")
def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_mnist(tmp_path / "nowhere")


INCONSISTENT = {
    "fewer labels than images": ({mnist.TRAIN_LABELS: idx(LABELS[:4])}, "5 images.* 4 labels"),
    "labels where images belong": ({mnist.TRAIN_IMAGES: idx(LABELS)}, "expected uint8 in 3 dimensions"),
    "images where labels belong": ({mnist.TEST_LABELS: idx(IMAGES)}, "expected uint8 in 1 dimension,"),
    "16-bit images": ({mnist.TRAIN_IMAGES: idx(IMAGES.astype(np.int16))}, "got int16"),
    "test images of another size": ({mnist.TEST_IMAGES: idx(IMAGES[:2, :3])}, r"\(4, 3\) pixels.* \(3, 3\)"),
    "a damaged file": ({mnist.TEST_IMAGES: b"\0\0"}, "t10k-images-idx3-ubyte: not an IDX file"),
}


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize(("changes", "reason"), INCONSISTENT.values(), ids=INCONSISTENT)
def test_files_that_do_not_fit_together_are_refused(tmp_path, changes, reason):
    fill(tmp_path, CONTENT | changes)
    with pytest.raises(ValueError, match=reason):
        load_mnist(tmp_path)


class Mirror:
    """A site on this machine: `answers` maps a file's name to the bytes, or to the function, that answer."""

    def __init__(self, answers):
        self.requests = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2]
                mirror.requests.append(name)
                answer = answers.get(name)
                if answer is None:
                    self.send_error(404)
                elif callable(answer):
                    answer(self)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


GOOD = {f"{file}.gz": gzip.compress(data) for file, data in CONTENT.items()}
DAMAGED = {f"{file}.gz": gzip.compress(data[:-1] + b"\xff") for file, data in CONTENT.items()}


def break_off(request):
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"\x1f\x8b\x08")


def fall_silent(request):
    request.send_response(200)
    request.end_headers()
    request.wfile.flush()
    time.sleep(0.5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    monkeypatch.setattr(
        mnist, "CONTENT_SHA256", {file: hashlib.sha256(data).hexdigest() for file, data in CONTENT.items()}
    )
    return tmp_path / "cnn_c" / "mnist"


@pytest.fixture
def mirrors(monkeypatch):
    started = []

    def start(*answers):
        started.extend(Mirror(answer) for answer in answers)
        monkeypatch.setattr(mnist, "MIRRORS", tuple(mirror.url for mirror in started))
        return started

    yield start
    for mirror in started:
        mirror.server.shutdown()
        mirror.server.server_close()


def test_files_are_downloaded_once_and_then_come_from_the_cache(cache, mirrors):
    (mirror,) = mirrors(GOOD)
    for _ in range(2):
        dataset = load_mnist()
        np.testing.assert_array_equal(dataset.train_images, IMAGES)
        np.testing.assert_array_equal(dataset.test_labels, LABELS[:2])
    assert sorted(mirror.requests) == sorted(GOOD)
    assert sorted(path.name for path in cache.iterdir()) == sorted(GOOD)


def test_a_mirror_may_compress_the_right_content_in_its_own_way(cache, mirrors):
    mirrors({f"{file}.gz": gzip.compress(data, 1) for file, data in CONTENT.items()})
    np.testing.assert_array_equal(load_mnist().train_images, IMAGES)


@pytest.mark.parametrize(
    "answers", [{}, DAMAGED, dict.fromkeys(GOOD, break_off)], ids=["missing", "damaged", "broken off"]
)
def test_the_next_mirror_is_tried_after_one_that_fails(cache, mirrors, answers):
    bad, good = mirrors(answers, GOOD)
    np.testing.assert_array_equal(load_mnist().train_labels, LABELS)
    assert sorted(bad.requests) == sorted(good.requests) == sorted(GOOD)


def test_a_corrupt_file_in_the_cache_is_fetched_again(cache, mirrors):
    (mirror,) = mirrors(GOOD)
    load_mnist()
    damaged = cache / f"{mnist.TRAIN_LABELS}.gz"
    damaged.write_bytes(DAMAGED[damaged.name])
    mirror.requests.clear()
    np.testing.assert_array_equal(load_mnist().train_labels, LABELS)
    assert mirror.requests == [damaged.name]


def test_when_every_mirror_fails_the_error_lists_them_and_says_what_to_do(cache, mirrors, monkeypatch):
    missing, broken, damaged, silent = mirrors(
        {}, dict.fromkeys(GOOD, break_off), DAMAGED, dict.fromkeys(GOOD, fall_silent)
    )
    refused = "http://127.0.0.1:9/mnist/"
    monkeypatch.setattr(mnist, "MIRRORS", (*mnist.MIRRORS, refused))
    monkeypatch.setattr(mnist, "DOWNLOAD_TIMEOUT", 0.1)
    with pytest.raises(OSError, match="CNN_DATA_DIR") as error:
        load_mnist()
    message = str(error.value)
    for url in (missing.url, broken.url, damaged.url, silent.url, refused):
        assert url in message
    for reason in ("404", "IncompleteRead", "SHA-256", "timed out", "refused"):
        assert reason in message
    assert list(cache.iterdir()) == []


def test_an_interrupted_download_leaves_nothing_and_the_next_run_works(cache, mirrors, monkeypatch):
    mirrors(GOOD)

    def interrupted(url, output, pooch):
        output.write_bytes(b"\x1f\x8b\x08")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pooch, "HTTPDownloader", lambda **options: interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_mnist()
    assert list(cache.iterdir()) == []
    np.testing.assert_array_equal(load_mnist().train_images, IMAGES)


def test_a_full_disk_leaves_nothing_half_written_in_the_cache(cache, mirrors, monkeypatch):
    mirrors(GOOD)

    def disk_full(source, target):
        target.write_bytes(b"\x1f\x8b")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mnist.shutil, "copyfile", disk_full)
    with pytest.raises(OSError, match="No space left"):
        load_mnist()
    assert list(cache.iterdir()) == []


def test_mnist_is_what_it_should_be(mnist_dataset):
    assert [array.shape for array in mnist_dataset] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    of_each_digit = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(np.bincount(mnist_dataset.test_labels), of_each_digit)
