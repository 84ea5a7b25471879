"""What all layers share, each alone: shapes, types, gradients, faults; NumPy and compiled, level by level.

The operations under them are tested in `tests/functional`; here it is what a layer makes of them.
"""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cnn
import cnn.reference

from .cases import (
    EVERY_LAYER,
    EVERY_LINEAR_LAYER,
    LAYER_NORMS,
    LAYERS,
    NORMALISING,
    OUTPUT_SHAPES,
    WEIGHTED,
    central_differences,
    far_from_kinks,
    forward_as_before,
    made,
    normal,
)

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- shapes and types --------------------------------------------------------------------------------------


@EVERY_LAYER
def test_a_layer_says_its_shapes_and_keeps_them(ns, dtype, name):
    layer = made(ns, name, dtype)
    assert layer.input_shape == LAYERS[name][1]
    assert layer.output_shape == OUTPUT_SHAPES[name]
    x = normal(1, (3, *layer.input_shape), dtype)
    y = layer.forward(x)
    dx = layer.backward(np.ones(y.shape, dtype))
    assert (y.shape, y.dtype) == ((3, *layer.output_shape), dtype)
    assert (dx.shape, dx.dtype) == (x.shape, dtype)


@EVERY_LAYER
def test_gradients_have_the_shapes_of_their_parameters_and_begin_as_zeros(either, dtype, name):
    layer = made(either, name, dtype)
    assert layer.gradients.keys() == layer.parameters.keys()
    for key, value in layer.parameters.items():
        gradient = layer.gradients[key]
        assert (gradient.shape, gradient.dtype) == (value.shape, value.dtype) == (value.shape, dtype)
        assert not gradient.any()


@EVERY_LAYER
def test_no_images_give_an_empty_result_and_no_gradient(ns, dtype, name):
    layer = made(ns, name, dtype)
    y = layer.forward(np.zeros((0, *layer.input_shape)))
    assert (y.shape, y.dtype) == ((0, *layer.output_shape), dtype)
    for gradient in layer.gradients.values():
        gradient[...] = 7
    assert layer.backward(y).shape == (0, *layer.input_shape)
    assert not any(gradient.any() for gradient in layer.gradients.values())


@pytest.mark.parametrize(
    "make",
    [
        lambda ns: ns.Conv2D(2, 3),
        lambda ns: ns.MaxPool2D(2),
        lambda ns: ns.AvgPool2D(2),
        lambda ns: ns.BatchNorm(),
        lambda ns: ns.Flatten(),
    ],
)
def test_one_channel_may_be_left_out(either, make):
    layer = make(either).build((28, 28, 1), dtype="float64", seed=0)
    x = normal(0, (3, 28, 28))
    y = layer.forward(x)
    assert y.tobytes() == layer.forward(x[..., None]).tobytes()
    layer.forward(x)
    assert layer.backward(y).shape == (3, 28, 28, 1)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int16", "float16", "float32", "float64", ">f8", ">i4"])
@pytest.mark.parametrize(
    "name",
    [
        "convolution",
        "pooling",
        "mean pooling",
        "dense",
        "relu",
        "dropout",
        "normalisation",
        "layer norm",
        "flatten",
        "rescaling",
    ],
)
def test_inputs_of_other_types_are_converted_to_the_layers(either, dtype, name, kind):
    layer = made(either, name, dtype)
    x = (abs(normal(0, (2, *layer.input_shape))) * 3).astype(kind)
    before = x.copy()
    assert forward_as_before(layer, x).tobytes() == forward_as_before(layer, x.astype(dtype)).tobytes()
    assert np.array_equal(x, before)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (cnn.Conv2D(8, 3, padding="same").build((28, 28, 1)), 28 * 28 * 3 * 3 * 8),
        (cnn.Conv2D(16, (5, 4), stride=2).build((14, 13, 6)), 5 * 5 * 5 * 4 * 6 * 16),
        (cnn.Dense(128).build((784,)), 784 * 128),
        (cnn.MaxPool2D(2).build((28, 28, 8)), 0),
    ],
)
def test_multiply_adds_of_one_image_are_counted(layer, macs):
    assert layer.macs == macs


def test_a_layer_may_be_built_anew_for_another_shape(either):
    layer = either.Conv2D(2, 3).build((5, 5, 1), seed=0)
    layer.forward(np.zeros((1, 5, 5, 1)))
    assert layer.build((8, 9, 3), dtype="float64", seed=0).output_shape == (6, 7, 2)
    assert layer.weights.shape == layer.gradients["weights"].shape == (3, 3, 3, 2)
    assert layer.weights.dtype == np.float64
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(np.zeros((1, 3, 3, 2)))


# ---- gradients ---------------------------------------------------------------------------------------------


@EVERY_LINEAR_LAYER
def test_gradients_are_finite_differences(ns, name):
    layer = made(ns, name)
    x = far_from_kinks(1, (2, *layer.input_shape))
    if "bias" in layer.parameters:
        layer.bias = normal(2, layer.bias.shape)
    dy = normal(3, (2, *layer.output_shape))
    y = layer.forward(x)
    derivatives = {"x": layer.backward(dy), **{k: v.copy() for k, v in layer.gradients.items()}}
    # A layer is linear in each number as long as no maximum changes, so a central difference is off by the
    # rounding of its two sums alone: of at most `terms` terms, each no larger than the products of the largest.
    h = 2**-6
    weights = max((np.abs(value).max() for value in layer.parameters.values()), default=1)
    terms = x.size + y.size
    bound = terms * np.finfo(float).eps * terms * np.abs(dy).max() * max(weights, 1) * np.abs(x).max() / h
    assert bound < 1e-6
    for key, variable in {"x": x, **layer.parameters}.items():
        numeric = central_differences(layer, dy, variable, x, h)
        np.testing.assert_allclose(derivatives[key], numeric, rtol=0, atol=bound, err_msg=key)


@pytest.mark.parametrize("name", WEIGHTED + NORMALISING + LAYER_NORMS)
def test_gradients_are_replaced_and_not_added_up(ns, dtype, name):
    layer = made(ns, name, dtype)
    arrays = dict(layer.gradients)
    x, dy = normal(0, (3, *layer.input_shape), dtype), normal(1, (3, *layer.output_shape), dtype)
    layer.forward(x)
    layer.backward(dy)
    once = {key: value.tobytes() for key, value in layer.gradients.items()}
    layer.backward(dy)
    assert {key: value.tobytes() for key, value in layer.gradients.items()} == once
    assert all(layer.gradients[key] is value for key, value in arrays.items())


@EVERY_LAYER
def test_the_gradient_is_that_of_the_last_forward(either, name):
    layer = made(either, name)
    first, last = normal(0, (2, *layer.input_shape)), normal(1, (4, *layer.input_shape))
    dy = normal(2, (4, *layer.output_shape))
    forward_as_before(layer, last)
    expected = layer.backward(dy)
    gradients = {key: value.copy() for key, value in layer.gradients.items()}
    layer.forward(first)
    forward_as_before(layer, last)
    assert layer.backward(dy).tobytes() == expected.tobytes()
    assert all(np.array_equal(layer.gradients[key], value) for key, value in gradients.items())


# ---- compiled and reference --------------------------------------------------------------------------------


def made_positive(layer):
    """The layer with the magnitudes of its numbers: what it computes bounds the terms of the sums of the other."""
    for value in layer.parameters.values():
        np.abs(value, out=value)
    for number in ("scale", "offset"):
        if hasattr(layer, number):
            setattr(layer, number, abs(getattr(layer, number)))
    return layer


@EVERY_LINEAR_LAYER
def test_compiled_and_reference_layers_agree(level, dtype, name):
    compiled, exact, bound = made(cnn, name, dtype), made(cnn.reference, name), made(cnn.reference, name)
    for key, value in compiled.parameters.items():
        exact.parameters[key][...] = bound.parameters[key][...] = value
    x, dy = normal(1, (5, *exact.input_shape), dtype), normal(2, (5, *exact.output_shape), dtype)
    # A maximum of magnitudes is another one's; but a pooling or a ReLU only picks from x, without rounding.
    picks = isinstance(exact, cnn.MaxPool2D | cnn.ReLU)
    computed, right, magnitude = (
        {"y": layer.forward(xi), "dx": layer.backward(dyi), **layer.gradients}
        for layer, xi, dyi in (
            (compiled, x, dy),
            (exact, x, dy),
            (bound if picks else made_positive(bound), x if picks else abs(x), abs(dy)),
        )
    )
    terms = max(x.size, dy.size) + 1
    for key, value in computed.items():
        tolerance = terms * np.finfo(dtype).eps * np.abs(magnitude[key])
        assert (np.abs(value - right[key]) <= tolerance).all(), key


@EVERY_LAYER
def test_compiled_and_reference_layers_begin_with_the_same_parameters(dtype, name):
    ours, theirs = (made(ns, name, dtype, seed=5).parameters for ns in (cnn, cnn.reference))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert value.tobytes() == theirs[key].tobytes()


# ---- calls out of order and shapes that do not fit ---------------------------------------------------------


@EVERY_LAYER
def test_backward_before_forward_is_a_runtime_error(either, name):
    layer = made(either, name)
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}.backward was called before forward"):
        layer.backward(np.zeros((1, *layer.output_shape)))


@EVERY_LAYER
def test_forward_before_build_is_a_runtime_error(either, name):
    make, input_shape = LAYERS[name]
    with pytest.raises(RuntimeError, match="build"):
        make(either).forward(np.zeros((1, *input_shape)))


@EVERY_LAYER
def test_a_gradient_of_another_shape_is_a_value_error(either, name):
    layer = made(either, name)
    layer.forward(np.zeros((2, *layer.input_shape)))
    right = (2, *layer.output_shape)
    for shape in ((3, *right[1:]), (*right[:-1], right[-1] + 1), right[1:], (1, *right), (0, *right[1:])):
        with pytest.raises(ValueError, match="dy must have shape") as error:
            layer.backward(np.zeros(shape))
        assert str(right) in str(error.value)
        assert str(shape) in str(error.value)
    assert layer.backward(np.zeros(right)).shape == (2, *layer.input_shape)


@EVERY_LAYER
def test_an_input_of_another_shape_is_a_value_error_naming_both(either, name):
    layer = made(either, name)
    wanted = layer.input_shape
    for shape in (wanted, (2, *wanted[:-1], wanted[-1] + 1), (2, wanted[0] + 1, *wanted[1:]), (2, 1, *wanted)):
        with pytest.raises(ValueError, match="x must have shape") as error:
            layer.forward(np.zeros(shape))
        assert ", ".join(map(str, wanted)) in str(error.value)
        assert str(shape) in str(error.value)


@EVERY_LAYER
@pytest.mark.parametrize(
    "bad", [None, "image", object(), np.array([None]), 1j, np.ma.masked_array(np.zeros(3), mask=[0, 1, 0])]
)
def test_what_is_no_array_of_real_numbers_is_a_type_error(either, name, bad):
    layer = made(either, name)
    with pytest.raises(TypeError, match=r"^x "):
        layer.forward(bad)
    layer.forward(np.zeros((1, *layer.input_shape)))
    with pytest.raises(TypeError, match=r"^dy "):
        layer.backward(bad)


# ---- as a net calls them -----------------------------------------------------------------------------------


@EVERY_LAYER
def test_forward_and_backward_are_apply_and_its_gradient_with_checks(either, dtype, name):
    layer, by_hand = made(either, name, dtype), made(either, name, dtype)
    x, dy = normal(0, (3, *layer.input_shape), dtype), normal(1, (3, *layer.output_shape), dtype)
    y, kept = by_hand.apply(x, training=True)
    assert layer.forward(x).tobytes() == y.tobytes()
    assert layer.backward(dy).tobytes() == by_hand.apply_gradient(dy, kept).tobytes()
    for key, value in layer.gradients.items():
        assert value.tobytes() == by_hand.gradients[key].tobytes()
    assert layer.forward(x, training=False).tobytes() == by_hand.apply(x, training=False)[0].tobytes()


@EVERY_LAYER
def test_many_threads_may_predict_with_one_layer(either, name):
    layer = made(either, name)
    batches = [normal(seed, (seed + 1, *layer.input_shape)) for seed in range(20)]
    state = pickle.dumps(layer)
    alone = [layer.apply(x, training=False)[0].tobytes() for x in batches]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda x: layer.apply(x, training=False)[0].tobytes(), batches))
    assert together == alone
    assert pickle.dumps(layer) == state


@EVERY_LAYER
def test_an_output_shape_is_inferred_without_a_change_of_the_layer(either, name):
    make, input_shape = LAYERS[name]
    layer = make(either)
    state = pickle.dumps(layer)
    assert layer.infer_output_shape(input_shape) == OUTPUT_SHAPES[name]
    assert pickle.dumps(layer) == state


# ---- in a net ----------------------------------------------------------------------------------------------

FIXED = [
    "input_shape", "output_shape", "geometry", "macs", "memory_order", "dtype", "backend", "parameters", "gradients",
    "statistics", "in_net",
]  # fmt: skip


def in_a_net(ns, name: str):
    """The layer, the first of a net, and the net."""
    make, input_shape = LAYERS[name]
    layer = make(ns)
    return layer, ns.Sequential([layer, ns.Flatten(), ns.Dense(3)], input_shape, dtype="float64", seed=0)


@EVERY_LAYER
@pytest.mark.parametrize("attribute", FIXED)
def test_what_a_net_has_taken_of_a_layer_cannot_be_changed(either, name, attribute):
    layer, _ = in_a_net(either, name)
    before = getattr(layer, attribute)
    message = f"^{attribute} of a {type(layer).__name__} in a net cannot be changed; make another net$"
    for value in (before, None):
        with pytest.raises(AttributeError, match=message):
            setattr(layer, attribute, value)
    assert getattr(layer, attribute) is before or getattr(layer, attribute) == before


@EVERY_LAYER
def test_no_argument_of_a_layer_in_a_net_can_be_changed(either, name):
    layer, _ = in_a_net(either, name)
    for argument, value in layer.configuration().items():
        if argument == "bias":  # the parameter
            continue
        with pytest.raises(AttributeError, match=f"^{argument} of a "):
            setattr(layer, argument, value)


@EVERY_LAYER
def test_a_layer_in_a_net_is_built_for_no_other_shape_and_goes_on_as_it_was(either, name):
    layer, net = in_a_net(either, name)
    _, untouched = in_a_net(either, name)
    larger = (*(4 * size for size in layer.input_shape[:-1]), layer.input_shape[-1])
    for call in (layer.fix_shapes, layer.build):
        with pytest.raises(RuntimeError, match=f"^the {type(layer).__name__} is in a net, which has built it"):
            call(larger)
    layer.infer_output_shape(layer.input_shape)
    x = normal(0, (5, *layer.input_shape))
    for each in (net, untouched):
        each.fit(x, [0, 1, 2, 0, 1], epochs=2, seed=0, progress=False)
    assert {name: value.tobytes() for name, value in net.state().items()} == {
        name: value.tobytes() for name, value in untouched.state().items()
    }


@EVERY_LAYER
@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_of_a_layer_in_a_net_holds_the_same(either, name, copy_of):
    layer, _ = in_a_net(either, name)
    twin = copy_of(layer)
    assert repr(twin.configuration()) == repr(layer.configuration())
    assert (twin.input_shape, twin.output_shape, twin.geometry) == (
        layer.input_shape, layer.output_shape, layer.geometry
    )  # fmt: skip
    assert all(np.array_equal(twin.parameters[key], value) for key, value in layer.parameters.items())
