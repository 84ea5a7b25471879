"""Names of the classes: assigned, saved, copied, refused."""

from __future__ import annotations

import copy
import pickle

import pytest

import cnn


@pytest.fixture
def net():
    return cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], input_shape=(2, 2, 1), seed=0)


def test_a_net_has_no_names_of_classes_until_they_are_assigned(net):
    assert net.classes is None
    net.classes = ["cat", "dog", "owl"]
    assert net.classes == ("cat", "dog", "owl")
    net.classes = None
    assert net.classes is None


def test_they_go_with_the_file_the_copy_and_the_pickle(net, tmp_path):
    net.classes = ("cat", "dog", "größer")
    net.save(tmp_path / "net.safetensors")
    for other in (cnn.load(tmp_path / "net.safetensors"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.classes == net.classes


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("abc", TypeError, "classes must be a sequence of texts"),
        (3, TypeError, "classes must be a sequence of texts"),
        ([1, 2, 3], ValueError, "classes must be different texts"),
        (["a", "b", "a"], ValueError, "classes must be different texts"),
        (["a", "b", ""], ValueError, "classes must be different texts"),
        (["a", "b"], ValueError, "a name for each of 3 outputs, got 2"),
    ],
)
def test_what_are_no_names_of_the_outputs_is_refused(net, value, error, message):
    net.classes = ("a", "b", "c")
    with pytest.raises(error, match=message):
        net.classes = value
    assert net.classes == ("a", "b", "c")


@pytest.mark.parametrize("value", ["abc", ["a", "b"], [1, 2, 3], {"a": 1}, 3])
def test_a_file_with_other_names_cannot_be_loaded(net, value, tmp_path):
    from cnn.storage import archive, description

    document = description.document(net) | {"classes": value}
    archive.write(tmp_path / "net.safetensors", document, net.snapshot())
    with pytest.raises(ValueError, match="cannot be loaded: classes must"):
        cnn.load(tmp_path / "net.safetensors")
