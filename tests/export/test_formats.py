"""Which format a file's name or an argument means, and layers that a format lacks."""

from __future__ import annotations

import pytest

import cnn
from cnn.export.formats import format_of
from cnn.export.layers import method_of


@pytest.mark.parametrize(
    ("path", "format", "expected"),
    [("net.onnx", None, "onnx"), ("a/NET.H", None, "c"), ("net.html", None, "html"), ("net.txt", "html", "html")],
)
def test_the_suffix_or_the_argument_says_the_format(path, format, expected):
    assert format_of(path, format) == expected


def test_what_says_none_is_refused():
    with pytest.raises(ValueError, match=r"path must end with \.onnx \(onnx\), .*, or format .* got 'net.pb'"):
        format_of("net.pb", None)
    with pytest.raises(ValueError, match="format must be one of onnx, c, html, got 'onx'; did you mean 'onnx'"):
        format_of("net.onnx", "onx")


@pytest.mark.parametrize("write", ["onnx", "c", "html", "torch"])
@pytest.mark.parametrize("net", [None, "net.safetensors", cnn.Sequential, cnn.Dense(3)], ids=repr)
def test_what_is_no_net_is_refused(write, net, tmp_path):
    arguments = () if write == "torch" else (tmp_path / "net",)
    with pytest.raises(TypeError, match=r"^net must be a cnn\.Sequential, got "):
        getattr(cnn.export, write)(net, *arguments)
    assert not any(tmp_path.iterdir())


class Doubled(cnn.Layer):
    def apply(self, x, training):
        return 2 * x, None

    def apply_gradient(self, dy, kept):
        return 2 * dy

    def to_nothing(self):
        return "doubled"


class Trebled(Doubled):
    """It computes something else than its parent, whose method is somebody else's and so its own affair."""


class Reversed(cnn.ReLU):
    def apply(self, x, training):
        return -x, None

    def apply_gradient(self, dy, kept):
        return -dy


def test_a_layer_without_the_method_is_named():
    with pytest.raises(ValueError, match="relu_1, a ReLU, cannot be written as Nothing: the class has no to_nothing"):
        method_of(cnn.ReLU(), "relu_1", "to_nothing", "Nothing")


def test_a_layer_of_ones_own_may_have_it():
    assert method_of(Doubled(), "doubled_1", "to_nothing", "Nothing")() == "doubled"
    assert method_of(Trebled(), "trebled_1", "to_nothing", "Nothing")() == "doubled"


def test_a_subclass_that_computes_something_else_is_not_written_as_its_parent(monkeypatch):
    monkeypatch.setattr(cnn.ReLU, "to_nothing", lambda self: "relu", raising=False)
    assert method_of(cnn.ReLU(), "relu_1", "to_nothing", "Nothing")() == "relu"
    with pytest.raises(ValueError, match=r"reversed_1, a Reversed, .* has no to_nothing of its own"):
        method_of(Reversed(), "reversed_1", "to_nothing", "Nothing")
