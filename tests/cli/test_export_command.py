"""`cnn export`: what it writes is what `net.export` writes, what it tells, and what it refuses."""

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(bars, tmp_path_factory):
    """The file of a net that has learned a little."""
    net = cnn.models.tutorial(seed=0)
    net.fit(bars.train_images, bars.train_labels, 2, optimizer=cnn.SGD(0.002), seed=0, progress=False)
    path = tmp_path_factory.mktemp("net") / "bars.safetensors"
    net.save(path)
    return path


def test_an_onnx_file(command, model, tmp_path):
    onnx = pytest.importorskip("onnx")
    file, expected = tmp_path / "net.onnx", tmp_path / "expected.onnx"
    status, out, err = command("export", model, file, "--opset", "19", "--images", "uint8", "--softmax")
    assert (status, out, err) == (0, f"{file} written: {file.stat().st_size:,} bytes\n", "")
    cnn.load(model).export(expected, opset=19, input_dtype="uint8", softmax=True)
    assert file.read_bytes() == expected.read_bytes()
    assert onnx.load(file).opset_import[0].version == 19


def test_a_c_header_in_float32_and_its_memory(command, model, tmp_path):
    file = tmp_path / "net.h"
    status, out, err = command("export", model, file)
    assert (status, err) == (0, "")
    header = cnn.load(model).export(tmp_path / "other" / ".." / "net.h")
    written, memory = out.splitlines()
    assert written == f"{file} written: {file.stat().st_size:,} bytes"
    assert memory == f"flash {header.flash:,} bytes for weights, RAM {header.ram:,} bytes; float32"


def test_a_c_header_in_int8_and_the_accuracy_before_and_after(command, model, tmp_path, data_folder, bars):
    file = tmp_path / "net.h"
    status, out, err = command("export", model, file, "--dtype", "int8", "--data", data_folder)
    assert (status, err) == (0, "")
    net = cnn.load(model)
    header = net.export(file, dtype="int8", calibration=bars.train_images)
    before = net.score(bars.test_images, bars.test_labels)
    after = np.mean(header.predict_logits(bars.test_images).argmax(axis=1) == bars.test_labels)
    origin, _, memory, accuracy = out.splitlines()
    assert origin == f"data: images from {data_folder}"
    assert memory.endswith("; int8")
    assert accuracy == f"test accuracy {before:.2%} before, {after:.2%} after: 40 images"


def test_a_page_with_images_to_start_from(command, model, tmp_path, data_folder, bars):
    plain, full, expected = (tmp_path / f"{name}.html" for name in ("plain", "full", "expected"))
    assert command("export", model, plain)[0] == 0
    assert command("export", model, full, "--data", data_folder)[0] == 0
    net = cnn.load(model)
    net.export(expected)
    assert plain.read_bytes() == expected.read_bytes()
    net.export(expected, images=bars.test_images, labels=bars.test_labels)
    assert full.read_bytes() == expected.read_bytes()


def test_the_format_may_be_named(command, model, tmp_path):
    assert command("export", model, tmp_path / "net", "--format", "c")[0] == 0
    assert "net_predict" in (tmp_path / "net").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["net.pb"], "path must end with .onnx (onnx), .h (c), .html (html), or format must say what to write"),
        (["net.h", "--opset", "17"], "--opset is for onnx, and not for c"),
        (["net.html", "--softmax"], "--softmax is for onnx, and not for html"),
        (["net.onnx", "--dtype", "int8"], "--dtype is for c, and not for onnx"),
        (["net.onnx", "--data", "strokes"], "--data is for c and html, and not for onnx"),
        (["net.h", "--data", "strokes"], "--data is for --dtype int8; float32 needs no images"),
        (["net.onnx", "--opset", "3"], "opset must be"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(command, model, tmp_path, words, message):
    pytest.importorskip("onnx")
    file, *options = words
    status, out, err = command("export", model, tmp_path / file, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"cnn: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / file).exists()


def test_the_net_s_own_file_is_not_written_over(command, model):
    before = model.read_bytes()
    status, _, err = command("export", model, model, "--format", "c")
    assert (status, err) == (1, f"cnn: FILE must be another file than the net's, got {model}\n")
    assert model.read_bytes() == before
