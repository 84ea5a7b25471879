"""Plans, and the whole steps and predictions that the kernels make of them: against the reference, and bit by bit.

Three comparisons with the reference. Of any net in small whole numbers, where every sum is exact in any order: the
results are equal. Of any net, twenty steps in float64. Of the nets of the benchmarks and a few more, twenty steps in
each precision, within what rounding does to the reference in float64.
"""

from __future__ import annotations

import copy
import functools
import math
import signal
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cnn
import cnn.models
import cnn.plan.make
import cnn.reference
import cnn_c

pytestmark = pytest.mark.usefixtures("two_threads")

Make = Callable[[], cnn.layers.Layer]


def net_of(layers: list[Make], shape, dtype="float64", seed=0):
    """A net with biases that are not zero, and slopes that are not one."""
    net = cnn.Sequential([make() for make in layers], shape, dtype=dtype, seed=seed)
    for name, value in net.parameters().items():
        if not name.endswith("weights"):
            mean = 1 if name.endswith("gamma") else 0
            value[...] = mean + np.random.default_rng(seed).uniform(-0.1, 0.1, value.shape)
    return net


def counterpart(net, dtype="float64"):
    """The same layers with the same parameters and running statistics, run by the reference."""
    layers = [type(layer)(**layer.configuration()) for layer in net.layers]
    made = cnn.Sequential(layers, net.input_shape, dtype, backend="numpy")
    for value, given_value in zip(made.state().values(), net.state().values(), strict=True):
        value[...] = given_value
    made.step_seed = net.step_seed  # or other values would be dropped
    return made


def flat(net) -> np.ndarray:
    """A copy of all that the net has learned: its parameters, then its running statistics, as they lie in memory."""
    return np.concatenate(net.executor.learned)


def noise(net, n: int, kind=None, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Images of `kind` and labels for a net; without a kind, of that which it is made for."""
    rng = np.random.default_rng(seed)
    shape = (n, *net.input_shape)
    kind = kind or ("uint8" if isinstance(net.layers[0], cnn.Rescaling) else "float32")
    x = rng.integers(0, 256, shape, dtype=np.uint8) if kind == "uint8" else rng.standard_normal(shape).astype(kind)
    return x, rng.integers(0, net.output_shape[0], n)


# ---- nets ----------------------------------------------------------------------------------------------------


def general(seed=0, dtype="float32"):
    """A net whose operations are those that the models lack: unfused ones, a rescaling in between, a copy."""
    layers = [
        cnn.Conv2D(5, 3, padding=1), cnn.MaxPool2D(2),
        cnn.Rescaling(0.5, 0.25),
        cnn.Conv2D(9, (2, 3), stride=(1, 2), bias=False), cnn.ReLU(), cnn.MaxPool2D(3, stride=1, padding=1, ties="all"),
        cnn.Conv2D(18, 3, padding=2), cnn.ReLU(), cnn.MaxPool2D(2), cnn.ReLU(),
        cnn.Flatten(), cnn.Rescaling(2.0), cnn.Dense(21, bias=False), cnn.ReLU(), cnn.Dense(6),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(17, 14, 2), seed=seed, dtype=dtype)


def unpooled(seed=0, dtype="float32"):
    layers = [
        cnn.Rescaling(1 / 64, -2.0), cnn.Conv2D(3, (3, 2), stride=2, padding=(2, 1)), cnn.ReLU(), cnn.Conv2D(17, 2),
        cnn.Flatten(), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(8, 9, 1), seed=seed, dtype=dtype)


def dense_alone(seed=0, dtype="float32"):
    layers = [cnn.Rescaling(1 / 64, -2.0), cnn.Flatten(), cnn.Dense(33), cnn.ReLU(), cnn.Dense(9), cnn.Dense(5)]
    return cnn.Sequential(layers, input_shape=(7, 5, 2), seed=seed, dtype=dtype)


def normalised(seed=0, dtype="float32", rate=0.25):
    """A net with a normalisation, and pooling, after every convolution, and dropout."""
    layers = [
        cnn.Rescaling(1 / 64, -2.0),
        cnn.Conv2D(6, 3, padding="same"), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(9, (3, 2), bias=False), cnn.BatchNorm(momentum=0.5), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(21), cnn.BatchNorm(epsilon=0.01), cnn.ReLU(), cnn.Dropout(rate), cnn.Dense(7),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(12, 13, 1), seed=seed, dtype=dtype)


def averaged(seed=0, dtype="float32"):
    """A net with average pooling, overlapping and not, and dropout of a map."""
    layers = [
        cnn.Conv2D(5, 3, padding=1), cnn.ReLU(), cnn.AvgPool2D(2), cnn.Dropout(0.1),
        cnn.Conv2D(9, 2), cnn.AvgPool2D(3, stride=2, padding=1), cnn.ReLU(), cnn.Flatten(), cnn.Dense(6),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(11, 12, 2), seed=seed, dtype=dtype)


MODELS = {"A": cnn.models.tutorial, "B": cnn.models.two_conv, "L": cnn.models.lenet5}
NETS = MODELS | {
    "general": general,
    "unpooled": unpooled,
    "dense alone": dense_alone,
    "normalised": normalised,
    "averaged": averaged,
}


SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))
FILTERS = st.just(1) | st.integers(1, 18)  # maps of one channel are convolved in their own way


@st.composite
def stacks(draw, whole_numbers=False, dropout=True):
    """Layers and the shape of the images that they take; in whole numbers, what keeps them simple fractions."""
    shape = draw(st.tuples(st.integers(2, 17), st.integers(2, 17), st.sampled_from([1, 1, 2, 3])))
    layers: list[Make] = []
    here = shape

    def add(*made: Make):
        """What fits is added: a kernel may be larger than what the layers before it left of the image."""
        nonlocal here
        after = here
        try:
            for make in made:
                after = make().build(after).output_shape
        except ValueError:
            return
        layers.extend(made)
        here = after

    pixels = [(2.0, -3.0), (-1.0, 4.0)] if whole_numbers else [(1 / 4, 0.0), (-1 / 3, 0.5)]
    rescaling = st.sampled_from([functools.partial(cnn.Rescaling, *pair) for pair in pixels])
    rates = [0.5, 0.75] if whole_numbers else [0.1, 0.5, 0.9]
    dropping = st.sampled_from([functools.partial(cnn.Dropout, rate) for rate in rates])
    # A normalisation divides what is rounded by the root of its variance plus epsilon. Of one image, or of a channel
    # that a ReLU has silenced, the variance is 0, and it is the root of epsilon that says how much rounding grows.
    normalisation = functools.partial(cnn.BatchNorm, momentum=0.7, epsilon=0.5)
    kinds = ["conv+pool", "conv+pool", "conv", "conv", "pool", "mean pool", "relu", "rescaling"]
    kinds += ["dropout"] * dropout + ["normalisation"] * (not whole_numbers)
    if draw(st.booleans()):
        add(draw(rescaling))
    if not whole_numbers and draw(st.sampled_from([False, False, True])):
        add(normalisation)  # something that learns, below the convolution of an image
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(kinds))
        if kind.startswith("conv"):
            size = draw(st.sampled_from([3, 5]) | st.tuples(st.integers(1, 5), st.integers(1, 5)))
            widest = [side - 1 for side in ((size, size) if isinstance(size, int) else size)]
            stride = 1 if kind == "conv+pool" else draw(st.integers(1, 3))
            # Of a window, some part lies on the image: windows of padding alone would tie up to rounding.
            padding = draw(st.sampled_from(["valid", "same"]) | st.tuples(*(st.integers(0, most) for most in widest)))
            made = [
                functools.partial(
                    cnn.Conv2D, draw(FILTERS), size, stride=stride, padding=padding, bias=draw(st.booleans())
                )
            ]
            if not whole_numbers and draw(st.booleans()):
                made.append(normalisation)
            if draw(st.booleans()):
                made.append(cnn.ReLU)
            if kind == "conv+pool":
                made.append(cnn.MaxPool2D)
            add(*made)
        elif kind == "pool":
            size, ties = draw(st.integers(1, 3)), draw(st.sampled_from(["first", "all"]))
            stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, size // 2))
            add(functools.partial(cnn.MaxPool2D, size, stride=stride, padding=padding, ties=ties))
        elif kind == "mean pool":
            size = draw(st.sampled_from([(1, 2), (2, 1), (2, 2)]) | (st.nothing() if whole_numbers else SIZES))
            padding = 0 if whole_numbers else draw(st.integers(0, min(size) // 2))
            add(functools.partial(cnn.AvgPool2D, size, stride=draw(st.integers(1, 3)), padding=padding))
        elif kind == "normalisation":
            add(normalisation)
        else:
            add(cnn.ReLU if kind == "relu" else draw(rescaling if kind == "rescaling" else dropping))
    classes = 2 if whole_numbers else draw(st.integers(2, 18))
    if draw(st.sampled_from([False, False, True])):  # maps of one number, a class each, make the logits
        window = here[:2] if whole_numbers else draw(st.sampled_from([here[:2], (1, 1)]))
        add(functools.partial(cnn.Conv2D, classes, window, bias=draw(st.booleans())))
        if window != here[:2]:
            add(functools.partial(cnn.AvgPool2D, here[:2]))
        add(cnn.Flatten)
        return layers, shape
    add(cnn.Flatten)
    for _ in range(draw(st.integers(0, 2))):
        add(functools.partial(cnn.Dense, draw(st.integers(1, 35)), bias=draw(st.booleans())))
        if not whole_numbers and draw(st.booleans()):
            add(normalisation)
        if draw(st.booleans()):
            add(cnn.ReLU)
        if dropout and draw(st.booleans()):
            add(draw(dropping))
    add(functools.partial(cnn.Dense, classes, bias=draw(st.booleans())))
    return layers, shape


RULES = {
    "plain": functools.partial(cnn.SGD),
    "weight decay": functools.partial(cnn.SGD, weight_decay=0.5),
    "momentum": functools.partial(cnn.SGD, momentum=0.5),
    "nesterov": functools.partial(cnn.SGD, momentum=0.5, nesterov=True, weight_decay=0.25),
    # An epsilon of the size of the gradients: else a step hangs on the sign of gradients that are rounding alone.
    "adam": functools.partial(cnn.Adam, epsilon=1e-3, weight_decay=0.01),
    "adamw": functools.partial(cnn.AdamW, epsilon=1e-3, weight_decay=0.5),
}
KINDS = ["uint8", "float32", "float64"]
STEPS = 20


def fitted(net, x, y, batch_size, rule, rate=0.01, steps=STEPS, **options) -> cnn.training.history.History:
    """At least so many steps."""
    epochs = -(-steps // -(-len(x) // batch_size))
    options = {"optimizer": RULES[rule](rate), "epochs": epochs, "seed": 5, "progress": False} | options
    return net.fit(x, y, batch_size=batch_size, **options)


# ---- what is fused -----------------------------------------------------------------------------------------


def operations(net, training=True) -> list[tuple[str, str]]:
    return [(o.label, o.layers) for o in cnn.plan.make.make_plan(net.layers, net.layer_names, 32, training).operations]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("A", [
            ("load", "rescaling_1"), ("image conv+pool", "conv2d_1, maxpool2d_1"), ("copy", ""), ("dense", "dense_1"),
        ]),
        ("B", [
            ("load", "rescaling_1"), ("image conv+pool", "conv2d_1, relu_1, maxpool2d_1"),
            ("conv+pool", "conv2d_2, relu_2, maxpool2d_2"), ("dense", "dense_1, relu_3"), ("dense", "dense_2"),
        ]),
        ("L", [
            ("load", "rescaling_1"), ("image conv+pool", "conv2d_1, relu_1, maxpool2d_1"),
            ("conv+pool", "conv2d_2, relu_2, maxpool2d_2"), ("dense", "dense_1, relu_3"), ("dense", "dense_2, relu_4"),
            ("dense", "dense_3"),
        ]),
    ],
)  # fmt: skip
def test_the_models_are_a_few_fused_operations(model, expected):
    assert operations(MODELS[model]()) == expected


def test_while_training_a_normalisation_and_its_relu_are_one_operation_and_dropout_is_one():
    assert operations(normalised()) == [
        ("load", "rescaling_1"),
        ("conv", "conv2d_1"), ("batchnorm", "batchnorm_1, relu_1"), ("maxpool", "maxpool2d_1"),
        ("conv", "conv2d_2"), ("batchnorm", "batchnorm_2"), ("maxpool", "maxpool2d_2"),
        ("dense", "dense_1"), ("batchnorm", "batchnorm_3, relu_2"), ("dropout", "dropout_1"), ("dense", "dense_2"),
    ]  # fmt: skip


def test_for_predictions_a_normalisation_is_in_the_convolution_below_it_and_dropout_is_gone():
    assert [step for step in operations(normalised(), training=False) if step[0] != "copy"] == [
        ("load", "rescaling_1"),
        ("image conv+pool", "conv2d_1, batchnorm_1, relu_1, maxpool2d_1"),
        ("conv+pool", "conv2d_2, batchnorm_2, maxpool2d_2"),
        ("dense", "dense_1"), ("batchnorm", "batchnorm_3, relu_2"), ("dense", "dense_2"),
    ]  # fmt: skip
    assert operations(averaged(), training=False) == [
        ("load", ""), ("conv", "conv2d_1"), ("relu", "relu_1"), ("avgpool", "avgpool2d_1"),
        ("conv", "conv2d_2"), ("avgpool", "avgpool2d_2"), ("relu", "relu_2"), ("dense", "dense_1"),
    ]  # fmt: skip


@pytest.mark.parametrize("layers", [[cnn.Conv2D(4, 3, stride=2)], [cnn.Conv2D(4, 3), cnn.ReLU(), cnn.MaxPool2D(3)]])
def test_a_convolution_that_is_not_pooled_takes_its_normalisation_alone(layers):
    layers = [layers[0], cnn.BatchNorm(), *layers[1:], cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, 2))
    assert operations(net, training=False)[1] == ("conv", "conv2d_1, batchnorm_1")
    assert operations(net)[1:3] == [
        ("conv", "conv2d_1"),
        ("batchnorm", "batchnorm_1, relu_1" if len(layers) > 4 else "batchnorm_1"),
    ]


@pytest.mark.parametrize("name", NETS)
def test_gradients_go_down_to_the_first_layer_with_parameters(name):
    plan = cnn.plan.make.make_plan(NETS[name]().layers, NETS[name]().layer_names, 32, training=True)
    has_weights = [o.w >= 0 for o in plan.operations]
    assert plan.lowest == has_weights.index(True)
    assert [o.with_dx for o in plan.operations] == [i > plan.lowest for i in range(len(plan.operations))]


@pytest.mark.parametrize(
    ("convolution", "pooling"),
    [
        ({"stride": 2}, {}),
        ({"stride": (1, 2)}, {}),
        ({}, {"pool_size": 3}),
        ({}, {"pool_size": (2, 3)}),
        ({}, {"stride": 1}),
        ({}, {"padding": 1}),
        ({}, {"ties": "all"}),
    ],
)
def test_a_convolution_with_a_stride_or_another_pooling_stays_by_itself(convolution, pooling):
    layers = [cnn.Conv2D(4, 3, **convolution), cnn.ReLU(), cnn.MaxPool2D(**pooling), cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, 1))
    pool = ("maxpool, ties" if "ties" in pooling else "maxpool", "maxpool2d_1")
    assert operations(net) == [("load", ""), ("conv", "conv2d_1"), ("relu", "relu_1"), pool, ("dense", "dense_1")]


@pytest.mark.parametrize(
    ("channels", "size", "kind"),
    [(1, 3, "image conv+pool"), (1, 5, "image conv+pool"), (1, 4, "conv+pool"), (2, 3, "conv+pool")],
)
def test_images_of_one_channel_have_an_operation_of_their_own_for_the_usual_kernels(channels, size, kind):
    layers = [cnn.Conv2D(4, size), cnn.MaxPool2D(), cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, channels))
    assert (kind, "conv2d_1, maxpool2d_1") in operations(net)


@pytest.mark.parametrize("learns", [cnn.BatchNorm, functools.partial(cnn.Conv2D, 1, 1)], ids=["norm", "convolution"])
@pytest.mark.parametrize("size", [3, 5])
def test_below_a_fused_convolution_of_one_channel_what_learns_gets_its_gradient(level, learns, size):
    layers = [learns(), cnn.Conv2D(4, size), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(10)]
    net = cnn.Sequential(layers, (12, 12, 1), dtype="float64", seed=0)
    assert ("conv+pool", f"{net.layer_names[1]}, maxpool2d_1") in operations(net)
    reference = counterpart(net)
    before = [value.copy() for value in net.layers[0].parameters.values()]
    for either in (net, reference):
        either.train_on_batch(*noise(net, 20, "float64"), cnn.SGD(0.1))
    # Sums of fewer than 10,000 terms, of numbers below 10, times the rate.
    np.testing.assert_allclose(flat(net), flat(reference), rtol=0, atol=10_000 * np.finfo(float).eps)
    for value, old in zip(net.layers[0].parameters.values(), before, strict=True):
        assert (np.abs(value - old) > 1e-6).all()


@pytest.mark.parametrize("name", NETS)
def test_a_plan_prints_every_layer_and_the_multiply_adds_of_the_summary(capsys, name):
    net = NETS[name]()
    net.summary()
    _, _, *layers, _, summary_total = (line.split() for line in capsys.readouterr().out.splitlines())
    macs = {row[0]: int(row[-1].replace(",", "")) for row in layers}
    net.plan(batch_size=48)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["operation", "layers", "output", "bytes", "MACs"]
    assert "48 images" in lines[-1]
    *rows, _, total, _, _ = lines[2:]
    named = []
    for row in rows:
        of_row = [word.rstrip(",") for word in row.split() if word.rstrip(",") in macs]
        assert int(row.split()[-1].replace(",", "")) == sum(macs[name] for name in of_row)
        named += of_row
    assert named == [name for name in macs if not name.startswith("flatten")]  # which does nothing
    assert total.split()[0] == "total"
    assert total.split()[-1] == summary_total[-1]


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (None, TypeError)])
def test_a_plan_for_no_batch_is_refused(bad, error):
    with pytest.raises(error, match="batch_size must"):
        general().plan(bad)


def test_a_batch_of_more_numbers_than_an_index_reaches_is_refused():
    with pytest.raises(ValueError, match=r"^the net's memory for a batch overflow"):
        general().plan(2**55)


@pytest.mark.parametrize("batch_size", [1, 2, 15, 16, 17, 33, 1000])
def test_every_image_is_in_one_chunk_and_chunks_differ_by_one_image_at_most(batch_size):
    plan = cnn.plan.make.make_plan(general().layers, general().layer_names, batch_size, training=True)
    assert 1 <= plan.block <= plan.batch_size == batch_size
    edges = [batch_size * chunk // plan.chunks for chunk in range(plan.chunks + 1)]
    sizes = np.diff(edges)
    assert (edges[0], edges[-1]) == (0, batch_size)
    assert 1 <= sizes.min() <= sizes.max() <= sizes.min() + 1


# ---- any net, in whole numbers -----------------------------------------------------------------------------


def last_with_parameters(net) -> cnn.layers.Layer:
    """The one that gives the logits."""
    return [layer for layer in net.layers if layer.parameters][-1]


def fill_with_whole_numbers(net, rng: np.random.Generator, margin: int):
    """Weights of -1, 0, 1, about three of them to an output, and small biases; logits are multiples of `margin`."""
    for layer in net.layers:
        for name, value in layer.parameters.items():
            few = min(1, 3 / math.prod(value.shape[:-1]))
            value[...] = rng.choice([-1, 0, 1], value.shape, p=[few / 2, 1 - few, few / 2])
            if name == "bias":
                value[...] = rng.integers(-2, 3, value.shape)
            if layer is last_with_parameters(net):
                value *= margin


def largest_number(net, largest_pixel: float, n: int) -> float:
    """A bound on all numbers of a step with a batch of n, and on all partial sums, in units of 1 / n.

    But for average pooling, whose windows divide the units once more.
    """
    x, inputs = largest_pixel, []
    for layer in net.layers:
        inputs.append(x)
        if isinstance(layer, cnn.Rescaling):
            x = abs(layer.scale) * x + abs(layer.offset)
        elif isinstance(layer, cnn.Dropout):
            x /= 1 - layer.rate
        elif layer.parameters:
            w = np.abs(layer.weights).reshape(-1, layer.weights.shape[-1])
            x = x * w.sum(axis=0).max() + (0 if layer.bias is None else np.abs(layer.bias).max())
    largest, dy = n * max(x, *inputs), 1.0
    for layer, x in zip(net.layers[::-1], inputs[::-1], strict=True):
        if isinstance(layer, cnn.Rescaling):
            dy *= abs(layer.scale)
        elif isinstance(layer, cnn.MaxPool2D):
            dy *= math.prod(layer.pool_size)  # windows that a pixel may be in
        elif isinstance(layer, cnn.Dropout):
            dy /= 1 - layer.rate
        elif layer.parameters:
            gradient = n * math.prod(layer.output_shape[:-1]) * dy * max(x, 1)
            largest = max(largest, gradient + n * np.abs(layer.weights).max())
            w = np.abs(layer.weights)
            dy *= w.sum(axis=tuple(i for i in range(w.ndim) if i != w.ndim - 2)).max()
    return largest


@given(
    stacks(whole_numbers=True),
    st.sampled_from([1, 2, 4, 8, 16, 32]),
    st.sampled_from([rule for rule in RULES if not rule.startswith("adam")]),
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
)
def test_a_step_of_any_net_in_whole_numbers_is_that_of_numpy(level, dtype, stack, n, rule, kind, seed):
    # All sums are of multiples of 1 / n, too few for any to be rounded, so that their order is of no account and ties
    # are ties on both sides. Two classes whose logits are far apart, or equal, have probabilities of 0, 1/2 and 1.
    rng = np.random.default_rng(seed)
    net = net_of(*stack, dtype=dtype)
    windows = math.prod(math.prod(layer.pool_size) for layer in net.layers if isinstance(layer, cnn.AvgPool2D))
    fill_with_whole_numbers(net, rng, margin=windows * (128 if dtype == np.float32 else 1024))
    quarters = 4  # into which weight decay and the momentum divide
    assume(quarters * windows * largest_number(net, 8, n) < 1 / np.finfo(dtype).eps)
    reference = counterpart(net, dtype)
    before = flat(net)
    x, y = rng.integers(0, 9, (n, *net.input_shape)).astype(kind), rng.integers(0, 2, n)
    assert np.array_equal(net.predict_proba(x), reference.predict_proba(x))
    ours, theirs = (fitted(either, x, y, n, rule, rate=1.0, steps=1) for either in (net, reference))
    # Losses are whole numbers and logs of 2, which are rounded.
    assert ours.loss == pytest.approx(theirs.loss, rel=2 * float(np.finfo(dtype).eps))
    assert ours.accuracy == theirs.accuracy
    assert np.array_equal(flat(net), flat(reference))
    if n == 1 and ours.loss[0] and last_with_parameters(net).bias is not None:
        assert not np.array_equal(flat(net), before)


# ---- twenty steps ------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    stacks(),
    st.integers(1, 24),
    st.integers(1, 24),
    st.sampled_from(sorted(RULES)),
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
)
def test_twenty_steps_of_any_net_are_those_of_numpy(level, stack, n, batch_size, rule, kind, seed):
    layers, shape = stack
    if kind == "uint8":
        layers = [functools.partial(cnn.Rescaling, 1 / 64, -2.0), *layers]
    net, other = (net_of(layers, shape, seed=seed) for _ in range(2))
    reference = counterpart(net)
    x, y = noise(net, n, kind, seed)
    before = flat(net)
    # A sum of fewer than 10,000 terms is off by at most so many eps of its size, in either of the two orders. What an
    # error at the start makes of twenty steps, it makes of fewer at most: so much for each step.
    error = 10_000 * np.finfo(float).eps * max(1, np.abs(before).max())
    disturbed = other.executor.learned.parameters
    disturbed += error * np.random.default_rng(seed).uniform(-1, 1, disturbed.size)
    histories = [fitted(either, x, y, batch_size, rule, rate=0.002) for either in (net, reference, other)]
    for ours, theirs, disturbed in zip(*(either.executor.learned for either in (net, reference, other)), strict=True):
        size = np.abs(ours).max(initial=1)  # variances may be larger than any parameter, and are rounded accordingly
        tolerance = STEPS * (error * size + np.abs(disturbed - ours).max(initial=0))
        assert np.abs(ours - theirs).max(initial=0) <= tolerance
        assert tolerance < 1e-6 * size  # or this would show nothing
    in_losses = STEPS * (error + np.abs(np.subtract(histories[2].loss, histories[0].loss)).max())
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-12, atol=in_losses)
    assert histories[0].accuracy == histories[1].accuracy


RULE_OF = {
    "A": "plain", "B": "nesterov", "L": "adam",
    "general": "momentum", "unpooled": "weight decay", "dense alone": "adam",
    "normalised": "adamw", "averaged": "momentum",
}  # fmt: skip
RATE = {"plain": 0.02, "weight decay": 0.02, "momentum": 0.01, "nesterov": 0.005, "adam": 0.001, "adamw": 0.001}
BATCH = 17


def twenty_batches(net, rule: str, disturbance=0.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses and last parameters; after each step these are disturbed by so much of the largest of them."""
    x, y = noise(net, STEPS * BATCH)
    rng, optimizer, losses = np.random.default_rng(1), RULES[rule](RATE[rule]), []
    for first in range(0, STEPS * BATCH, BATCH):
        part = slice(first, first + BATCH)
        losses.append(net.train_on_batch(x[part], y[part], optimizer))
        parameters = net.executor.learned.parameters
        parameters += disturbance * np.abs(parameters).max() * rng.uniform(-1, 1, parameters.size).astype(net.dtype)
    return np.array(losses), flat(net)


@functools.cache
def reference_run(name: str, disturbance=0.0) -> tuple[np.ndarray, np.ndarray]:
    return twenty_batches(counterpart(NETS[name](seed=2)), RULE_OF[name], disturbance)


@pytest.mark.parametrize("name", NETS)
def test_twenty_steps_lead_to_the_references_losses_and_parameters(implementation, dtype, name):
    net, rule = NETS[name](seed=2, dtype=dtype), RULE_OF[name]
    net.executor.learned.parameters[...] = NETS[name](seed=2).executor.learned.parameters
    start = flat(net)
    losses, parameters = reference_run(name)
    # The longest sum of a step is the gradient of a convolution's weight: over the positions of all images. Roundings
    # of either sign leave it off by the root of its length times eps, and the rate times that goes into the parameters,
    # which are rounded themselves. Disturb the exact run by that much after every step.
    longest = BATCH * max(math.prod(layer.output_shape[:-1]) for layer in net.layers if layer.parameters)
    disturbed = reference_run(name, (1 + RATE[rule] * math.sqrt(longest)) * float(np.finfo(dtype).eps))
    losses_apart, parameters_apart = np.abs(disturbed[0] - losses).max(), np.abs(disturbed[1] - parameters).max()
    our_losses, ours = twenty_batches(counterpart(net, dtype) if implementation == "reference" else net, rule)
    # The loss itself is a few roundings, of numbers up to its size.
    assert np.abs(our_losses - losses).max() <= losses_apart + 10 * np.finfo(dtype).eps * losses.max()
    assert np.abs(ours - parameters).max() <= parameters_apart
    assert np.abs(ours - start).max() > 100 * parameters_apart  # or this would show nothing


# ---- the same bits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_steps_are_the_same_bits_for_any_number_of_threads_and_from_run_to_run(level, dtype, thread_counts, name):
    runs = set()
    for threads in thread_counts:
        for _ in range(3 if threads == 2 else 1):
            net = NETS[name](seed=1, dtype=dtype)
            x, y = noise(net, 45)  # two batches of twenty, one of five
            history = fitted(net, x, y, 20, "nesterov", steps=6)
            runs.add((flat(net).tobytes(), *history.loss, *history.accuracy, net.predict_proba(x).tobytes()))
    assert len(runs) == 1


@pytest.mark.parametrize("name", NETS)
def test_an_image_is_predicted_with_the_same_bits_alone_and_in_any_batch(level, dtype, name):
    net = NETS[name](seed=1, dtype=dtype)
    x, _ = noise(net, 37)
    whole = net.predict_proba(x)
    for i in range(37):
        assert net.predict_proba(x[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()
    for first, n in ((0, 16), (1, 17), (3, 33), (20, 2), (35, 2)):
        assert net.predict_proba(x[first : first + n]).tobytes() == whole[first : first + n].tobytes()


def test_images_of_one_large_call_are_predicted_with_the_same_bits_as_in_small_ones(level, dtype):
    net = dense_alone(seed=1, dtype=dtype)
    x, _ = noise(net, 9001)
    parts = [net.predict_proba(x[first : first + 1000]) for first in range(0, 9001, 1000)]
    assert net.predict_proba(x).tobytes() == np.concatenate(parts).tobytes()


@settings(max_examples=20)
@given(stacks(dropout=False), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_what_went_before_leaves_no_trace_in_the_memory_of_any_net(level, dtype, stack, n, seed):
    used, fresh = (net_of(*stack, dtype=dtype, seed=seed) for _ in range(2))
    x, y = noise(used, 2 * n, "float64", seed)
    used.predict_proba(np.full_like(x, np.nan))
    with pytest.raises(FloatingPointError):
        used.train_on_batch(np.full_like(x[:n], np.nan), y[:n], cnn.SGD(0.1))
    assert used.predict_proba(x).tobytes() == fresh.predict_proba(x).tobytes()
    histories = [fitted(net, x[:-1], y[:-1], n, "momentum", steps=3) for net in (used, fresh)]
    assert histories[0].loss == histories[1].loss
    assert flat(used).tobytes() == flat(fresh).tobytes()


# ---- batches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [general, functools.partial(normalised, rate=0.0)], ids=["general", "normalised"])
@pytest.mark.parametrize("batch_size", [1, 2, 15, 16, 17, 33, 1000])
def test_a_fit_is_its_batches_in_the_order_of_its_shuffling(level, dtype, batch_size, make):
    # 50 images: with most sizes the last batch is a smaller one. (Masks of a dropout follow from the fit's seed.)
    nets = shuffled, permuted, by_hand = [make(seed=1, dtype=dtype) for _ in range(3)]
    x, y = noise(shuffled, 50)
    order = np.random.default_rng(5).permutation(50)
    options = {"rule": "momentum", "steps": 1}  # an epoch
    histories = [
        fitted(shuffled, x, y, batch_size, seed=5, **options),
        fitted(permuted, x[order], y[order], batch_size, shuffle=False, **options),
    ]
    optimizer, total = RULES["momentum"](0.01), 0.0
    for first in range(0, 50, batch_size):
        batch = order[first : first + batch_size]
        total += by_hand.train_on_batch(x[batch], y[batch], optimizer) * len(batch)
    assert len({flat(net).tobytes() for net in nets}) == 1
    assert histories[0].loss == histories[1].loss == pytest.approx([total / 50], rel=1e-14)
    assert not np.array_equal(flat(shuffled), flat(make(seed=1, dtype=dtype)))


@pytest.mark.parametrize("make", [general, normalised])
def test_batches_of_other_sizes_and_threads_of_other_numbers_may_follow_each_other(level, thread_counts, make):
    net = make(seed=1)
    sizes = iter((1, 30, 2, 17, 5, 33, 33, 16))
    for _ in thread_counts:
        for n in (next(sizes), next(sizes)):
            alone = copy.deepcopy(net)
            x, y = noise(net, n, seed=n)
            losses = [either.train_on_batch(x, y, cnn.SGD(0.01)) for either in (net, alone)]
            assert losses[0] == losses[1]
            assert np.array_equal(flat(net), flat(alone))
            assert np.array_equal(net.predict_proba(x), alone.predict_proba(x))


@pytest.mark.parametrize("name", ["A", "unpooled", "dense alone", "normalised"])
def test_bytes_are_the_same_images_as_floats(level, dtype, name):
    runs = set()
    for kind in ("uint8", "float32", "float64", "float16", "int32"):
        net = NETS[name](seed=1, dtype=dtype)
        x, y = noise(net, 20, "uint8")
        history = fitted(net, x.astype(kind), y, 8, "momentum", steps=6)
        runs.add((flat(net).tobytes(), *history.loss, net.predict_proba(x.astype(kind)).tobytes()))
    assert len(runs) == 1


class Spoiling:
    """A callback that puts a NaN into an image after an epoch."""

    def __init__(self, x: np.ndarray, image: int, after_epoch: int):
        self.x, self.image, self.epochs_left = x, image, after_epoch

    def on_epoch_end(self, net, logs):
        self.good = flat(net)
        self.epochs_left -= 1
        if self.epochs_left == 0:
            self.x[self.image, 4, 4] = np.nan


@pytest.mark.parametrize("make", [general, normalised])
@pytest.mark.parametrize("optimizer", [cnn.SGD(0.01, momentum=0.9), cnn.Adam(0.001)])
def test_a_fit_that_meets_a_nan_counts_its_steps_and_names_the_one_that_failed(implementation, optimizer, make):
    net = make(seed=1)
    if implementation == "reference":
        net = counterpart(net)
    x, y = noise(net, 70, "float64")
    spoiling = Spoiling(x, image=67, after_epoch=2)
    with pytest.raises(FloatingPointError, match="epoch 3, step 23; the parameters are set back to the start of that"):
        net.fit(x, y, 5, batch_size=3, optimizer=optimizer, shuffle=False, callbacks=[spoiling], progress=False)
    assert optimizer.done == 24 + 24 + 22
    assert np.array_equal(flat(net), spoiling.good)
    assert np.isfinite(net.predict_proba(x[:60])).all()
    x[67] = 0
    net.fit(x, y, 2, batch_size=3, optimizer=optimizer, progress=False)
    assert optimizer.done == 48
    assert np.isfinite(flat(net)).all()


# ---- normalisation -----------------------------------------------------------------------------------------


def rounded(net, x) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the net in float64, layer by layer as in a prediction, and how far off rounding may leave them.

    The bound goes through the layers beside the values: it is what they make of magnitudes, times the terms of all
    sums so far.
    """
    exact = counterpart(net)
    y, size, terms = x.astype(np.float64), np.abs(x.astype(np.float64)), 0
    for layer in exact.layers:
        y = layer.forward(y, training=False)
        if isinstance(layer, cnn.BatchNorm):
            mean, variance = layer.statistics["mean"], layer.statistics["variance"]
            slope = np.abs(layer.gamma) / np.sqrt(variance + layer.epsilon)
            size = (size + np.abs(mean)) * slope + np.abs(layer.beta)
            terms += 10
            continue
        for value in layer.parameters.values():
            np.abs(value, out=value)
        if isinstance(layer, cnn.Rescaling):
            layer = cnn.Rescaling(abs(layer.scale), abs(layer.offset)).build(layer.input_shape, dtype=layer.dtype)
        terms += 3 + (math.prod(layer.parameters["weights"].shape[:-1]) if layer.parameters else 0)
        terms += math.prod(layer.pool_size) if isinstance(layer, cnn.AvgPool2D) else 0
        size = layer.forward(size, training=False)
    return y, terms * np.finfo(net.dtype).eps * size


def teach(net, seed=0):
    """Running statistics as after some training."""
    rng = np.random.default_rng(seed)
    for layer in net.layers:
        if layer.statistics:
            layer.statistics["mean"][...] = rng.standard_normal(layer.gamma.size)
            layer.statistics["variance"][...] = rng.uniform(0.1, 2, layer.gamma.size)


@settings(max_examples=20)
@given(stacks(), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_prediction_of_any_net_is_that_of_its_layers_one_by_one(implementation, dtype, stack, n, seed):
    net = net_of(*stack, dtype=dtype, seed=seed)
    teach(net, seed)
    x, _ = noise(net, n, "float32", seed)
    logits, bound = rounded(net, x)
    run = counterpart(net, dtype) if implementation == "reference" else net
    assert (np.abs(run.predict_logits(x) - logits) <= bound).all()
    if dtype == np.float64:
        assert bound.max() < 1e-6 * (1 + np.abs(logits).max())  # or this would show nothing


@pytest.mark.parametrize("name", NETS)
def test_predictions_are_those_of_the_layers_one_by_one(implementation, dtype, name):
    net = NETS[name](seed=1, dtype=dtype)
    teach(net)
    x, _ = noise(net, 20)
    logits, bound = rounded(net, x)
    run = counterpart(net, dtype) if implementation == "reference" else net
    assert (np.abs(run.predict_logits(x) - logits) <= bound).all()


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_a_step_moves_the_running_statistics_as_the_layers_one_by_one_do(implementation, dtype, n):
    net = normalised(seed=1, dtype=dtype, rate=0.0)
    if implementation == "reference":
        net = counterpart(net, dtype)
    alone = counterpart(net)
    x, y = noise(net, n)
    net.train_on_batch(x, y, cnn.SGD(0.0))
    values = x
    for layer in alone.layers:
        values = layer.forward(values)
    # Sums of fewer than 100 terms, of numbers below 100, through three layers; what rounding leaves of a deviation
    # from the mean grows by at most one over the root of the smallest epsilon.
    tolerance = 3 * 100 * 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        net.executor.learned.statistics, alone.executor.learned.statistics, rtol=tolerance, atol=tolerance
    )
    assert not np.array_equal(alone.executor.learned.statistics, normalised().executor.learned.statistics)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(5)],
        lambda: [cnn.Flatten(), cnn.Dense(5), cnn.BatchNorm()],
        lambda: [cnn.Flatten(), cnn.BatchNorm(epsilon=0.01), cnn.BatchNorm(epsilon=0.01), cnn.ReLU(), cnn.Dense(5)],
        lambda: [cnn.BatchNorm(), cnn.Conv2D(3, 3), cnn.MaxPool2D(), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(5)],
    ],
    ids=["first", "last", "one after the other", "before a fused convolution"],
)
@pytest.mark.parametrize("n", [1, 3, 33])
def test_a_normalisation_may_stand_anywhere(level, layers, n):
    net = cnn.Sequential(layers(), (6, 5, 2), dtype="float64", seed=0)
    reference = counterpart(net)
    x, y = noise(net, n, "float64")
    for _ in range(3):
        losses = [either.train_on_batch(x, y, cnn.SGD(0.1)) for either in (net, reference)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    # Sums of fewer than 1000 terms; three steps, and divisions by a deviation above a tenth, twice at most, enlarge
    # that less than ten thousand times.
    np.testing.assert_allclose(flat(net), flat(reference), rtol=0, atol=1000 * 10_000 * np.finfo(float).eps)
    np.testing.assert_allclose(net.predict_proba(x), reference.predict_proba(x), rtol=0, atol=1e-8)


def test_gradients_below_a_normalisation_add_up_to_nothing_also_where_the_mean_is_large(level):
    # The bias of the convolution has no effect, so its gradient is rounding alone. With values of 30 and deviations of
    # a thirtieth, a mean rounded to float32 would make it 24 times what NumPy has.
    def rounding(backend, seed):
        rng = np.random.default_rng(seed)
        layers = [cnn.Conv2D(3, 2), cnn.BatchNorm(), cnn.ReLU(), cnn.Flatten(), cnn.Dense(4)]
        net = cnn.Sequential(layers, (9, 9, 1), seed=0, backend=backend)
        before = net.layers[0].bias.copy()
        net.train_on_batch(30 + 0.02 * rng.integers(0, 6, (32, 9, 9, 1)), rng.integers(0, 4, 32), cnn.SGD(1.0))
        return np.abs(before - net.layers[0].bias).max()

    ours, numpys = (np.mean([rounding(backend, seed) for seed in range(12)]) for backend in ("compiled", "numpy"))
    assert ours < 12 * numpys


def test_a_step_whose_loss_is_no_number_teaches_nothing(implementation, dtype):
    net = normalised(seed=1, dtype=dtype)
    net = counterpart(net, dtype) if implementation == "reference" else net
    x, y = noise(net, 20, "float64")
    net.train_on_batch(x, y, cnn.SGD(0.01))
    before = flat(net)
    with pytest.raises(FloatingPointError, match="left as they were"):
        net.train_on_batch(np.where(np.arange(20)[:, None, None, None] == 13, np.nan, x), y, cnn.SGD(0.01))
    assert flat(net).tobytes() == before.tobytes()


def test_a_step_on_one_image_whose_loss_is_no_number_teaches_nothing(level):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(5), cnn.BatchNorm(), cnn.Dense(3)], (2, 2, 1), seed=0)
    before = flat(net)
    with pytest.raises(FloatingPointError, match="left as they were"):
        net.train_on_batch(np.full((1, 2, 2, 1), np.nan), [1], cnn.SGD(0.01))
    assert flat(net).tobytes() == before.tobytes()


def interrupt(signal_number, frame):
    raise KeyboardInterrupt


@pytest.fixture
def one_thread_at_the_lowest_level():
    level, threads = cnn_c.LEVEL, cnn.get_num_threads()
    cnn_c.use_level(cnn_c.LEVELS[-1])
    cnn.set_num_threads(1)
    yield
    cnn_c.use_level(level)
    cnn.set_num_threads(threads)


def test_an_interrupted_step_teaches_nothing(one_thread_at_the_lowest_level):
    # On one thread of any processor, a step that takes longer than the time until the alarm and the look at signals.
    layers = [cnn.Conv2D(24, 7), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(9), cnn.BatchNorm(), cnn.Dense(3)]
    net = cnn.Sequential(layers, (20, 20, 8), seed=0, dtype="float64")
    x, y = noise(net, 500)
    before, handler = flat(net), signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            net.train_on_batch(x, y, cnn.SGD(0.1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert flat(net).tobytes() == before.tobytes()
    net.train_on_batch(x[:9], y[:9], cnn.SGD(0.1))
    assert np.isfinite(flat(net)).all()


def test_parameters_that_become_infinite_set_the_running_statistics_back_too(implementation):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(5), cnn.BatchNorm(), cnn.Dense(3)], (2, 2, 1), seed=0)
    net = counterpart(net, "float32") if implementation == "reference" else net
    before = flat(net)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="parameters became NaN or infinite"):
        net.fit(*noise(net, 9), batch_size=9, optimizer=cnn.SGD(1e39), progress=False)  # beyond float32
    assert flat(net).tobytes() == before.tobytes()


# ---- nets without a dense layer ------------------------------------------------------------------------------

ENDS = {
    "means of maps": (1, lambda: [cnn.Conv2D(10, 3), cnn.AvgPool2D(6)]),
    "a convolution as large as its maps": (2, lambda: [cnn.Conv2D(4, 3), cnn.ReLU(), cnn.Conv2D(10, 6)]),
    "maps of several pixels": (2, lambda: [cnn.Conv2D(3, 6)]),
    "pooled planes": (1, lambda: [cnn.Conv2D(2, 3), cnn.ReLU(), cnn.MaxPool2D(2)]),
    "pooled maps": (2, lambda: [cnn.Conv2D(2, 3), cnn.MaxPool2D(2)]),
    "normalised maps": (1, lambda: [cnn.Conv2D(2, 6), cnn.BatchNorm(epsilon=0.1), cnn.ReLU()]),
}


@pytest.mark.parametrize(("channels", "layers"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("n", [1, 3, 33])
def test_flattened_maps_may_be_the_logits(implementation, dtype, channels, layers, n):
    made = cnn.Sequential([*layers(), cnn.Flatten()], (8, 8, channels), dtype=dtype, seed=0)
    net = counterpart(made, dtype) if implementation == "reference" else made
    x, y = noise(net, n, "float32")
    teach(net)
    logits, bound = rounded(net, x)
    assert (np.abs(net.predict_logits(x) - logits) <= bound).all()
    # A step of the same numbers, with a dense layer above that passes them on as they are.
    classes = net.output_shape[0]
    passed_on = cnn.Sequential([*layers(), cnn.Flatten(), cnn.Dense(classes, bias=False)], net.input_shape, dtype=dtype)
    for name, value in net.state().items():
        passed_on.state()[name][...] = value
    passed_on.layers[-1].weights = np.eye(classes, dtype=dtype)
    before = flat(net)
    losses = [either.train_on_batch(x, y, cnn.SGD(0.1)) for either in (net, passed_on)]
    # Sums of fewer than 2000 terms. Those of a gradient, of the mean loss, are less than 10 together; then the rate.
    tolerance = 2000 * float(np.finfo(dtype).eps)
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    for name, value in net.state().items():
        np.testing.assert_allclose(value, passed_on.state()[name], rtol=0, atol=tolerance, err_msg=name)
    assert np.abs(flat(net) - before).max() > 10 * tolerance


# ---- dropout and label smoothing ---------------------------------------------------------------------------


def losses_of_masks(seed, epochs=1, batch_size=8, backend="compiled", rate=0.5) -> list[float]:
    """A fit that learns nothing: the losses of its epochs differ by the masks alone."""
    layers = [cnn.Flatten(), cnn.Dropout(rate), cnn.Dense(6), cnn.ReLU(), cnn.Dropout(rate), cnn.Dense(5)]
    net = cnn.Sequential(layers, (4, 3, 1), seed=0, dtype="float64", backend=backend)
    x, y = noise(net, 40)
    options = {"optimizer": cnn.SGD(0.0), "shuffle": False, "progress": False, "seed": seed}
    return net.fit(x, y, epochs, batch_size=batch_size, **options).loss


def test_masks_follow_from_the_fits_seed_and_differ_from_epoch_to_epoch(implementation):
    backend = "numpy" if implementation == "reference" else "compiled"
    once, again, other = (losses_of_masks(seed, 3, backend=backend) for seed in (1, 1, 2))
    assert once == again
    assert len({*once, *other}) == 6


def test_masks_do_not_hang_on_the_size_of_batches(level):
    # The number of an image in the epoch alone; what rounding makes of a loss is the same for any batch.
    assert losses_of_masks(1, batch_size=8) == losses_of_masks(1, batch_size=40) == losses_of_masks(1, batch_size=7)


def test_the_masks_of_two_layers_have_nothing_in_common(implementation):
    layers = [cnn.Flatten(), cnn.Dropout(0.5), cnn.Dropout(0.5), cnn.Dense(2, bias=False)]
    net = cnn.Sequential(layers, (1, 1, 1), seed=0, dtype="float64")
    net.layers[-1].weights = np.array([[1.0, 0.0]])
    net = counterpart(net) if implementation == "reference" else net
    n = 4000
    options = {"optimizer": cnn.SGD(0.0), "batch_size": 400, "seed": 1, "progress": False}
    (loss,) = net.fit(np.ones((n, 1, 1, 1)), np.ones(n, int), **options).loss
    # Ones become 4 where both keep them, with a loss of log(1 + e**4) for the other class; else 0, with that of log(2).
    kept = (loss - math.log(2)) / (math.log(1 + math.exp(4)) - math.log(2))
    assert abs(kept - 1 / 4) < 5 * math.sqrt(1 / 4 * 3 / 4 / n)


@pytest.mark.parametrize("name", ["normalised", "averaged"])
def test_a_fit_is_the_same_bits_however_many_steps_a_call_makes(implementation, monkeypatch, name):
    runs = set()
    for seconds in (0.0, 1e-3, 1e6):  # a step a call; some; all but the first
        monkeypatch.setattr(cnn.training.fit, "_SECONDS_A_CALL", seconds)
        net = NETS[name](seed=1)
        net = counterpart(net, "float32") if implementation == "reference" else net
        x, y = noise(net, 43)
        augment = cnn.Augment(shift=1, noise=1)
        history = fitted(net, x, y, 5, "momentum", steps=18, augment=augment, label_smoothing=0.1)
        runs.add((flat(net).tobytes(), *history.loss))
    assert len(runs) == 1


@pytest.mark.parametrize("rate", [1 - 2**-33, math.nextafter(1.0, 0.0)])
def test_a_dropout_of_nearly_everything_is_no_error(implementation, rate):
    backend = "numpy" if implementation == "reference" else "compiled"
    assert losses_of_masks(1, backend=backend, rate=rate) == pytest.approx([math.log(5)], rel=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_smoothed_labels_give_the_loss_and_gradients_of_the_formula(implementation, dtype, smoothing):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(7)], (3, 2, 1), dtype=dtype, seed=0)
    net = counterpart(net, dtype) if implementation == "reference" else net
    w, b = (value.astype(np.float64) for value in net.parameters().values())
    x, y = noise(net, 12)
    history = net.fit(
        x, y, optimizer=cnn.SGD(1.0), batch_size=12, shuffle=False, progress=False, label_smoothing=smoothing
    )
    rows = x.reshape(12, 6).astype(np.float64)
    logits = rows @ w + b
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (1 - smoothing) * np.eye(7)[y] + smoothing / 7
    dlogits = (p - targets) / 12
    # Fewer than 50 roundings, of logits and their sums, which are below 10 here.
    tolerance = 50 * 10 * float(np.finfo(dtype).eps)
    assert np.abs(logits).max() < 10
    assert history.loss == pytest.approx([-(targets * np.log(p)).sum(axis=1).mean()], abs=tolerance)
    moved = [w - rows.T @ dlogits, b - dlogits.sum(axis=0)]
    for value, exact in zip(net.parameters().values(), moved, strict=True):
        np.testing.assert_allclose(value, exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize("bad", [-0.1, 1.5, math.nan, math.inf])
def test_a_label_smoothing_out_of_range_is_a_value_error(bad):
    net = dense_alone()
    with pytest.raises(ValueError, match=r"^label_smoothing must be finite and between 0 and 1"):
        net.fit(*noise(net, 4), label_smoothing=bad)


@pytest.mark.parametrize("bad", [None, "little", [0.1]])
def test_a_label_smoothing_of_another_type_is_a_type_error(bad):
    net = dense_alone()
    with pytest.raises(TypeError, match=r"^label_smoothing must be a number"):
        net.fit(*noise(net, 4), label_smoothing=bad)


# ---- memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("batch_size", [1, 32, 256, 1024])
def test_a_step_takes_little_memory(model, batch_size):
    net = MODELS[model](seed=0)
    x, y = noise(net, batch_size)
    net.train_on_batch(x, y, cnn.SGD(0.1))
    runner = net.executor.trainer
    assert runner.threads == 2
    assert 0 < runner.bytes <= batch_size * 2**16 + 4 * net.executor.learned.parameters.nbytes
