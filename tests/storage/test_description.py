"""Files that somebody made on purpose: with a right digest, but of nets that their tensors do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from .cases import BIAS, WEIGHTS, bits, crafted, dense, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_crafted_file_is_a_net_as_long_as_nothing_is_changed(path):
    assert bits(crafted(path)) == bits(tiny())
    assert bits(crafted(path, stack_of(1000))) == bits(tiny())


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
    "an activation that is no layer of its own": dense(units=2, bias=True, activation="relu"),
    "an activation of null": dense(units=2, bias=True, activation=None),
    "a dilation of nothing": {"layers": [{"layer": "Conv2D", "filters": 2, "kernel_size": 1, "dilation": 0}]},
    "groups that divide no filters": {
        "layers": [{"layer": "Conv2D", "filters": 2, "kernel_size": [1, 1], "groups": 3}]
    },
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
