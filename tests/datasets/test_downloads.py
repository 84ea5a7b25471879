"""Downloads of published data sets: from mirrors on this machine that serve, fail, break off and fall silent."""

import contextlib
import gzip
import hashlib
import os
import socket
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from cnn.datasets import (
    download,
    fashion,
    inventory,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    mnist,
    mnist_files,
)

from ..full_disk import largest_file
from .cases import DATASET, LABELS, fill


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of each of the four files, by its name."""
    folder = fill(tmp_path_factory.mktemp("content"))
    return {file: (folder / file).read_bytes() for file in mnist_files.FILES}


@pytest.fixture(scope="module")
def good(content):
    """What a mirror answers that has all files."""
    return {f"{file}.gz": gzip.compress(data) for file, data in content.items()}


@pytest.fixture(scope="module")
def damaged(content):
    """What a mirror answers whose files are whole, but not the right ones."""
    return {f"{file}.gz": gzip.compress(data[:-1] + b"\xff") for file, data in content.items()}


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
        self.url = f"http://127.0.0.1:{self.server.server_port}/files/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


def break_off(request):
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"\x1f\x8b\x08")


def fall_silent(request):
    request.send_response(200)
    request.end_headers()
    request.wfile.flush()
    time.sleep(0.8)


def bomb(request):
    request.send_response(200)
    request.end_headers()
    request.wfile.write(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 5]) + bytes(1 << 22)))


REFUSING = "http://127.0.0.1:9/files/"


@pytest.fixture
def deaf(monkeypatch):
    """A mirror that takes connections and never answers: its URL, and how many it has been asked for."""
    monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def connections():
            count = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    count += 1
            return count

        yield SimpleNamespace(url=f"http://127.0.0.1:{server.getsockname()[1]}/files/", connections=connections)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of MNIST in an empty cache."""
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    return tmp_path / "cnn_c" / "mnist"


@pytest.fixture
def published_at(monkeypatch, content):
    """Put both data sets, with the content of these tests, at some URLs."""

    def put(*urls):
        sha256 = {file: hashlib.sha256(data).hexdigest() for file, data in content.items()}
        for module in (mnist, fashion):
            monkeypatch.setattr(module, "SOURCE", module.SOURCE._replace(content_sha256=sha256, mirrors=urls))

    return put


@pytest.fixture
def mirrors(published_at):
    """Start mirrors, one for each dict of answers."""
    started = []

    def start(*answers):
        started.extend(Mirror(answer) for answer in answers)
        published_at(*(mirror.url for mirror in started))
        return started

    yield start
    for mirror in started:
        mirror.server.shutdown()
        mirror.server.server_close()


@pytest.fixture
def strokes(monkeypatch):
    """What stands for generated digits."""
    dataset = DATASET._replace(train_labels=LABELS + 1)
    monkeypatch.setattr("cnn.datasets.strokes.load_strokes", lambda: dataset)
    return dataset


def assert_equal(dataset, expected=DATASET):
    for read, array in zip(dataset, expected, strict=True):
        np.testing.assert_array_equal(read, array)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_downloaded_once_and_then_come_from_the_cache(cache, mirrors, good):
    (mirror,) = mirrors(good)
    for _ in range(2):
        assert_equal(load_mnist())
    assert sorted(mirror.requests) == names(cache) == sorted(good)


def test_each_data_set_has_a_folder_of_its_own_in_the_cache(cache, mirrors, good):
    (mirror,) = mirrors(good)
    assert_equal(load_fashion_mnist())
    assert not cache.exists()
    assert_equal(load_mnist())
    assert sorted(mirror.requests) == sorted([*good, *good])
    assert names(cache) == names(cache.with_name("fashion-mnist"))


def test_only_the_file_that_is_asked_for_is_downloaded(cache, mirrors, good):
    (mirror,) = mirrors(good)
    np.testing.assert_array_equal(mnist.test_labels(), LABELS[:2])
    assert mirror.requests == names(cache) == [f"{mnist_files.TEST_LABELS}.gz"]


def test_a_mirror_may_compress_the_right_content_in_its_own_way(cache, mirrors, content):
    mirrors({f"{file}.gz": gzip.compress(data, 1) for file, data in content.items()})
    assert_equal(load_mnist())


FAILING = {"missing": None, "broken off": break_off, "a bomb": bomb}


@pytest.mark.parametrize("answer", FAILING.values(), ids=FAILING)
def test_the_next_mirror_is_tried_after_one_that_fails(cache, mirrors, good, answer):
    bad, fine = mirrors(dict.fromkeys(good, answer), good)
    assert_equal(load_mnist())
    assert sorted(bad.requests) == sorted(fine.requests) == sorted(good)


def test_downloads_are_logged_with_their_mirrors_and_a_warning_for_each_failure(cache, mirrors, good, caplog):
    bad, fine = mirrors({}, good)
    caplog.set_level("INFO", "cnn.datasets")
    load_mnist()
    logged = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "cnn.datasets"]
    assert logged[0] == ("INFO", f"MNIST: 0 of 4 files from the cache {cache}")
    assert [level for level, _ in logged[1:]] == ["WARNING", "INFO"] * 4
    assert [text.split()[0] for _, text in logged[1:]] == [
        f"{mirror.url}{file}.gz" for file in mnist_files.FILES for mirror in (bad, fine)
    ]
    assert logged[1][1].endswith(
        "cannot be downloaded: 404 Client Error: Not Found for url: " + logged[1][1].split()[0]
    )
    caplog.clear()
    load_mnist()
    assert caplog.messages == [f"MNIST: 4 of 4 files from the cache {cache}"]


def test_a_damaged_file_in_the_cache_is_logged_as_a_warning(cache, mirrors, good, caplog):
    mirrors(good)
    load_mnist()
    damaged = cache / f"{mnist_files.TEST_LABELS}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    caplog.clear()
    assert_equal(load_mnist())
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning.startswith(f"a file in the cache is damaged: {damaged}: ")


def test_the_next_mirror_is_tried_after_one_with_other_content(cache, mirrors, good, damaged):
    bad, fine = mirrors(damaged, good)
    assert_equal(load_mnist())
    assert sorted(bad.requests) == sorted(fine.requests) == sorted(good)


def test_a_mirror_that_never_answers_is_asked_once(cache, mirrors, published_at, good, deaf):
    (fine,) = mirrors(good)
    published_at(deaf.url, fine.url)
    assert_equal(load_mnist())
    assert sorted(fine.requests) == sorted(good)
    assert deaf.connections() == 1


def test_a_slow_download_is_not_cut(cache, mirrors, good, monkeypatch):
    def slowly(request):
        name = request.path.rpartition("/")[2]
        request.send_response(200)
        request.send_header("Content-Length", str(len(good[name])))
        request.end_headers()
        for byte in good[name][:4]:
            request.wfile.write(bytes([byte]))
            time.sleep(0.2)
        request.wfile.write(good[name][4:])

    monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.5)
    mirrors(dict.fromkeys(good, slowly))
    np.testing.assert_array_equal(mnist.test_labels(), LABELS[:2])


def test_a_corrupt_file_in_the_cache_is_fetched_again(cache, mirrors, good, damaged):
    (mirror,) = mirrors(good)
    load_mnist()
    file = f"{mnist_files.TRAIN_LABELS}.gz"
    (cache / file).write_bytes(damaged[file])
    mirror.requests.clear()
    assert_equal(load_mnist())
    assert mirror.requests == [file]


def test_when_every_mirror_fails_the_error_lists_them_and_says_what_to_do(
    cache, mirrors, published_at, good, damaged, monkeypatch
):
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.3)
    cut = {name: data[:-4] for name, data in good.items()}
    answers = [{}, dict.fromkeys(good, break_off), damaged, cut, dict.fromkeys(good, fall_silent)]
    urls = [*(mirror.url for mirror in mirrors(*answers)), REFUSING]
    published_at(*urls)
    with pytest.raises(OSError, match=r"put the four files of MNIST into a folder .* CNN_DATA_DIR") as error:
        load_mnist()
    reasons = ("404", "IncompleteRead", "(the content's SHA-256 is ", "(damaged gzip file: ", "timed out", "refused")
    for url, reason in zip(urls, reasons, strict=True):
        (told,) = (part for part in str(error.value).split("; ") if url in part)
        assert reason in told
    assert names(cache) == []


def test_the_error_says_where_fashion_mnist_would_be_looked_for(cache, published_at):
    published_at(REFUSING)
    with pytest.raises(
        OSError, match="files of Fashion-MNIST into a folder fashion and name its parent in CNN_DATA_DIR"
    ):
        load_fashion_mnist()


def test_files_that_were_had_before_a_failure_are_kept(cache, mirrors, good):
    last = f"{mnist_files.TEST_LABELS}.gz"
    mirrors({name: answer for name, answer in good.items() if name != last})
    with pytest.raises(OSError, match="could not download t10k-labels"):
        load_mnist()
    assert names(cache) == sorted(set(good) - {last})
    _, fine = mirrors(good)
    assert_equal(load_mnist())
    assert fine.requests == [last]


def test_an_interrupted_download_leaves_nothing_and_the_next_run_works(cache, mirrors, good, monkeypatch):
    mirrors(good)

    def interrupted(url, output, pooch, check_only=False):
        if not check_only:
            output.write_bytes(b"\x1f\x8b\x08")
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pooch, "HTTPDownloader", lambda **options: interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_mnist()
    assert names(cache) == []
    assert_equal(load_mnist())


def test_a_full_folder_for_temporary_files_is_no_fault_of_the_mirrors(cache, mirrors, good):
    mirrors(good, good)
    with largest_file(20), pytest.raises(OSError, match="File too large") as error:
        load_mnist()
    assert error.value.filename.endswith(f"{mnist_files.TRAIN_IMAGES}.gz")
    assert names(cache) == []


def test_a_full_disk_leaves_nothing_half_written_in_the_cache(cache, mirrors, good, monkeypatch):
    mirrors(good)

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        load_mnist()
    assert names(cache) == []


def test_digits_are_mnist_where_it_can_be_had(cache, mirrors, good):
    mirrors(good)
    mnist.test_labels()  # a part of it, which is not yet MNIST from the cache
    for origin in ("MNIST, downloaded to the cache", "MNIST from the cache"):
        dataset, told = load_digits()
        assert_equal(dataset)
        assert told == origin


def test_digits_are_generated_where_mnist_cannot_be_had_and_the_reason_is_told(cache, published_at, strokes):
    published_at(REFUSING, REFUSING)
    dataset, origin = load_digits()
    assert_equal(dataset, strokes)
    before = "generated strokes, because MNIST is neither in the cache nor can it be downloaded"
    assert origin.startswith(f"{before} (")
    assert "refused" in origin
    assert REFUSING not in origin


def test_digits_are_generated_where_the_cache_cannot_be_written(cache, mirrors, good, strokes):
    mirrors(good)
    cache.parent.write_bytes(b"")  # no folder can be made in it
    dataset, origin = load_digits()
    assert_equal(dataset, strokes)
    assert origin.startswith("generated strokes, because")


def test_digits_are_generated_where_no_mirror_answers(cache, published_at, deaf, strokes):
    published_at(deaf.url)
    dataset, origin = load_digits()
    assert_equal(dataset, strokes)
    assert origin.endswith("(no answer within 0.5 s)")


def test_the_end_of_a_program_does_not_wait_for_a_mirror_that_never_answers(cache, published_at, deaf):
    published_at(deaf.url)
    before = set(threading.enumerate())
    with pytest.raises(download.DownloadError):
        load_mnist()
    asking = set(threading.enumerate()) - before
    assert [thread.daemon for thread in asking] == [True]


def test_all_mirrors_together_are_waited_for_as_long_as_one_would_be(cache, published_at, deaf, monkeypatch):
    waited = []

    def result(self, timeout):
        waited.append(timeout)
        raise futures.TimeoutError

    monkeypatch.setattr(futures.Future, "result", result)
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=lambda: sum(waited)))
    published_at(deaf.url, deaf.url, deaf.url)
    with pytest.raises(download.DownloadError):
        load_mnist()
    assert waited == [0.5, 0, 0]


def test_fetching_downloads_what_the_cache_lacks_or_holds_damaged(cache, mirrors, good, damaged):
    mirrors(good)
    assert inventory.fetch(mnist.SOURCE) == 4
    (cache / f"{mnist_files.TRAIN_LABELS}.gz").write_bytes(damaged[f"{mnist_files.TRAIN_LABELS}.gz"])
    (cache / f"{mnist_files.TEST_LABELS}.gz").unlink()
    assert inventory.fetch(mnist.SOURCE) == 2
    assert inventory.fetch(mnist.SOURCE) == 0
