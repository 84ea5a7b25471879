"""The header of a file, and the memory that a file can make its reader take."""

from __future__ import annotations

import json
import os
import re
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

import cnn
import cnn.reference
from cnn.storage import archive

from .cases import BIAS, WEIGHTS, bits, crafted, dense, refused_or_unchanged, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_header_that_would_not_be_read_is_not_even_written(path, tiny_file, monkeypatch):
    length = int.from_bytes(tiny_file[:8], "little")
    monkeypatch.setattr(archive, "LARGEST_HEADER", length)
    tiny().save(path)
    assert bits(cnn.load(path)) == bits(tiny())
    monkeypatch.setattr(archive, "LARGEST_HEADER", length - 1)
    with pytest.raises(ValueError, match=f"must have at most {length - 1:,} bytes to be saved"):
        tiny().save(path)
    assert path.read_bytes() == tiny_file


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.complex64])
def test_a_dtype_that_no_net_has_is_not_even_written(path, dtype):
    with pytest.raises(TypeError, match=r"dense_1\.bias must be of float32"):
        crafted(path, tensors={"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS.astype(dtype)})


def with_header(tiny_file, change) -> bytes:
    """The file with its header changed as text."""
    length = int.from_bytes(tiny_file[:8], "little")
    header = change(tiny_file[8 : 8 + length].decode()).encode("utf-8", "surrogatepass")
    return len(header).to_bytes(8, "little") + header + tiny_file[8 + length :]


def with_text(text):
    """Changes that put something in place of the document: as it is, and as a text."""
    as_json = [text, json.dumps(text)]
    return [lambda h, new=new: re.sub(r'"cnn-c":"(\\.|[^"\\])*"', lambda _: f'"cnn-c":{new}', h) for new in as_json]


HEADERS = {
    "a tensor twice": lambda h: h[:1] + '"dense_1.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' + h[1:],
    "the texts twice": lambda h: h[:1] + '"__metadata__":{},' + h[1:],
    "no texts": lambda h: '{"dense_1' + h.split('"dense_1', 1)[1],
    "texts that are a list": lambda h: '{"__metadata__":[],"dense_1' + h.split('"dense_1', 1)[1],
    "a text that is a number": with_text("1")[0],
    "a text more": lambda h: h.replace('"cnn-c":', '"format":"pt","cnn-c":'),
    "a text of another name": lambda h: h.replace('"cnn-c":', '"cnn-d":'),
    "a document that is a list": with_text("[]")[1],
    "a document that is null": with_text("null")[1],
    "a document that is no JSON": with_text("{")[1],
    "a document of NaN": with_text("NaN")[1],
    "a document without entries": with_text("{}")[1],
    "a document nested without end": with_text("[" * 100_000)[1],
    "an entry twice": lambda h: h.replace('\\"version\\": 1', '\\"version\\": 1, \\"version\\": 1'),
    "a scale of NaN": lambda h: h.replace('\\"scale\\": 0.5', '\\"scale\\": NaN'),
    "another scale": lambda h: h.replace('\\"scale\\": 0.5', '\\"scale\\": 0.6'),
    "another digest": lambda h: h.replace('sha256\\": \\"', 'sha256\\": \\"0'),
    "no digest": lambda h: h.replace("sha256", "sha255"),
    "a huge shape": lambda h: h.replace("[3,2]", "[3000000000,2]"),
    "a shape too large for an index": lambda h: h.replace("[3,2]", "[3,99999999999999999999999999]"),
    "a negative shape": lambda h: h.replace("[3,2]", "[-3,-2]"),
    "a shape of NaN": lambda h: h.replace("[3,2]", "[NaN,2]"),
    "a shape of infinity": lambda h: h.replace("[3,2]", "[1e999,2]"),
    "a shape of floats": lambda h: h.replace("[3,2]", "[3.0,2]"),
    "a shape of truths": lambda h: h.replace("[3,2]", "[3,2,true]"),
    "a shape that is text": lambda h: h.replace("[3,2]", '"32"'),
    "offsets past the end": lambda h: h.replace("[8,32]", "[8,99999999]"),
    "offsets that overlap": lambda h: h.replace("[8,32]", "[0,24]"),
    "offsets the wrong way round": lambda h: h.replace("[8,32]", "[32,8]"),
    "offsets that are negative": lambda h: h.replace("[8,32]", "[-8,16]"),
    "a dtype that is a list": lambda h: h.replace('"F32"', '["F32"]'),
    "a dtype that nobody knows": lambda h: h.replace('"F32"', '"F31"'),
    "a dtype of half precision": lambda h: h.replace('"F32"', '"BF16"'),
    "a tensor that is a number": lambda h: h[:-1].rstrip().removesuffix("}") + ',"x":3}',
    "brackets without end": lambda h: "[" * 100_000,
    "an object in an object without end": lambda h: '{"a":' * 100_000,
    "half a letter": lambda h: h.replace("Flatten", "\\\\ud800"),
    "half a letter as a name": lambda h: h.replace("dense_1.bias", "\\ud800"),
    "bytes that are no text": lambda h: h.replace("dense_1.bias", "\udcff"),
    "an empty object": lambda h: "{}",
    "a list": lambda h: "[]",
}  # fmt: skip


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS)
def test_a_header_that_says_something_else_is_refused(path, tiny_file, change):
    assert with_header(tiny_file, change) != tiny_file
    assert refused_or_unchanged(path, with_header(tiny_file, change))


def test_a_header_that_says_the_same_in_other_words_is_read(path, tiny_file):
    assert not refused_or_unchanged(path, with_header(tiny_file, lambda h: h.replace('":{"dtype"', '" : {"dtype"')))


@pytest.mark.parametrize("length", [0, 1, 2, 10**5, archive.LARGEST_HEADER + 1, 2**31, 2**63, 2**64 - 1])
def test_a_length_of_the_header_that_does_not_fit_is_refused(path, tiny_file, length):
    assert refused_or_unchanged(path, length.to_bytes(8, "little") + tiny_file[8:])


def test_a_header_without_end_is_not_read(path):
    with open(path, "wb") as file:  # a hole, which takes no room on the disk
        file.write((1 << 33).to_bytes(8, "little"))
        file.truncate(1 << 34)
    assert memory_of(lambda: refuse(path)) < 1 << 20


def refuse(path) -> None:
    with pytest.raises(ValueError, match="cannot be loaded"):
        cnn.load(path)


def memory_of(call) -> int:
    """The most bytes that were in use at once because of a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bytes_after_the_tensors_are_not_read(path, tiny_file):
    path.write_bytes(tiny_file)
    os.truncate(path, 1 << 34)  # a hole, too
    assert memory_of(lambda: refuse(path)) < 1 << 20


def test_a_layer_larger_than_the_file_takes_no_memory(path):
    def load():
        with pytest.raises(ValueError, match="must have shape"):
            crafted(path, dense(units=10**9, bias=True))

    load()  # what is imported late is not counted
    assert memory_of(load) < 1 << 20


def test_a_layer_larger_than_the_file_takes_no_memory_even_if_the_header_agrees(path, tiny_file):
    def header(h):
        h = h.replace("[3,2]", "[3,1000000000]").replace("[8,32]", "[4000000000,16000000000]")
        return (
            h.replace("[2]", "[1000000000]")
            .replace("[0,8]", "[0,4000000000]")
            .replace('units\\": 2', 'units\\": 1000000000')
        )

    def load():
        assert refused_or_unchanged(path, with_header(tiny_file, header))

    load()
    assert memory_of(load) < 1 << 20


def test_the_tensors_of_another_programs_large_file_are_not_read(path):
    tensors = {"weights": np.zeros(1 << 22, np.float32)}
    path.write_bytes(safetensors.numpy.save(tensors, {"cnn-c": "{}"}))
    assert memory_of(lambda: refuse(path)) < 1 << 20


def test_loading_takes_a_small_multiple_of_the_files_size(path):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(2000)], (1000,), seed=0)
    net.save(path)
    assert memory_of(lambda: cnn.load(path)) < 8 * path.stat().st_size
