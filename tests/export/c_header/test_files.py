"""Header files are written whole or not at all, and errors name them."""

from __future__ import annotations

import os
import threading

import pytest

import cnn
import cnn.export

from ...full_disk import largest_file


@pytest.fixture
def net():
    return cnn.Sequential([cnn.Dense(50), cnn.ReLU(), cnn.Dense(3)], (20,), seed=0)


def test_a_full_disk_leaves_the_old_header(net, tmp_path):
    path = tmp_path / "net.h"
    path.write_text("old")
    with largest_file(1000), pytest.raises(OSError, match=r"cannot be written: .*net\.h"):
        cnn.export.c(net, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["net.h"]
    cnn.export.c(net, path)
    assert path.read_text().rstrip().endswith("#endif /* net_H */")


def test_a_folder_that_is_missing_is_named(net, tmp_path):
    with pytest.raises(OSError, match=r"missing/net\.h"):
        cnn.export.c(net, tmp_path / "missing" / "net.h")


def test_what_is_no_path_is_refused(net):
    with pytest.raises(TypeError, match=r"path must be a str or a pathlib\.Path, got 3"):
        cnn.export.c(net, 3)


def test_the_same_net_gives_the_same_bytes(net, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        net.export(tmp_path / folder / "net.h")
    assert (tmp_path / "one/net.h").read_bytes() == (tmp_path / "two/net.h").read_bytes()


def test_what_is_returned_says_its_figures_in_a_line(net, tmp_path):
    header = net.export(tmp_path / "net.h")
    shown = f"Header(stem='net', dtype='float32', flash={header.flash}, ram=200, input_shape=(20,), outputs=3)"
    assert repr(header) == shown


def test_several_threads_may_write_one_net(net, tmp_path):
    threads = [threading.Thread(target=cnn.export.c, args=(net, tmp_path / "net.h")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.listdir(tmp_path) == ["net.h"]
    written = (tmp_path / "net.h").read_bytes()
    cnn.export.c(net, tmp_path / "net.h")
    assert (tmp_path / "net.h").read_bytes() == written
