"""Nets as files: what comes back is the same net, and what is no net, or a damaged one, is refused by name."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import cnn
import cnn.reference
from cnn.storage import archive
from cnn.storage import description as saving

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (8, 9, 1)
CLASSES = 5


def net_of_all_layers(dtype="float32", backend="compiled", ns=cnn):
    """A net with every layer and many values of their arguments."""
    layers = [
        ns.Rescaling(1 / 3, -0.1), ns.Conv2D(3, 3), ns.ReLU(), ns.MaxPool2D(2),
        ns.Conv2D(4, (2, 3), padding="same", bias=False), ns.ReLU(),
        ns.MaxPool2D((2, 3), stride=1, padding=(1, 0), ties="all"),
        ns.Conv2D(2, 1, stride=(2, 1), padding=(0, 2)), ns.BatchNorm(momentum=0.5, epsilon=1e-3),
        ns.AvgPool2D(2, stride=1, padding=1), ns.GlobalAvgPool2D(), ns.Flatten(),
        ns.Dense(7), ns.BatchNorm(), ns.ReLU(), ns.LeakyReLU(0.2), ns.Sigmoid(), ns.Tanh(), ns.Dropout(0.25),
        ns.Dense(CLASSES, bias=False),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, dtype=dtype, seed=0, backend=backend)


def tiny():
    return cnn.Sequential([cnn.Rescaling(0.5), cnn.Flatten(), cnn.Dense(2)], (3, 1, 1), seed=0)


def images(n=4):
    return np.random.default_rng(0).integers(0, 9, (n, *SHAPE), dtype=np.uint8)


def bits(net) -> bytes:
    return b"".join(name.encode() + value.tobytes() for name, value in net.state().items())


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("tiny") / "net"
    tiny().save(path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "net.safetensors"


def loaded_from(path, data: bytes):
    path.unlink(missing_ok=True)  # or some file systems would wait for the disk
    path.write_bytes(data)
    return cnn.load(path)


# ---- there and back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_loaded_net_is_the_saved_one_to_the_bit(path, dtype, backend):
    net = net_of_all_layers(dtype, backend)
    net.fit(images(), [0, 1, 2, 3], seed=0, progress=False)
    net.save(path)
    twin = cnn.load(path, backend=backend)
    assert saving.describe(twin) == saving.describe(net)
    assert (bits(twin), twin.dtype, twin.backend) == (bits(net), dtype, backend)
    assert np.array_equal(twin.predict_proba(images()), net.predict_proba(images()))
    for one in (net, twin):
        one.fit(images(), [3, 2, 1, 0], optimizer=cnn.Adam(), seed=1, progress=False)
    assert bits(twin) == bits(net)


def test_every_layer_of_the_package_is_saved():
    kinds = {kind for kind in vars(cnn).values() if isinstance(kind, type) and issubclass(kind, cnn.Layer)} - {
        cnn.Layer
    }
    assert kinds == set(saving.LAYERS.values())
    assert kinds == {type(layer) for layer in net_of_all_layers().layers}


def test_a_layer_says_what_it_will_learn_without_learning_it():
    for layer in net_of_all_layers().layers:
        twin = type(layer)(**layer.configuration())
        learned = layer.parameters | layer.statistics
        assert twin.fix_shapes(layer.input_shape) == {name: value.shape for name, value in learned.items()}
        assert twin.output_shape == layer.output_shape
        assert twin.parameters == {}


@pytest.mark.parametrize("ns", [cnn, cnn.reference])
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_file_may_be_loaded_for_either_backend(path, ns, backend):
    net = net_of_all_layers(ns=ns)
    net.save(path)
    assert bits(cnn.load(path, backend)) == bits(net)


def test_the_reference_is_not_needed_to_load_a_net_that_it_saved(path):
    net_of_all_layers(backend="numpy", ns=cnn.reference).save(path)
    program = """
        import sys, cnn
        net = cnn.load(sys.argv[1])
        assert "cnn.reference" not in sys.modules
        assert "numpy.testing" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=True, timeout=60)


def test_the_models_are_saved_and_loaded(path):
    for make in (cnn.models.tutorial, cnn.models.two_conv, cnn.models.lenet5):
        net = make(seed=1)
        net.save(path)
        assert bits(cnn.load(path)) == bits(net)


def test_a_net_that_has_learned_nothing_is_saved_too(path):
    cnn.Sequential([cnn.MaxPool2D(2), cnn.Flatten()], SHAPE).save(path)
    assert cnn.load(path).predict(images()).shape == (4,)


def test_numbers_that_are_none_come_back_as_they_were(path):
    net = tiny()
    net.parameters()["dense_1.weights"][0] = np.nan, -np.inf
    net.save(path)
    assert bits(cnn.load(path)) == bits(net)


def test_a_net_is_the_same_bytes_each_time_it_is_saved(path):
    contents = set()
    for _ in range(5):
        net_of_all_layers().save(path)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_the_tensors_are_those_that_other_readers_of_the_format_see(path):
    net = net_of_all_layers()
    net.save(path)
    tensors = safetensors.numpy.load_file(path)
    assert tensors.keys() == net.state().keys()
    assert all(np.array_equal(tensors[name], value) for name, value in net.state().items())


@pytest.mark.parametrize("as_path", [str, Path])
@pytest.mark.parametrize("name", ["net", "ü ß", "net.pkl"])
def test_a_path_may_be_a_str_or_a_path_of_any_name(tmp_path, as_path, name):
    tiny().save(as_path(tmp_path / name))
    assert bits(cnn.load(as_path(tmp_path / name))) == bits(tiny())


@pytest.mark.parametrize("bad", [b"net", None, 3, io.BytesIO()])
def test_what_is_no_path_is_a_type_error(bad):
    with pytest.raises(TypeError, match=r"^path must be a str"):
        tiny().save(bad)
    with pytest.raises(TypeError, match=r"^path must be a str"):
        cnn.load(bad)


def test_a_backend_that_there_is_not_is_named(path):
    tiny().save(path)
    with pytest.raises(ValueError, match=r'^backend must be "compiled" or "numpy"'):
        cnn.load(path, backend="torch")


def test_a_net_of_more_layers_than_can_be_read_back_is_not_saved(tmp_path):
    layers = [cnn.Flatten(), *(cnn.ReLU() for _ in range(1000))]
    with pytest.raises(ValueError, match=r"^a net to be saved must have at most 1,000 layers, got 1,001$"):
        cnn.Sequential(layers, (2, 1, 1)).save(tmp_path / "deep")
    assert not list(tmp_path.iterdir())


def test_a_layer_of_somebody_else_is_not_saved_under_our_name(path):
    class Dense(cnn.Dense):
        pass

    class Own(cnn.ReLU):
        pass

    for layers in ([cnn.Flatten(), Dense(2)], [cnn.Flatten(), Own()]):
        with pytest.raises(TypeError, match=r"layers\[1\]: a net holds the package's own layers only"):
            cnn.Sequential(layers, (2, 1, 1)).save(path)
    assert not path.exists()


def test_a_save_that_fails_leaves_the_old_net(path, monkeypatch):
    tiny().save(path)
    net = tiny()
    net.parameters()["dense_1.weights"][...] = 7

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        net.save(path)
    assert bits(cnn.load(path)) == bits(tiny())
    assert os.listdir(path.parent) == [path.name]


# ---- what is no net --------------------------------------------------------------------------------------------


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


# ---- damage ----------------------------------------------------------------------------------------------------


def refused_or_unchanged(path, data: bytes) -> bool:
    """Whether the file is refused; a net that is loaded has to be the one that was saved."""
    try:
        net = loaded_from(path, data)
    except ValueError as error:
        assert path.name in str(error)  # noqa: PT017
        return True
    assert (saving.describe(net), bits(net)) == (saving.describe(tiny()), bits(tiny()))
    return False


def test_a_file_cut_off_at_any_byte_is_refused(path, tiny_file):
    for length in range(len(tiny_file)):
        assert refused_or_unchanged(path, tiny_file[:length])


@pytest.mark.parametrize("more", [b"\0", b"more"])
def test_bytes_after_the_end_are_refused(path, tiny_file, more):
    assert refused_or_unchanged(path, tiny_file + more)


def test_a_flipped_bit_anywhere_is_found(path, tiny_file):
    accepted = 0
    for i in range(len(tiny_file)):
        for bit in range(8):
            damaged = bytearray(tiny_file)
            damaged[i] ^= 1 << bit
            accepted += not refused_or_unchanged(path, bytes(damaged))
    assert accepted <= 8 * 7  # only in the spaces after the header, which may be others


def test_any_byte_of_the_header_with_another_meaning_is_found(path, tiny_file):
    for i in range(8 + int.from_bytes(tiny_file[:8], "little")):
        for byte in b'\0 "0,{\xff':
            refused_or_unchanged(path, tiny_file[:i] + bytes([byte]) + tiny_file[i + 1 :])


@given(data=st.data())
def test_pieces_that_are_lost_repeated_or_replaced_are_found(tmp_path_factory, tiny_file, data):
    start = data.draw(st.integers(0, len(tiny_file)))
    stop = data.draw(st.integers(start, len(tiny_file)))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(tiny_file[start:stop] * 2)))
    refused_or_unchanged(tmp_path_factory.getbasetemp() / "net", tiny_file[:start] + piece + tiny_file[stop:])


# ---- files that somebody made on purpose -----------------------------------------------------------------------


def crafted(path, net=None, tensors=None, more=None):
    """Load a file with a right digest: `tiny()` with other entries of its net's description, other tensors."""
    document = {"version": 1, "net": {**saving.describe(tiny()), **(net or {})}, **(more or {})}
    archive.write(path, document, tiny().state() if tensors is None else tensors)
    return cnn.load(path)


def test_the_crafted_file_is_a_net_as_long_as_nothing_is_changed(path):
    assert bits(crafted(path)) == bits(tiny())
    assert bits(crafted(path, stack_of(1000))) == bits(tiny())


def dense(**arguments):
    return {"layers": [{"layer": "Flatten"}, {"layer": "Dense", **arguments}]}


def stack_of(n):
    """So many layers, with the tensors of `tiny()`."""
    return {"layers": [{"layer": "ReLU"}] * (n - 2) + dense(units=2, bias=True)["layers"]}


DEEP = json.loads("[" * 500 + "]" * 500)
BAD_NETS = {
    "an unknown layer": {"layers": [{"layer": "Lambda", "function": "os.system"}]},
    "a layer of a name that Python knows": {"layers": [{"layer": "__init__"}]},
    "a layer without a name": {"layers": [{}]},
    "a layer whose name is none": {"layers": [{"layer": ["Dense"]}]},
    "a layer that is a list": {"layers": [["Dense", 2]]},
    "layers that are no list": {"layers": {"0": {"layer": "Flatten"}}},
    "no layers": {"layers": []},
    "too many layers": stack_of(1001),
    "an unknown argument": dense(units=2, bias=True, seed=3),
    "an argument that is none": dense(units=2, bias=True, self=3),
    "a missing argument": dense(bias=True),
    "units that are text": dense(units="2", bias=True),
    "units that are true": dense(units=True, bias=True),
    "units that are a float": dense(units=2.0, bias=True),
    "units that are null": dense(units=None, bias=True),
    "units that are a list": dense(units=[2], bias=True),
    "units that are nested": dense(units=DEEP, bias=True),
    "no units": dense(units=0, bias=True),
    "negative units": dense(units=-2, bias=True),
    "a billion units": dense(units=10**9, bias=True),
    "more units than an index has": dense(units=10**30, bias=True),
    "units of four thousand digits": dense(units=10**4000, bias=True),
    "a bias that is a number": dense(units=2, bias=1),
    "a bias that is text": dense(units=2, bias="no"),
    "no bias, but a tensor of one": dense(units=2, bias=False),
    "a scale that is text": {"layers": [{"layer": "Rescaling", "scale": "1", "offset": 0.0}]},
    "a scale too large for a float": {"layers": [{"layer": "Rescaling", "scale": 10**400, "offset": 0.0}]},
    "a huge kernel": {"layers": [{"layer": "Conv2D", "filters": 1, "kernel_size": [10**9, 10**9]}]},
    "a huge padding": {"layers": [{"layer": "Conv2D", "filters": 2, "kernel_size": [1, 1], "padding": [10**9, 10**9]}]},
    "an input_shape of another size": {"input_shape": [4, 1, 1]},
    "an input_shape of a huge size": {"input_shape": [10**18, 10**18, 1]},
    "an input_shape of nothing": {"input_shape": [0, 1, 1]},
    "an input_shape of negative sizes": {"input_shape": [-3, -1, 1]},
    "an input_shape of floats": {"input_shape": [3.0, 1, 1]},
    "an input_shape of truths": {"input_shape": [3, True, True]},
    "an input_shape of too many sizes": {"input_shape": [3] + [1] * 1000},
    "an input_shape without sizes": {"input_shape": []},
    "an input_shape that is text": {"input_shape": "3"},
    "an input_shape that is null": {"input_shape": None},
    "another dtype": {"dtype": "float64"},
    "a dtype that is none": {"dtype": "float16"},
    "a dtype of objects": {"dtype": "O"},
    "a dtype that is a list": {"dtype": [["a", "f4"]]},
    "an entry that nobody knows": {"seed": 3},
}


@pytest.mark.parametrize("bad", BAD_NETS.values(), ids=BAD_NETS)
def test_a_net_that_does_not_fit_its_tensors_is_refused(path, bad):
    with pytest.raises(ValueError, match=r"net\.safetensors' cannot be loaded") as error:
        crafted(path, bad)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "more",
    [
        {"version": 2},
        {"version": "1"},
        {"version": True},
        {"version": 1.0},
        {"pickle": "gASVAAAA"},
        {"net": None},
        {"net": []},
    ],
)
def test_another_version_or_entry_is_refused(path, more):
    with pytest.raises(ValueError, match="must be"):
        crafted(path, more=more)


WEIGHTS, BIAS = np.zeros((3, 2), np.float32), np.zeros(2, np.float32)
BAD_TENSORS = {
    "none": {},
    "one is missing": {"dense_1.weights": WEIGHTS},
    "one too many": {"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS, "dense_2.bias": BIAS},
    "a path as a name": {"dense_1.weights": WEIGHTS, "../../dense_1.bias": BIAS},
    "a path beside the right names": {"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS, "/etc/passwd": BIAS},
    "one of a checkpoint in a file that is none": {"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS, "run/a": BIAS},
    "transposed": {"dense_1.weights": WEIGHTS.T, "dense_1.bias": BIAS},
    "another size": {"dense_1.weights": np.zeros((3, 3), np.float32), "dense_1.bias": BIAS},
    "no size": {"dense_1.weights": np.zeros((0, 2), np.float32), "dense_1.bias": BIAS},
    "a scalar": {"dense_1.weights": WEIGHTS, "dense_1.bias": np.float32(0)},
    "another axis": {"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS[None]},
    "another dtype": {"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS.astype(np.float64)},
    "integers": {"dense_1.weights": WEIGHTS, "dense_1.bias": BIAS.astype(np.int64)},
}


@pytest.mark.parametrize("bad", BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_tensors_that_are_not_those_of_the_net_are_refused(path, bad):
    with pytest.raises(ValueError, match=r"net\.safetensors' cannot be loaded"):
        crafted(path, tensors=bad)


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
