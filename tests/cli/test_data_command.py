"""`cnn data`: what its commands print and return. What they call is tested with the data sets themselves."""

import functools
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pooch
import pytest

from cnn.datasets import fashion, load_mnist, load_strokes, mnist, mnist_files, save_idx

from ..datasets import cases
from ..datasets.cases import IMAGES, LABELS
from ..full_disk import largest_file

fill = functools.partial(cases.fill, name="{}.gz")


@pytest.fixture
def data(command):
    """Run a command of `cnn data`; gives the exit status and what went to each stream."""
    return functools.partial(command, "data")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no way to fill it; MNIST is what `fill` writes."""
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    whole = fill(tmp_path / "whole", name="{}")
    sha256 = {file: hashlib.sha256((whole / file).read_bytes()).hexdigest() for file in mnist_files.FILES}
    for module in (mnist, fashion):
        source = module.SOURCE._replace(content_sha256=sha256, mirrors=("http://127.0.0.1:9/",))
        monkeypatch.setattr(module, "SOURCE", source)
    return tmp_path / "cache"


def test_help_has_examples(data):
    for name in ("list", "fetch", "verify", "export strokes"):
        status, out, _ = data(*name.split(), "--help")
        assert status == 0
        assert f"Examples:\n\n  cnn data {name}" in out


def test_the_list_says_where_each_data_set_is(data, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(fill(tmp_path / "mine")))
    fill(cache / "fashion-mnist")
    status, out, err = data("list")
    assert (status, err) == (0, "")
    in_folder, in_cache, generated = out.splitlines()
    assert in_folder.split(maxsplit=3) == ["mnist", "0.0", "MB", f"folder {tmp_path / 'mine'} (CNN_DATA_DIR)"]
    assert in_cache.split(maxsplit=3) == ["fashion-mnist", "0.0", "MB", f"cache {cache / 'fashion-mnist'}"]
    assert generated.split(maxsplit=2) == ["strokes", "-", "generated digits: cnn data export strokes DIR"]


def test_the_list_says_how_to_fetch_what_is_not_here(data, cache):
    (fill(cache / "mnist") / f"{mnist_files.TEST_LABELS}.gz").unlink()
    _, out, _ = data("list")
    part, absent, _ = out.splitlines()
    told = f"3 of 4 files in the cache {cache / 'mnist'}: cnn data fetch mnist"
    assert part.split(maxsplit=3) == ["mnist", "0.0", "MB", told]
    assert absent.split(maxsplit=2) == ["fashion-mnist", "-", "not here: cnn data fetch fashion-mnist"]


def test_the_list_gives_sizes_in_megabytes(data, cache):
    os.truncate(fill(cache / "mnist") / f"{mnist_files.TRAIN_IMAGES}.gz", 12_300_000)
    assert data("list")[1].splitlines()[0].split()[:3] == ["mnist", "12.3", "MB"]


def test_the_list_as_json(data, cache):
    folder = fill(cache / "mnist")
    status, out, _ = data("list", "--json")
    assert status == 0
    here, absent, generated = json.loads(out)
    assert here["name"] == "mnist"
    assert here["found"] == "cache"
    assert here["folder"] == str(folder)
    assert here["files"] == {file: str(folder / f"{file}.gz") for file in mnist_files.FILES}
    assert here["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert (absent["name"], absent["found"], absent["files"], absent["bytes"]) == ("fashion-mnist", None, {}, 0)
    assert generated == {"name": "strokes", "found": "generated"}


def test_fetch_says_what_it_did(data, cache):
    fill(cache / "mnist")
    expected = f"MNIST: 0 of 4 files downloaded, all verified, in {cache / 'mnist'}\n"
    assert data("fetch", "mnist") == (0, expected, "")


def test_fetch_without_a_network_is_one_line(data):
    status, out, err = data("fetch", "fashion-mnist")
    assert (status, out) == (1, "")
    assert err.startswith("cnn: could not download train-images-idx3-ubyte.gz; tried http://127.0.0.1:9/train-images")
    assert err.count("\n") == 1


def test_verify_without_a_name_checks_what_is_here(data, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(fill(tmp_path / "mine")))
    assert data("verify")[1].splitlines()[0] == f"MNIST, {tmp_path / 'mine'}"
    fill(cache / "fashion-mnist")
    status, out, err = data("verify")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(",")[0] for line in lines[::5]] == ["MNIST", "Fashion-MNIST"]
    assert [line.split() for line in lines[1:5]] == [[file, "ok"] for file in mnist_files.FILES]


def test_verify_tells_bad_files_and_returns_1(data, cache):
    folder = fill(cache / "mnist", test_labels=LABELS[1:3])
    (folder / f"{mnist_files.TRAIN_IMAGES}.gz").write_bytes(b"\x1f\x8b\x08")
    (folder / f"{mnist_files.TRAIN_LABELS}.gz").unlink()
    status, out, err = data("verify", "mnist")
    assert (status, err) == (1, "")
    told = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    assert "damaged gzip file" in told[mnist_files.TRAIN_IMAGES]
    assert told[mnist_files.TRAIN_LABELS] == "missing"
    assert told[mnist_files.TEST_IMAGES] == "ok"
    assert "SHA-256" in told[mnist_files.TEST_LABELS]


def test_one_bad_data_set_among_good_ones_returns_1(data, cache):
    fill(cache / "mnist")
    fill(cache / "fashion-mnist", test_labels=LABELS[1:3])
    status, out, _ = data("verify")
    assert status == 1
    assert [line.split()[-1] == "ok" for line in out.splitlines() if line.startswith("  ")] == [True] * 7 + [False]


def test_a_folder_may_hold_any_data_set_in_the_form_of_mnist(data, tmp_path):
    status, out, _ = data("verify", fill(tmp_path / "mine", train_labels=LABELS + 1))
    assert status == 0
    assert out.splitlines()[0] == f"Data set in MNIST's form, {tmp_path / 'mine'}"
    status, out, _ = data("verify", fill(tmp_path / "mine", train_labels=LABELS[1:]))
    assert status == 1
    assert "5 images, but train-labels-idx1-ubyte 4 labels" in out.splitlines()[-1]


def test_verify_as_json(data, tmp_path):
    folder = fill(tmp_path / "mine")
    status, out, _ = data("verify", folder, "--json")
    assert status == 0
    (report,) = json.loads(out)
    assert (report["folder"], report["ok"]) == (str(folder), True)
    assert report["problems"] == dict.fromkeys(mnist_files.FILES)
    (folder / f"{mnist_files.TEST_LABELS}.gz").unlink()
    status, out, _ = data("verify", folder, "--json")
    assert status == 1
    (report,) = json.loads(out)
    assert not report["ok"]
    assert [file for file, problem in report["problems"].items() if problem] == [mnist_files.TEST_LABELS]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no data set is here"),
        (("mnist",), "MNIST is not here; fetch it with cnn data fetch mnist"),
        (("",), r"an empty name is neither a published data set (mnist, fashion-mnist) nor a folder"),
        (("nowhere",), r"nowhere is neither a published data set (mnist, fashion-mnist) nor a folder"),
    ],
)
def test_nothing_to_verify_is_one_line_and_returns_1(data, arguments, reason):
    status, out, err = data("verify", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"cnn: {reason}")


def test_strokes_are_written_as_files_that_load(data, tmp_path):
    folder = tmp_path / "new" / "strokes"
    status, out, err = data("export", "strokes", folder, "--train", 30, "--test", 20, "--seed", 7)
    assert (status, err) == (0, "")
    assert out == f"30 training and 20 test images in {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{file}.gz" for file in mnist_files.FILES)
    dataset = load_mnist(folder)
    for read, drawn in zip(dataset, load_strokes(30, 20, seed=7), strict=True):
        np.testing.assert_array_equal(read, drawn)


def test_strokes_may_be_written_below_the_home_folder(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data("export", "strokes", "~/mine", "--train", 10, "--test", 10)[0] == 0
    assert len(load_mnist(tmp_path / "mine").train_images) == 10


def test_strokes_for_which_there_is_no_room_leave_nothing_in_the_way_of_the_next_attempt(data, tmp_path):
    folder = tmp_path / "strokes"
    arguments = ("export", "strokes", folder, "--train", 10, "--test", 90)
    with largest_file(8000):
        status, out, err = data(*arguments)
    assert (status, out) == (1, "")
    assert err == f"cnn: {folder / mnist_files.TEST_IMAGES}.gz: cannot be written: File too large\n"
    assert list(folder.iterdir()) == []
    assert data(*arguments)[0] == 0


def test_files_that_are_there_are_not_replaced_by_strokes(data, tmp_path):
    folder = fill(tmp_path / "mine", name="{}")
    status, _, err = data("export", "strokes", folder, "--train", 30, "--test", 20)
    assert status == 1
    assert err == f"cnn: {folder / mnist_files.TRAIN_IMAGES} exists already, and is not replaced; name another folder\n"
    np.testing.assert_array_equal(load_mnist(folder).train_images, IMAGES)


@pytest.mark.parametrize("file", mnist_files.FILES)
def test_a_single_file_is_enough_for_no_strokes_to_be_written(data, tmp_path, file):
    save_idx(tmp_path / file, LABELS)
    status, _, err = data("export", "strokes", tmp_path, "--train", 10, "--test", 10)
    assert status == 1
    assert err.startswith(f"cnn: {tmp_path / file} exists already")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("fetch", "cifar"), "'cifar' is none of mnist, fashion-mnist"),
        (("fetch", "strokes"), "'strokes' is none of"),
        (("export", "mnist", "."), "mnist"),
        (("export", "strokes"), "DIR"),
        (("export", "strokes", ".", "--train", "0"), "--train"),
        (("export", "strokes", ".", "--test", "0"), "--test"),
        (("export", "strokes", ".", "--seed", "-1"), "--seed"),
        (("lists",), "lists"),
    ],
)
def test_a_wrong_command_line_returns_2(data, arguments, named):
    status, out, err = data(*arguments)
    assert (status, out) == (2, "")
    assert named in err


def test_a_folder_without_images_is_told(data, tmp_path):
    folder = fill(tmp_path / "empty", test_images=IMAGES[:0], test_labels=LABELS[:0])
    status, out, _ = data("verify", folder)
    assert status == 1
    assert f"{mnist_files.TEST_IMAGES} holds no images" in out.splitlines()[-1]


def test_data_sets_know_nothing_of_the_command_line():
    code = "import sys, cnn.datasets.resolve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"typer", "cnn.cli.common"} & set(done.stdout.split())
