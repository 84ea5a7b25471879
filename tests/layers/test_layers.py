"""The general layers, each alone: shapes, gradients, parameters, faults; NumPy and compiled, level by level.

The operations under them are tested in `tests/functional`; here it is what a layer makes of them.
"""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.reference

pytestmark = pytest.mark.usefixtures("one_thread")

# What to make from a namespace, and the shape of one input. Sizes are small, odd, and differ from each other.
LAYERS = {
    "convolution": (lambda ns: ns.Conv2D(3, 3), (6, 7, 2)),
    "convolution without a bias": (lambda ns: ns.Conv2D(17, (2, 3), bias=False), (5, 6, 3)),
    "same padding": (lambda ns: ns.Conv2D(4, 3, padding="same"), (5, 6, 3)),
    "same padding and a stride": (lambda ns: ns.Conv2D(5, (2, 4), stride=(2, 3), padding="same"), (7, 8, 2)),
    "padding": (lambda ns: ns.Conv2D(2, 3, stride=2, padding=(2, 1)), (6, 5, 3)),
    "pooling": (lambda ns: ns.MaxPool2D(), (5, 6, 3)),
    "pooling with every tie": (lambda ns: ns.MaxPool2D(2, ties="all"), (5, 6, 3)),
    "windows that overlap": (lambda ns: ns.MaxPool2D(3, stride=(2, 1), padding=1), (6, 5, 2)),
    "windows that overlap, every tie": (
        lambda ns: ns.MaxPool2D((3, 2), stride=1, padding=(1, 0), ties="all"),
        (4, 5, 2),
    ),
    "mean pooling": (lambda ns: ns.AvgPool2D(), (5, 6, 3)),
    "means of windows that overlap": (lambda ns: ns.AvgPool2D((3, 2), stride=(2, 1), padding=1), (6, 5, 2)),
    "dense": (lambda ns: ns.Dense(7), (13,)),
    "dense without a bias": (lambda ns: ns.Dense(5, bias=False), (9,)),
    "relu": (lambda ns: ns.ReLU(), (4, 3, 2)),
    "dropout": (lambda ns: ns.Dropout(0.4), (4, 3, 2)),
    "normalisation": (lambda ns: ns.BatchNorm(), (4, 3, 2)),
    "normalisation of rows": (lambda ns: ns.BatchNorm(epsilon=0.1), (5,)),
    "flatten": (lambda ns: ns.Flatten(), (4, 3, 2)),
    "rescaling": (lambda ns: ns.Rescaling(1 / 3, -0.5), (4, 3, 2)),
}
WEIGHTED = [name for name in LAYERS if any(word in name for word in ("convolution", "same", "dense", "padding"))]
NORMALISING = [name for name in LAYERS if "normalisation" in name]
OUTPUT_SHAPES = {
    "convolution": (4, 5, 3),
    "convolution without a bias": (4, 4, 17),
    "same padding": (5, 6, 4),
    "same padding and a stride": (4, 3, 5),
    "padding": (4, 3, 2),
    "pooling": (2, 3, 3),
    "pooling with every tie": (2, 3, 3),
    "windows that overlap": (3, 5, 2),
    "windows that overlap, every tie": (4, 4, 2),
    "mean pooling": (2, 3, 3),
    "means of windows that overlap": (3, 6, 2),
    "dense": (7,),
    "dense without a bias": (5,),
    "relu": (4, 3, 2),
    "dropout": (4, 3, 2),
    "normalisation": (4, 3, 2),
    "normalisation of rows": (5,),
    "flatten": (24,),
    "rescaling": (4, 3, 2),
}
EVERY_LAYER = pytest.mark.parametrize("name", LAYERS)
EVERY_LINEAR_LAYER = pytest.mark.parametrize("name", [name for name in LAYERS if name not in NORMALISING])
EVERY_WEIGHTED_LAYER = pytest.mark.parametrize("name", WEIGHTED)
EVERY_NORMALISATION = pytest.mark.parametrize("name", NORMALISING)


@pytest.fixture
def ns(implementation):
    """The namespace of the layers: `cnn.reference`, or `cnn` at some level."""
    return cnn.reference if implementation == "reference" else cnn


@pytest.fixture(params=["reference", "compiled"])
def either(request):
    """The namespace, at one level: for what is decided before a kernel runs."""
    return cnn.reference if request.param == "reference" else cnn


def made(ns, name: str, dtype="float64", seed=0):
    make, input_shape = LAYERS[name]
    return make(ns).build(input_shape, dtype=dtype, seed=seed)


def forward_as_before(layer, x):
    """`forward`; of a dropout with its first mask, for it draws another one every time."""
    if isinstance(layer, cnn.Dropout):
        layer.build(layer.input_shape, dtype=layer.dtype, seed=0)
    return layer.forward(x)


def normal(seed: int, shape, dtype="float64") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def far_from_kinks(seed: int, shape) -> np.ndarray:
    """Values of both signs, at least 1/8 apart from each other and 1/16 from 0: no maximum is nearly another."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size // 2 + 0.5) / 8
    return np.random.default_rng(seed).permutation(values).reshape(shape)


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
    ["convolution", "pooling", "mean pooling", "dense", "relu", "dropout", "normalisation", "flatten", "rescaling"],
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


def central_differences(layer, dy, variable, x, h: float) -> np.ndarray:
    """Of the sum of `dy` times the layer's output of x, for every element of `variable`."""
    numeric = np.empty(variable.shape)
    for i in np.ndindex(variable.shape):
        value = variable[i]
        losses = []
        for variable[i] in (value + h, value - h):
            losses.append(np.vdot(dy, forward_as_before(layer, x)))
        variable[i] = value
        numeric[i] = (losses[0] - losses[1]) / (2 * h)
    return numeric


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


@EVERY_NORMALISATION
def test_gradients_of_a_normalisation_are_finite_differences(ns, name):
    layer = made(ns, name)
    x, dy = far_from_kinks(1, (4, *layer.input_shape)), normal(3, (4, *layer.output_shape))
    layer.gamma[...], layer.beta[...] = normal(4, layer.gamma.shape), normal(5, layer.beta.shape)
    layer.forward(x)
    derivatives = {"x": layer.backward(dy), **{k: v.copy() for k, v in layer.gradients.items()}}
    # A central difference is off by c * h**2 and less: what doubling the step changes is three times that. Beside it
    # stands the rounding of the two sums, of numbers that ten rounding steps have made.
    h = 2**-10
    rounding = 10 * x.size * np.finfo(float).eps * np.abs(dy).max() * np.abs(layer.forward(x)).max() / h
    for key, variable in {"x": x, **layer.parameters}.items():
        numeric, coarser = (central_differences(layer, dy, variable, x, step) for step in (h, 2 * h))
        bound = np.abs(coarser - numeric) + rounding
        assert bound.max() < 1e-5
        assert (np.abs(derivatives[key] - numeric) <= bound).all(), key


@pytest.mark.parametrize("name", WEIGHTED + NORMALISING)
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


@pytest.mark.parametrize(
    ("ties", "dx"),
    [("first", [[5, 0, 7, 0], [0, 0, 0, 0]]), ("all", [[5, 5, 7, 0], [5, 5, 0, 7]])],
)
def test_a_tied_gradient_goes_to_the_first_maximum_or_to_all(ns, dtype, ties, dx):
    layer = ns.MaxPool2D(2, ties=ties).build((2, 4, 1), dtype=dtype)
    x = np.array([[3, 3, 4, 1], [3, 3, 2, 4]])[None]
    assert layer.forward(x).ravel().tolist() == [3, 4]
    assert layer.backward(np.array([5, 7]).reshape(1, 1, 2, 1))[0, :, :, 0].tolist() == dx


def test_rescaling_takes_bytes_to_plus_and_minus_a_half(ns, dtype):
    layer = ns.Rescaling(1 / 255, -0.5).build((1, 1, 256), dtype=dtype)
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, 256)
    exact = np.arange(256) / 255 - 0.5
    # Three roundings, of 1 / 255, the product and the sum, each of something no larger than 1.
    np.testing.assert_allclose(layer.forward(x).ravel(), exact, rtol=0, atol=2 * np.finfo(dtype).eps)


def test_flatten_keeps_the_order_in_memory(ns):
    layer = ns.Flatten().build((2, 3, 2), dtype="float64")
    x = np.arange(24.0).reshape(2, 2, 3, 2)
    assert layer.forward(x).tolist() == [list(range(12)), list(range(12, 24))]
    assert layer.backward(layer.forward(x)).tolist() == x.tolist()


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


# ---- dropout -----------------------------------------------------------------------------------------------


def dropped(ns, rate: float, dtype="float64", seed=0, size=100_000):
    """A dropout, and what it makes of ones."""
    layer = ns.Dropout(rate).build((size // 4,), dtype=dtype, seed=seed)
    return layer, layer.forward(np.ones((4, size // 4)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_takes_its_share_and_keeps_the_mean(either, dtype, rate):
    _, y = dropped(either, rate, dtype)
    kept = y != 0
    # Two roundings, of 1 - rate and of the quotient.
    np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=2 * np.finfo(dtype).eps)
    # A share of n independent values has the standard deviation sqrt(rate * (1 - rate) / n), the mean of what is left
    # 1 / (1 - rate) times that; five times it happens by chance once in a million.
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs((1 - kept.mean()) - rate) < 5 * deviation
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * deviation / (1 - rate)


def test_masks_of_two_passes_or_two_seeds_have_nothing_in_common(either):
    layer, first = dropped(either, 0.5, seed=1)
    assert np.array_equal(first, dropped(either, 0.5, seed=1)[1])
    for one in (layer.forward(np.ones(first.shape)), dropped(either, 0.5, seed=2)[1], np.roll(first, 1)):
        both = ((first == 0) & (one == 0)).mean()
        assert abs(both - 1 / 4) < 5 * np.sqrt(1 / 4 * 3 / 4 / first.size)


def test_the_gradient_of_dropout_goes_where_the_values_went(either, dtype):
    layer, factors = dropped(either, 0.3, dtype, size=400)
    assert layer.backward(np.ones(factors.shape)).tobytes() == factors.tobytes()
    dy = normal(0, factors.shape, dtype)
    assert np.array_equal(layer.backward(dy), dy * factors)


def test_dropout_drops_nan_as_well(either, dtype):
    layer, factors = dropped(either, 0.3, dtype, size=400)
    for value in (layer.backward(np.full(factors.shape, np.nan)), forward_as_before(layer, np.full((4, 100), np.nan))):
        assert np.array_equal(np.isnan(value), factors != 0)
        assert not value[factors == 0].any()


def test_dropout_of_nothing_is_the_identity(either, dtype):
    layer = either.Dropout(0).build((4, 3, 2), dtype=dtype)
    x = normal(0, (5, 4, 3, 2), dtype)
    assert layer.forward(x).tobytes() == x.tobytes()
    assert layer.backward(x).tobytes() == x.tobytes()


def test_a_prediction_drops_nothing_and_draws_nothing(either, dtype):
    layer = made(either, "dropout", dtype)
    x = normal(0, (5, *layer.input_shape), dtype)
    y = layer.forward(x, training=False)
    assert y.tobytes() == x.tobytes()
    assert not np.shares_memory(x, y)
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(y)
    assert layer.forward(x).tobytes() == made(either, "dropout", dtype).forward(x).tobytes()


def test_layers_after_a_dropout_begin_as_they_would_without_it(either):
    def parameters(*between):
        return either.Sequential([either.Dense(4), *between, either.Dense(3)], (5,), seed=3)._parameters

    assert np.array_equal(parameters(), parameters(either.Dropout(0.5), either.Dropout(0.1)))


# ---- normalisation -----------------------------------------------------------------------------------------


@EVERY_NORMALISATION
def test_every_channel_is_brought_to_beta_and_gamma(ns, dtype, name):
    layer = made(ns, name, dtype)
    layer.gamma[...], layer.beta[...] = normal(1, layer.gamma.shape), normal(2, layer.beta.shape)
    offset = 1000.0 * np.arange(1, layer.gamma.size + 1)  # far from zero, where a careless variance would be lost
    x = (normal(3, (50, *layer.input_shape)) * 7 + offset).astype(dtype)
    y = layer.forward(x).astype(np.float64).reshape(-1, layer.gamma.size)
    variance = x.astype(np.float64).reshape(y.shape).var(axis=0)
    # Computed in float64 and rounded once: a mean and a deviation are off by less than the largest such rounding. In
    # float64 the mean of n values has n roundings, of numbers up to the offset, over a deviation of about seven.
    largest = np.abs(y).max()
    tolerance = np.finfo(dtype).eps * largest + len(y) * np.finfo(float).eps * offset * np.abs(layer.gamma)
    assert (np.abs(y.mean(axis=0) - layer.beta) <= tolerance).all()
    deviation = np.abs(layer.gamma) * np.sqrt(variance / (variance + layer.epsilon))
    assert (np.abs(y.std(axis=0) - deviation) <= tolerance).all()


@EVERY_NORMALISATION
def test_a_step_of_a_normalisation_is_that_of_float64_rounded(ns, dtype, name):
    layer, exact = made(ns, name, dtype), made(cnn.reference, name)
    for one in (layer, exact):
        one.gamma[...], one.beta[...] = normal(1, one.gamma.shape, dtype), normal(2, one.beta.shape, dtype)
    x, dy = normal(3, (5, *layer.input_shape), dtype), normal(4, (5, *layer.output_shape), dtype)
    np.testing.assert_array_equal(layer.forward(x), exact.forward(x).astype(dtype), strict=True)
    dx = exact.backward(dy)
    np.testing.assert_array_equal(layer.backward(dy), dx.astype(dtype), strict=True)
    for key, value in layer.gradients.items():
        np.testing.assert_array_equal(value, exact.gradients[key].astype(dtype), strict=True)


@pytest.mark.parametrize("momentum", [0.0, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(3, 4, 2), (6,)])
def test_running_statistics_follow_those_of_the_batches(ns, dtype, momentum, shape):
    layer = ns.BatchNorm(momentum=momentum).build(shape, dtype=dtype)
    mean, variance = np.zeros(shape[-1]), np.ones(shape[-1])
    for seed in range(3):
        x = (normal(seed, (7, *shape)) * 3 + 1).astype(dtype)
        rows = x.astype(np.float64).reshape(-1, shape[-1])
        mean = momentum * mean + (1 - momentum) * rows.mean(axis=0)
        variance = momentum * variance + (1 - momentum) * rows.var(axis=0, ddof=1)
        layer.forward(x)
        layer.forward(x, training=False)  # which teaches them nothing
    # Every step rounds three times, of numbers up to 20; the mean and variance of a batch are summed in float64.
    tolerance = 9 * 20 * np.finfo(dtype).eps + 7 * 12 * 20 * np.finfo(float).eps
    assert (layer.statistics["mean"].dtype, layer.statistics["variance"].dtype) == (dtype, dtype)
    np.testing.assert_allclose(layer.statistics["mean"], mean, rtol=0, atol=tolerance)
    np.testing.assert_allclose(layer.statistics["variance"], variance, rtol=0, atol=tolerance)


@EVERY_NORMALISATION
def test_a_prediction_normalises_with_the_running_statistics(ns, dtype, name):
    layer = made(ns, name, dtype)
    x = normal(0, (3, *layer.input_shape), dtype)
    # Mean 0 and variance 1 to begin with.
    exact = x / np.sqrt(1 + layer.epsilon)
    np.testing.assert_allclose(layer.forward(x, training=False), exact, rtol=2 * np.finfo(dtype).eps)
    mean, variance = normal(1, layer.gamma.shape, dtype), np.abs(normal(2, layer.gamma.shape, dtype))
    layer.statistics["mean"][...], layer.statistics["variance"][...] = mean, variance
    layer.gamma[...], layer.beta[...] = normal(3, mean.shape, dtype), normal(4, mean.shape, dtype)
    inverse = 1 / np.sqrt(variance.astype(np.float64) + layer.epsilon)
    exact = (x.astype(np.float64) - mean) * inverse * layer.gamma + layer.beta
    magnitude = (np.abs(x.astype(np.float64)) + np.abs(mean)) * inverse * np.abs(layer.gamma) + np.abs(layer.beta)
    alone = [layer.forward(x[i : i + 1], training=False) for i in range(3)]
    assert (np.abs(np.concatenate(alone) - exact) <= 8 * np.finfo(dtype).eps * magnitude).all()
    assert layer.forward(x, training=False).tobytes() == np.concatenate(alone).tobytes()


def test_one_row_alone_is_its_own_mean_and_gives_beta(ns, dtype):
    layer = ns.BatchNorm(momentum=0.5).build((4,), dtype=dtype)
    layer.beta[...] = [1, 2, 3, 4]
    x = np.array([[5, -6, 7, 0]])
    assert layer.forward(x).tolist() == [[1, 2, 3, 4]]
    assert layer.backward(np.ones((1, 4))).tolist() == [[0, 0, 0, 0]]
    assert layer.gradients["gamma"].tolist() == [0, 0, 0, 0]
    assert layer.gradients["beta"].tolist() == [1, 1, 1, 1]
    assert layer.statistics["mean"].tolist() == [2.5, -3, 3.5, 0]
    assert layer.statistics["variance"].tolist() == [0.5] * 4


def test_a_batch_of_no_images_teaches_the_running_statistics_nothing(ns, dtype):
    layer = made(ns, "normalisation", dtype)
    layer.forward(np.zeros((0, *layer.input_shape)))
    assert layer.statistics["mean"].tolist() == [0, 0]
    assert layer.statistics["variance"].tolist() == [1, 1]


def test_nan_stays_in_its_channel(ns, dtype):
    layer = made(ns, "normalisation", dtype)
    x = normal(0, (3, *layer.input_shape), dtype)
    x[1, 2, 0, 1] = np.nan
    y = layer.forward(x)
    assert np.isnan(y[..., 1]).all()
    assert np.isfinite(y[..., 0]).all()


# ---- parameters --------------------------------------------------------------------------------------------


@EVERY_WEIGHTED_LAYER
def test_a_seed_repeats_the_weights_and_another_does_not(either, name):
    weights = [made(either, name, seed=seed).weights for seed in (1, 1, 2)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("make", "input_shape", "inputs"),
    [(lambda: cnn.Conv2D(64, 5), (9, 9, 20), 500), (lambda: cnn.Dense(200), (300,), 300)],
)
def test_weights_are_normal_with_a_variance_of_two_over_the_inputs(dtype, make, input_shape, inputs):
    layer = make().build(input_shape, dtype=dtype, seed=0)
    weights = layer.weights.astype(np.float64) / np.sqrt(2 / inputs)
    # The mean and the variance of m normal numbers vary by 1 / sqrt(m) and sqrt(2 / m); five times that.
    assert abs(weights.mean()) < 5 / np.sqrt(weights.size)
    assert abs(weights.var() - 1) < 5 * np.sqrt(2 / weights.size)
    assert not layer.bias.any()


@EVERY_WEIGHTED_LAYER
def test_assigned_parameters_are_copied_and_used(ns, dtype, name):
    layer = made(ns, name, dtype)
    x = normal(3, (2, *layer.input_shape), dtype)
    for key, array in list(layer.parameters.items()):
        value = normal(4, array.shape, dtype)
        setattr(layer, key, value)
        assert getattr(layer, key) is array
        assert np.array_equal(array, value)
        before = layer.forward(x)
        value[...] = 0
        assert np.array_equal(layer.forward(x), before)
        setattr(layer, key, value)
        assert not np.array_equal(layer.forward(x), before)


@EVERY_WEIGHTED_LAYER
def test_a_parameter_of_another_shape_or_dtype_is_a_value_error_and_changes_nothing(either, name):
    layer = made(either, name, "float32")
    for key, array in layer.parameters.items():
        before = array.copy()
        for bad in (
            np.zeros(array.shape, "float64"),
            np.zeros(array.shape, int),
            np.zeros((*array.shape, 1), "float32"),
            np.zeros(array.shape[::-1] if array.ndim > 1 else array.size + 1, "float32"),
            np.float32(0),
        ):
            with pytest.raises(ValueError, match=f"{key} must have shape .* float32, got") as error:
                setattr(layer, key, bad)
            assert str(array.shape) in str(error.value)
            assert str(bad.shape) in str(error.value)
        for bad in (None, "zeros", np.ma.masked_array(array, mask=True)):
            with pytest.raises(TypeError, match=key):
                setattr(layer, key, bad)
        assert np.array_equal(array, before)


@pytest.mark.parametrize("name", ["convolution without a bias", "dense without a bias"])
def test_a_layer_without_a_bias_has_none(either, name):
    layer = made(either, name)
    assert layer.bias is None
    assert list(layer.parameters) == ["weights"]
    with pytest.raises(ValueError, match="bias=False"):
        layer.bias = np.zeros(3)


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


# ---- sizes that cannot be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda ns: ns.Conv2D(0, 3), "filters"),
        (lambda ns: ns.Conv2D(-1, 3), "filters"),
        (lambda ns: ns.Conv2D(1, 0), "kernel_size"),
        (lambda ns: ns.Conv2D(1, (3, 0)), "kernel_size"),
        (lambda ns: ns.Conv2D(1, (3, 3, 3)), "kernel_size"),
        (lambda ns: ns.Conv2D(1, 3, stride=0), "stride"),
        (lambda ns: ns.Conv2D(1, 3, stride=(1, -1)), "stride"),
        (lambda ns: ns.Conv2D(1, 3, padding=-1), "padding"),
        (lambda ns: ns.Conv2D(1, 3, padding=(0, -1)), "padding"),
        (lambda ns: ns.Conv2D(1, 3, padding="full"), "padding"),
        (lambda ns: ns.MaxPool2D(0), "pool_size"),
        (lambda ns: ns.MaxPool2D(2, stride=0), "stride"),
        (lambda ns: ns.MaxPool2D(2, padding=-1), "padding"),
        (lambda ns: ns.MaxPool2D(2, padding=2), "padding"),
        (lambda ns: ns.MaxPool2D((4, 3), padding=(2, 2)), "padding"),
        (lambda ns: ns.MaxPool2D(2, ties="last"), "ties"),
        (lambda ns: ns.AvgPool2D(0), "pool_size"),
        (lambda ns: ns.AvgPool2D(2, stride=(1, 0)), "stride"),
        (lambda ns: ns.AvgPool2D(2, padding=2), "padding"),
        (lambda ns: ns.Dropout(1), "rate"),
        (lambda ns: ns.Dropout(-0.1), "rate"),
        (lambda ns: ns.Dropout(float("nan")), "rate"),
        (lambda ns: ns.Dropout(50), "rate"),
        (lambda ns: ns.BatchNorm(momentum=-0.1), "momentum"),
        (lambda ns: ns.BatchNorm(momentum=1.1), "momentum"),
        (lambda ns: ns.BatchNorm(momentum=float("nan")), "momentum"),
        (lambda ns: ns.BatchNorm(epsilon=0), "epsilon"),
        (lambda ns: ns.BatchNorm(epsilon=-1e-5), "epsilon"),
        (lambda ns: ns.BatchNorm(epsilon=1e-39), "epsilon"),
        (lambda ns: ns.BatchNorm(epsilon=float("inf")), "epsilon"),
        (lambda ns: ns.Dense(0), "units"),
        (lambda ns: ns.Rescaling(float("nan")), "scale"),
        (lambda ns: ns.Rescaling(1, float("inf")), "offset"),
    ],
)
def test_a_size_out_of_range_is_a_value_error_that_names_it(either, make, named):
    with pytest.raises(ValueError, match=f"^{named} must"):
        make(either)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda ns: ns.Conv2D(8.0, 3), "filters"),
        (lambda ns: ns.Conv2D(None, 3), "filters"),
        (lambda ns: ns.Conv2D(8, 3.5), "kernel_size"),
        (lambda ns: ns.Conv2D(8, "3"), "kernel_size"),
        (lambda ns: ns.Conv2D(8, 3, stride=None), "stride"),
        (lambda ns: ns.Conv2D(8, 3, padding=None), "padding"),
        (lambda ns: ns.MaxPool2D(2, padding="same"), "padding"),
        (lambda ns: ns.MaxPool2D(None), "pool_size"),
        (lambda ns: ns.AvgPool2D(None), "pool_size"),
        (lambda ns: ns.AvgPool2D(2, padding="same"), "padding"),
        (lambda ns: ns.Dropout("half"), "rate"),
        (lambda ns: ns.Dropout(None), "rate"),
        (lambda ns: ns.BatchNorm(momentum="0.9"), "momentum"),
        (lambda ns: ns.BatchNorm(epsilon=None), "epsilon"),
        (lambda ns: ns.Dense("10"), "units"),
        (lambda ns: ns.Rescaling("half"), "scale"),
        (lambda ns: ns.Rescaling(1, None), "offset"),
    ],
)
def test_a_size_of_another_type_is_a_type_error_that_names_it(either, make, named):
    with pytest.raises(TypeError, match=f"^{named} must"):
        make(either)


@pytest.mark.parametrize(
    ("make", "input_shape", "message"),
    [
        (lambda ns: ns.Conv2D(1, 5), (4, 9, 1), "kernel of height 5 is larger than the input of height 4"),
        (lambda ns: ns.Conv2D(1, (1, 8), padding=1), (4, 5, 1), "kernel of width 8 is larger .* width 5"),
        (lambda ns: ns.MaxPool2D(3), (3, 2, 1), "pool window of width 3 is larger than the input of width 2"),
        (lambda ns: ns.Conv2D(1, 3), (9, 9), r"input_shape of Conv2D must be \(h, w, c\), got \(9, 9\)"),
        (lambda ns: ns.Conv2D(1, 3), (1, 9, 9, 1), r"input_shape of Conv2D must be \(h, w, c\)"),
        (lambda ns: ns.MaxPool2D(), (9,), r"input_shape of MaxPool2D must be \(h, w, c\)"),
        (lambda ns: ns.AvgPool2D(3), (3, 2, 1), "pool window of width 3 is larger than the input of width 2"),
        (lambda ns: ns.AvgPool2D(), (9,), r"input_shape of AvgPool2D must be \(h, w, c\)"),
        (lambda ns: ns.Dense(3), (4, 4, 1), "input_shape of Dense .* Flatten"),
        (lambda ns: ns.BatchNorm(), (), "input_shape of BatchNorm must end with the channels"),
        (lambda ns: ns.ReLU(), (4, 0, 1), "input_shape must be at least 1"),
        (lambda ns: ns.Flatten(), (-4,), "input_shape must be at least 1"),
    ],
)
def test_an_input_shape_that_a_layer_cannot_take_is_a_value_error(either, make, input_shape, message):
    with pytest.raises(ValueError, match=message):
        make(either).build(input_shape)


@pytest.mark.parametrize("dtype", ["float16", "int64", "complex128"])
def test_a_dtype_that_is_no_other_precision_is_a_value_error(either, dtype):
    with pytest.raises(ValueError, match="dtype must be"):
        either.Dense(3).build((4,), dtype=dtype)


@pytest.mark.parametrize(
    ("make", "input_shape"),
    [
        (lambda ns: ns.Conv2D(2**50, 3), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 2**50, padding="same"), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 3, padding=2**50), (28, 28, 1)),
        (lambda ns: ns.Conv2D(2**62, 3), (28, 28, 2**62)),
        (lambda ns: ns.Conv2D(1, 3, stride=2**70), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 3), (2**50, 2**50, 1)),
        (lambda ns: ns.MaxPool2D(2**50, stride=1, padding=2**49), (28, 28, 1)),
        (lambda ns: ns.MaxPool2D(2, stride=2**70), (28, 28, 1)),
        (lambda ns: ns.AvgPool2D(2**50, stride=1, padding=2**49), (28, 28, 1)),
        (lambda ns: ns.Dense(2**50), (2**4,)),
        (lambda ns: ns.Dense(2**70), (1,)),
        (lambda ns: ns.Dense(10), (2**70,)),
    ],
)
def test_sizes_beyond_any_memory_are_refused_at_once(either, make, input_shape):
    with pytest.raises((ValueError, MemoryError)):
        make(either).build(input_shape, dtype="float64", seed=0)
