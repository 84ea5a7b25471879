"""Data sets in a folder of the user's: where they are looked for, and whether the four files fit together."""

import os

import numpy as np
import pytest

from cnn.datasets import (
    inventory,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    mnist,
    mnist_files,
    normalize,
    one_hot,
    sources,
)
from cnn.datasets.resolve import load_named

from .cases import DATASET, IMAGES, LABELS, fill


def assert_equal(dataset, expected=DATASET):
    for read, array in zip(dataset, expected, strict=True):
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, array)


@pytest.fixture(autouse=True)
def only_named_folders(monkeypatch):
    """No folder in the environment but what a test puts there, and nothing from the cache."""
    monkeypatch.delenv("CNN_DATA_DIR", raising=False)
    monkeypatch.setattr(sources, "from_cache", lambda *arguments: pytest.fail("looked beyond the named folder"))


@pytest.mark.parametrize("load", [load_mnist, load_fashion_mnist])
@pytest.mark.parametrize("name", ["{}", "{}.gz"], ids=["decompressed", "as published"])
def test_a_named_folder_is_loaded(tmp_path, load, name):
    assert_equal(load(fill(tmp_path, name)))


def test_a_compressed_file_needs_no_suffix(tmp_path):
    for path in fill(tmp_path, "{}.gz").iterdir():
        path.rename(path.with_suffix(""))
    assert_equal(load_mnist(tmp_path))


@pytest.mark.parametrize("name", ["{}", "{}.gz"])
def test_names_spelt_with_a_dot_are_found(tmp_path, name):
    for path in fill(tmp_path, name).iterdir():
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert_equal(load_mnist(str(tmp_path)))


def test_a_folder_of_a_files_name_is_not_taken_for_the_file(tmp_path):
    fill(tmp_path, "{}.gz")
    (tmp_path / mnist_files.TRAIN_IMAGES).mkdir()  # as some programs unpack it
    assert_equal(load_mnist(tmp_path))


def test_a_tilde_stands_for_the_users_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "digits")
    assert_equal(load_mnist("~/digits"))
    assert_equal(load_named("~/digits")[0])
    assert [(report.folder, report.bad) for report in inventory.verify("~/digits")] == [(tmp_path / "digits", False)]
    monkeypatch.setenv("CNN_DATA_DIR", "~/digits")
    assert_equal(load_mnist())


def test_the_environment_names_the_folder_and_an_argument_goes_before_it(tmp_path, monkeypatch):
    mine, other = fill(tmp_path / "mine"), fill(tmp_path / "other", train_labels=LABELS + 1)
    monkeypatch.setenv("CNN_DATA_DIR", str(other))
    np.testing.assert_array_equal(load_mnist().train_labels, LABELS + 1)
    np.testing.assert_array_equal(load_mnist(mine).train_labels, LABELS)


def test_fashion_mnist_is_in_a_sub_folder_of_the_one_in_the_environment(tmp_path, monkeypatch):
    fill(tmp_path)
    fill(tmp_path / "fashion", train_labels=LABELS + 1)
    monkeypatch.setenv("CNN_DATA_DIR", str(tmp_path))
    np.testing.assert_array_equal(load_fashion_mnist().train_labels, LABELS + 1)
    np.testing.assert_array_equal(load_mnist().train_labels, LABELS)
    np.testing.assert_array_equal(load_fashion_mnist(tmp_path).train_labels, LABELS)


def test_a_sub_folder_that_lacks_a_file_is_still_the_only_place(tmp_path, monkeypatch):
    (fill(tmp_path / "fashion") / mnist_files.TEST_IMAGES).unlink()
    monkeypatch.setenv("CNN_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"fashion does not hold t10k-images"):
        load_fashion_mnist()


def test_a_folder_without_the_sub_folder_says_nothing_about_fashion_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(fill(tmp_path)))
    monkeypatch.setattr(sources, "from_cache", lambda source, files: dict(zip(files, DATASET, strict=True)))
    assert_equal(load_fashion_mnist())


def test_the_tutorials_functions_return_the_same_arrays(tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(fill(tmp_path)))
    assert_equal((mnist.train_images(), mnist.train_labels(), mnist.test_images(), mnist.test_labels()))


def test_a_missing_file_is_named_with_what_was_looked_for(tmp_path):
    (fill(tmp_path) / mnist_files.TEST_LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=r"not hold t10k-labels-idx1-ubyte.*-labels\.idx1") as error:
        load_mnist(tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.usefixtures("hang_guard")
def test_a_pipe_is_not_taken_for_a_file(tmp_path):
    (fill(tmp_path) / mnist_files.TRAIN_IMAGES).unlink()
    os.mkfifo(tmp_path / mnist_files.TRAIN_IMAGES)
    with pytest.raises(FileNotFoundError, match="does not hold train-images-idx3-ubyte"):
        load_mnist(tmp_path)
    assert inventory.verify(tmp_path)[0].bad


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^the data folder .*nowhere does not exist or is not a folder$"):
        load_mnist(tmp_path / "nowhere")


INCONSISTENT = {
    "fewer labels than images": ({"train_labels": LABELS[:4]}, "5 images.* 4 labels"),
    "fewer test images than labels": ({"test_images": IMAGES[:1]}, "1 images.* 2 labels"),
    "labels where images belong": ({"train_images": LABELS}, "expected uint8 in 3 dimensions"),
    "images where labels belong": ({"test_labels": IMAGES}, "expected uint8 in 1 dimension,"),
    "no images": ({"train_images": IMAGES[:0], "train_labels": LABELS[:0]}, "train-images-idx3-ubyte holds no images"),
    "no test images": (
        {"test_images": IMAGES[:0], "test_labels": LABELS[:0]},
        "t10k-images-idx3-ubyte holds no images",
    ),
    "16-bit images": ({"train_images": IMAGES.astype(np.int16)}, "got int16"),
    "test images of another size": ({"test_images": IMAGES[:2, :3]}, r"\(4, 3\) pixels.* \(3, 3\)"),
}


@pytest.mark.parametrize(("changes", "reason"), INCONSISTENT.values(), ids=INCONSISTENT)
def test_files_that_do_not_fit_together_are_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=f"{tmp_path}.*{reason}"):
        load_mnist(fill(tmp_path, **changes))


@pytest.mark.parametrize("load", [load_mnist, load_fashion_mnist, load_digits])
@pytest.mark.parametrize("folder", [5, b"mnist"])
def test_what_is_no_folder_is_refused_by_the_argument_s_name(load, folder):
    with pytest.raises(TypeError, match=r"data_dir must be a str or a pathlib\.Path, got "):
        load(folder)


def test_a_damaged_file_is_named(tmp_path):
    (fill(tmp_path) / mnist_files.TEST_IMAGES).write_bytes(b"\0\0")
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte: not an IDX file"):
        load_mnist(tmp_path)


def test_digits_are_mnist_from_the_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_DATA_DIR", str(fill(tmp_path / "environment")))
    for data_dir, folder in ((None, "environment"), (fill(tmp_path / "argument"), "argument")):
        dataset, origin = load_digits(data_dir)
        assert_equal(dataset)
        assert origin == f"MNIST from {tmp_path / folder}"


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_nothing_takes_the_place_of_a_file_that_a_named_folder_lacks(tmp_path, monkeypatch, how):
    (fill(tmp_path) / mnist_files.TEST_LABELS).unlink()
    if how == "environment":
        monkeypatch.setenv("CNN_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="t10k-labels"):
        load_digits(tmp_path if how == "argument" else None)


def test_mnist_is_what_it_should_be(mnist_dataset):
    assert [array.shape for array in mnist_dataset] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    of_each_digit = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(np.bincount(mnist_dataset.test_labels), of_each_digit)


# ---- preparation -------------------------------------------------------------------------------------------


def test_normalized_pixels_are_floats_from_0_to_1():
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    expected = (pixels / 255).astype(np.float32)
    for kind in (np.uint8, np.int64, np.float32, np.float64):
        given = pixels.astype(kind)
        result = normalize(given)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=np.finfo(np.float32).eps, atol=0)
        assert np.array_equal(given, pixels)
    assert (result.min(), result.max()) == (0, 1)
    assert normalize(np.zeros((0, 28, 28), int)).shape == (0, 28, 28)


@pytest.mark.parametrize("bad", [-1, 256, np.nan, np.inf])
def test_pixels_out_of_range_are_a_value_error(bad):
    with pytest.raises(ValueError, match="images must hold pixels from 0 to 255"):
        normalize(np.array([[0.0, bad]]))
    with pytest.raises(TypeError, match="images must"):
        normalize(np.ma.zeros((2, 2)))


def test_one_hot_rows_have_a_1_at_the_label():
    for labels in ([3, 0, 9], np.array([3, 0, 9], np.uint8), [3.0, 0.0, 9.0]):
        np.testing.assert_array_equal(one_hot(labels), np.eye(10, dtype=np.float32)[[3, 0, 9]], strict=True)
    assert one_hot([1, 0], classes=3).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert one_hot([]).shape == (0, 10)


@pytest.mark.parametrize("bad", [10, -1, 2.5, np.nan])
def test_labels_that_are_no_classes_are_a_value_error_that_names_the_first(bad):
    with pytest.raises(ValueError, match=r"labels\[1\] must be a whole number from 0 to 9"):
        one_hot([1, bad, bad])


def test_one_hot_refuses_other_shapes_and_no_classes():
    for labels in (3, [[1, 2]], np.eye(10)):
        with pytest.raises(ValueError, match=r"labels must have shape \(N,\)"):
            one_hot(labels)
    with pytest.raises(ValueError, match="classes must be at least 1"):
        one_hot([0], classes=0)
    with pytest.raises(TypeError, match="classes must be an integer"):
        one_hot([0], classes=2.0)
