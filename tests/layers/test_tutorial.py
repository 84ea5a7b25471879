"""The tutorial's layers: each call of theirs, and that a whole run of the tutorial gives the same numbers.

Every test runs over the pure NumPy layers, which are the tutorial's loops, and over each compiled level.
"""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import cnn.reference
from cnn.reference import functional as reference

from ..derivatives import numerical_gradient

EPS = float(np.finfo(np.float64).eps)


def train(layers, images, labels, epochs: int, lines_every: int = 50):
    """The tutorial's program: the lines it prints, and the trained layers."""
    np.random.seed(0)  # noqa: NPY002 - the layers draw from the global generator
    conv, pool, softmax = layers.Conv3x3(8), layers.MaxPool2(), layers.Softmax(13 * 13 * 8, 10)
    lines = []
    for epoch in range(epochs):
        lines.append(f"--- Epoch {epoch + 1} ---")
        order = np.random.permutation(len(images))  # noqa: NPY002
        loss, correct = 0.0, 0
        for i, (image, label) in enumerate(zip(images[order], labels[order], strict=True)):
            p = softmax.forward(pool.forward(conv.forward(image / 255 - 0.5)))
            loss -= np.log(p[label])
            correct += int(np.argmax(p) == label)
            gradient = np.zeros(10)
            gradient[label] = -1 / p[label]
            conv.backprop(pool.backprop(softmax.backprop(gradient, 0.005)), 0.005)
            if i % lines_every == lines_every - 1:
                lines.append(
                    f"[Step {i + 1}] Past {lines_every} steps: "
                    f"Average Loss {loss / lines_every:.3f} | Accuracy: {100 * correct / lines_every:.0f}%"
                )
                loss, correct = 0.0, 0
    return lines, conv.filters, softmax.weights, softmax.biases


def drawn_digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images like MNIST's: strokes of grey on a flat background, which ties in most pool windows."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    images = np.zeros((n, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + label : 7 + label, 5:23] = rng.integers(100, 256, (3, 18))
        image[5:23, 2 * label + 4 : 2 * label + 6] = 255
    return images, labels


def assert_same_run(one, other):
    assert one[0] == other[0]
    for a, b in zip(one[1:], other[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)


@pytest.fixture(scope="module")
def pure_run_on_drawn_digits():
    return train(cnn.reference, *drawn_digits(20), epochs=2, lines_every=10)


@pytest.fixture(scope="module")
def pure_run_on_mnist(mnist_dataset):
    return train(cnn.reference, mnist_dataset.train_images[:150], mnist_dataset.train_labels[:150], epochs=1)


# ---- the run of the tutorial -------------------------------------------------------------------------------


def test_a_short_run_prints_and_learns_the_same(compiled_tutorial, pure_run_on_drawn_digits):
    run = train(compiled_tutorial, *drawn_digits(20), epochs=2, lines_every=10)
    assert_same_run(run, pure_run_on_drawn_digits)


def test_a_run_on_mnist_prints_and_learns_the_same(compiled_tutorial, mnist_dataset, pure_run_on_mnist):
    images, labels = mnist_dataset.train_images[:150], mnist_dataset.train_labels[:150]
    assert_same_run(train(compiled_tutorial, images, labels, epochs=1), pure_run_on_mnist)


def test_any_number_of_threads_gives_the_same_bits(compiled_tutorial, thread_counts):
    images, _ = drawn_digits(23)
    runs = []
    for _ in thread_counts:
        np.random.seed(0)  # noqa: NPY002
        conv, pool, softmax = cnn.Conv3x3(8), cnn.MaxPool2(), cnn.Softmax(13 * 13 * 8, 10)
        p = softmax.forward(pool.forward(conv.forward(images / 255 - 0.5)))
        d_input = pool.backprop(softmax.backprop(p - 0.1, 0.005))
        conv.backprop(d_input, 0.005)
        runs.append([p, d_input, conv.filters, softmax.weights, softmax.biases])
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert one.tobytes() == other.tobytes()


# ---- the two halves look alike -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Conv3x3", "MaxPool2", "Softmax"])
def test_compiled_and_reference_have_the_same_methods_arguments_and_docstrings(name):
    def public(layers):
        layer = getattr(layers, name)
        methods = {key: value for key, value in vars(layer).items() if callable(value) and not key.startswith("_")}
        return {"": layer, **methods}

    def arguments(function):
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    compiled, pure = public(cnn), public(cnn.reference)
    assert compiled.keys() == pure.keys()
    for key, one in compiled.items():
        assert arguments(one) == arguments(pure[key])
        assert one.__doc__
        assert one.__doc__ == pure[key].__doc__


# Every name of the tutorials' classes, and the arguments of their methods.
NAMES = {
    "Conv3x3": {
        "num_filters": None,
        "filters": None,
        "last_input": None,
        "iterate_regions": ["image"],
        "forward": ["image"],
        "backprop": ["d_L_d_out", "learn_rate"],
    },
    "MaxPool2": {"last_input": None, "iterate_regions": ["image"], "forward": ["input"], "backprop": ["d_L_d_out"]},
    "Softmax": {
        "weights": None,
        "biases": None,
        "last_input": None,
        "last_input_shape": None,
        "last_totals": None,
        "forward": ["input"],
        "backprop": ["d_L_d_out", "learn_rate"],
    },
    "ConvolutionalNeuralNetwork": {
        **dict.fromkeys(["conv1_filters", "conv1_filter_size", "conv2_filters", "conv2_filter_size"]),
        **dict.fromkeys(["fc1_units", "output_units"]),
        **dict.fromkeys(["conv1_weights", "conv1_bias", "conv2_weights", "conv2_bias"]),
        **dict.fromkeys(["fc1_weights", "fc1_bias", "output_weights", "output_bias"]),
        "conv2d": ["x", "weight", "bias"],
        "max_pool2d": ["x", "size"],
        "relu": ["x"],
        "softmax": ["x"],
        "forward": ["x"],
        "train": ["x", "y", "learning_rate"],
        "predict": ["x"],
    },
}
CONSTRUCTORS = {
    "Conv3x3": (["num_filters", "dtype"], (8,)),
    "MaxPool2": ([], ()),
    "Softmax": (["input_len", "nodes", "dtype"], (4, 3)),
    "ConvolutionalNeuralNetwork": (["seed", "dtype", "backend"], ()),
}


@pytest.mark.parametrize("layers", [cnn, cnn.reference])
@pytest.mark.parametrize("kind", NAMES)
def test_every_name_of_the_tutorials_is_there_with_its_arguments(layers, kind):
    arguments, given = CONSTRUCTORS[kind]
    made = getattr(layers, kind)
    assert list(inspect.signature(made).parameters) == arguments
    layer = made(*given)
    for name, expected in NAMES[kind].items():
        member = getattr(layer, name)
        if expected is None:
            assert not callable(member)
        else:
            assert list(inspect.signature(member).parameters) == expected
            assert inspect.getdoc(member)


def test_a_layer_prints_as_the_call_that_makes_it(tutorial):
    assert repr(tutorial.Conv3x3(8)) == "Conv3x3(num_filters=8, dtype='float64')"
    assert repr(tutorial.MaxPool2()) == "MaxPool2()"
    assert repr(tutorial.Softmax(1352, 10, "float32")) == "Softmax(input_len=1352, nodes=10, dtype='float32')"


# ---- initial values ----------------------------------------------------------------------------------------


def test_layers_draw_from_numpys_global_generator_in_the_tutorials_order(tutorial, dtype):
    np.random.seed(7)  # noqa: NPY002
    conv, softmax = tutorial.Conv3x3(8, dtype=dtype), tutorial.Softmax(20, 10, dtype=dtype)
    np.random.seed(7)  # noqa: NPY002
    filters = np.random.randn(8, 3, 3) / 9  # noqa: NPY002
    weights = np.random.randn(20, 10) / 20  # noqa: NPY002
    np.testing.assert_array_equal(conv.filters, filters.astype(dtype), strict=True)
    np.testing.assert_array_equal(softmax.weights, weights.astype(dtype), strict=True)
    np.testing.assert_array_equal(softmax.biases, np.zeros(10, dtype), strict=True)
    assert conv.num_filters == 8


def test_the_default_is_float64(tutorial):
    assert tutorial.Conv3x3(2).filters.dtype == np.float64
    assert tutorial.Softmax(3, 2).weights.dtype == tutorial.Softmax(3, 2).biases.dtype == np.float64


@pytest.mark.parametrize("arguments", [(0,), (-1,), (8, "float16"), (8, int)])
def test_a_convolution_that_cannot_be_is_a_value_error(tutorial, arguments):
    with pytest.raises(ValueError, match="must be"):
        tutorial.Conv3x3(*arguments)


@pytest.mark.parametrize("arguments", [(0, 10), (10, 0), (10, -1), (10, 10, "int8")])
def test_a_softmax_that_cannot_be_is_a_value_error(tutorial, arguments):
    with pytest.raises(ValueError, match="must be"):
        tutorial.Softmax(*arguments)


@pytest.mark.parametrize("bad", [8.0, "8", None])
def test_sizes_that_are_no_integers_are_type_errors(tutorial, bad):
    with pytest.raises(TypeError, match="num_filters must be an integer"):
        tutorial.Conv3x3(bad)
    with pytest.raises(TypeError, match="nodes must be an integer"):
        tutorial.Softmax(8, bad)


def twins(kind, *arguments):
    """Two layers with the same initial values."""
    layer = kind(*arguments)
    return layer, pickle.loads(pickle.dumps(layer))


# ---- shapes and values of each call ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(28, 28), (3, 3), (4, 7), (5, 28, 28), (1, 9, 8), (0, 9, 8)])
def test_convolution_forward(tutorial, dtype, shape):
    conv = tutorial.Conv3x3(5, dtype=dtype)
    image = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    y = conv.forward(image)
    assert y.dtype == dtype
    assert y.shape == (*shape[:-2], shape[-2] - 2, shape[-1] - 2, 5)
    kernel = np.moveaxis(conv.filters, 0, -1)[:, :, None].astype(np.float64)
    images = image.astype(np.float64).reshape(-1, *shape[-2:], 1)
    exact, magnitude = (
        reference.conv2d_forward(*pair, None).reshape(y.shape)
        for pair in ((images, kernel), (abs(images), abs(kernel)))
    )
    assert (abs(y - exact) <= 9 * np.finfo(dtype).eps * magnitude).all()
    assert np.array_equal(conv.last_input, image)


@pytest.mark.parametrize("shape", [(28, 28), (4, 7), (5, 9, 8), (0, 9, 8)])
def test_convolution_backprop_steps_against_the_gradient_and_returns_none(tutorial, dtype, shape):
    rng = np.random.default_rng(1)
    conv = tutorial.Conv3x3(5, dtype=dtype)
    before = conv.filters.astype(np.float64)
    image = rng.standard_normal(shape).astype(dtype)
    gradient = rng.standard_normal(conv.forward(image).shape).astype(dtype)
    assert conv.backprop(gradient, 0.25) is None

    def step(x, dy):
        x, dy = x.astype(np.float64).reshape(-1, *shape[-2:], 1), dy.astype(np.float64)
        dw = reference.conv2d_weight_gradient(dy.reshape(len(x), *dy.shape[-3:]), x, (3, 3, 1, 5))[0]
        return 0.25 * np.moveaxis(dw[:, :, 0], -1, 0)

    terms = gradient.size // 5 + 3
    bound = terms * np.finfo(dtype).eps * (step(abs(image), abs(gradient)) + abs(before))
    assert conv.filters.dtype == dtype
    assert (abs(conv.filters - (before - step(image, gradient))) <= bound).all()


@pytest.mark.parametrize("shape", [(26, 26, 8), (2, 2, 1), (5, 7, 3), (4, 6, 6, 2), (3, 5, 4, 17), (0, 4, 4, 2)])
def test_pooling_forward_takes_the_maximum_and_drops_an_odd_last_row_and_column(tutorial, dtype, shape):
    pool = tutorial.MaxPool2()
    x = np.random.default_rng(2).standard_normal(shape).astype(dtype)
    *batch, h, w, f = shape
    even = x[..., : h // 2 * 2, : w // 2 * 2, :]
    expected = even.reshape(*batch, h // 2, 2, w // 2, 2, f).max(axis=(-4, -2))
    np.testing.assert_array_equal(pool.forward(x), expected, strict=True)
    assert np.array_equal(pool.last_input, x)


@pytest.mark.parametrize("shape", [(26, 26, 8), (5, 7, 3), (3, 5, 4, 17), (0, 4, 4, 2)])
def test_pooling_backprop_gives_every_maximum_the_gradient(tutorial, dtype, shape):
    rng = np.random.default_rng(3)
    pool = tutorial.MaxPool2()
    x = rng.integers(0, 3, shape).astype(dtype)  # three values in windows of four: ties in most
    y = pool.forward(x)
    gradient = rng.standard_normal(y.shape).astype(dtype)
    *_, h, w, _ = shape
    even = (..., slice(h // 2 * 2), slice(w // 2 * 2), slice(None))

    def spread(a):
        return a.repeat(2, axis=-3).repeat(2, axis=-2)

    expected = np.zeros(shape, dtype)
    expected[even] = np.where(x[even] == spread(y), spread(gradient), 0)
    np.testing.assert_array_equal(pool.backprop(gradient), expected, strict=True)


def test_what_forward_returned_may_be_changed_before_backprop(tutorial):
    rng = np.random.default_rng(10)
    x = rng.standard_normal((8, 8, 2))
    changed, left, softmax, softmax_left = (
        tutorial.MaxPool2(),
        tutorial.MaxPool2(),
        *twins(tutorial.Softmax, 32, 3),
    )
    changed.forward(x)[...] = 0
    left.forward(x)
    gradient = rng.standard_normal((4, 4, 2))
    assert np.array_equal(changed.backprop(gradient), left.backprop(gradient))
    softmax.forward(gradient)[...] = 0
    softmax_left.forward(gradient)
    assert np.array_equal(softmax.backprop(np.arange(3), 0.1), softmax_left.backprop(np.arange(3), 0.1))


def test_a_flat_window_gives_all_four_elements_the_whole_gradient(tutorial):
    pool = tutorial.MaxPool2()
    pool.forward(np.full((2, 2, 1), -0.5))
    assert pool.backprop(np.full((1, 1, 1), 3.0)).ravel().tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("shape", [(24,), (2, 3, 4), (4, 6), (5, 24), (5, 2, 3, 4), (1, 2, 3, 4), (0, 2, 3, 4)])
def test_softmax_forward(tutorial, dtype, shape):
    softmax = tutorial.Softmax(24, 10, dtype=dtype)
    softmax.biases = np.arange(10).astype(dtype)
    x = np.random.default_rng(4).standard_normal(shape).astype(dtype)
    p = softmax.forward(x)
    assert p.dtype == dtype
    totals = x.astype(np.float64).reshape(-1, 24) @ softmax.weights.astype(np.float64) + softmax.biases
    expected = reference.softmax(totals)
    is_batch = shape[1:] in ((24,), (2, 3, 4))
    assert p.shape == ((shape[0], 10) if is_batch else (10,))
    # Totals are below 20, sums of 25 terms; what they are off by is multiplied by the exponential.
    assert (abs(p.reshape(-1, 10) - expected) <= 2 * 26 * 20 * np.finfo(dtype).eps * expected).all()


def test_softmax_does_not_overflow_at_large_totals(tutorial, dtype):
    softmax = tutorial.Softmax(2, 3, dtype=dtype)
    softmax.weights = np.array([[1e4, -1e4, 0], [0, 0, 0]], dtype)
    assert softmax.forward([1, 0]).tolist() == [1, 0, 0]
    assert softmax.forward([-1, 0]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (3, 2, 3), (0, 2, 3)])
def test_softmax_backprop_is_finite_differences_with_the_weights_from_before_the_step(tutorial, shape):
    rng = np.random.default_rng(5)
    softmax = tutorial.Softmax(6, 4)
    softmax.weights, softmax.biases = rng.standard_normal((6, 4)), rng.standard_normal(4)
    x = rng.standard_normal(shape)
    # The gradient of a probability is not zero for the other classes alone: the whole Jacobian is needed.
    gradient = rng.standard_normal(softmax.forward(x).shape)
    parameters = x, softmax.weights.copy(), softmax.biases.copy()

    def loss(x, weights, biases):
        p = reference.softmax(x.reshape(-1, 6) @ weights + biases)
        return float((gradient * p.reshape(gradient.shape)).sum())

    step = EPS ** (1 / 3)
    expected = [numerical_gradient(lambda: loss(*parameters), value, step) for value in parameters]
    d_x = softmax.backprop(gradient, 0.5)
    # Third derivatives of a probability are below 1, times an input or weight each (below 4, cubed).
    scale = 1 + abs(gradient).sum()
    tolerance = scale * (64 * step**2 / 6 + 8 * EPS / step)
    np.testing.assert_allclose(d_x, expected[0], rtol=0, atol=tolerance, strict=True)
    np.testing.assert_allclose(softmax.weights, parameters[1] - 0.5 * expected[1], rtol=0, atol=tolerance)
    np.testing.assert_allclose(softmax.biases, parameters[2] - 0.5 * expected[2], rtol=0, atol=tolerance)


def test_a_batch_gives_each_images_results_and_the_sum_of_their_steps(tutorial, dtype):
    rng = np.random.default_rng(6)
    images = rng.standard_normal((4, 9, 10)).astype(dtype)
    conv, softmax = tutorial.Conv3x3(3, dtype=dtype), tutorial.Softmax(3 * 4 * 3, 5, dtype=dtype)
    pool = tutorial.MaxPool2()
    before = conv.filters.copy(), softmax.weights.copy(), softmax.biases.copy()

    def run(x):
        p = softmax.forward(pool.forward(conv.forward(x)))
        gradient = np.linspace(-1, 1, 5).astype(dtype) * np.ones_like(p)
        d_pool = softmax.backprop(gradient, 0.5)
        d_conv = pool.backprop(d_pool)
        conv.backprop(d_conv, 0.5)
        steps = conv.filters - before[0], softmax.weights - before[1], softmax.biases - before[2]
        conv.filters, softmax.weights, softmax.biases = before
        return (p, d_pool, d_conv), steps

    results, steps = run(images)
    alone = [run(image) for image in images]
    tolerance = 200 * float(np.finfo(dtype).eps)  # sums of at most 56 products, all of them below 4
    for i, whole in enumerate(results):
        stacked = np.stack([results[i] for results, _ in alone])
        np.testing.assert_allclose(whole, stacked, rtol=0, atol=tolerance, strict=True)
    for i, whole in enumerate(steps):
        summed = sum(steps[i] for _, steps in alone)
        np.testing.assert_allclose(whole, summed, rtol=0, atol=16 * tolerance)


def test_a_batch_of_one_image_keeps_its_batch_axis(tutorial):
    conv, pool, softmax = tutorial.Conv3x3(8), tutorial.MaxPool2(), tutorial.Softmax(13 * 13 * 8, 10)
    p = softmax.forward(pool.forward(conv.forward(np.zeros((1, 28, 28)))))
    assert p.shape == (1, 10)
    d_input = pool.backprop(softmax.backprop(np.ones((1, 10)), 0.1))
    assert d_input.shape == (1, 26, 26, 8)
    conv.backprop(d_input, 0.1)


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.int64, ">f8", "list", "read-only", "reversed"])
def test_inputs_of_any_type_and_layout(tutorial, dtype, kind):
    image = np.random.default_rng(7).integers(0, 200, (8, 9))
    np.random.seed(0)  # noqa: NPY002
    conv = tutorial.Conv3x3(3, dtype=dtype)
    expected = conv.forward(image.astype(dtype))
    if kind == "list":
        given = image.tolist()
    elif kind == "read-only":
        given = image.astype(dtype)
        given.flags.writeable = False
    elif kind == "reversed":
        given = np.flip(np.flip(image.astype(dtype)).copy())
    else:
        given = image.astype(kind)
    assert conv.forward(given).tobytes() == expected.tobytes()
    assert np.array_equal(given, image)
    pool = tutorial.MaxPool2()
    pooled = pool.forward(image.astype(dtype)[..., None])
    assert np.array_equal(pool.forward(np.asarray(given)[..., None]), pooled)


def test_a_convolution_goes_through_the_regions_of_an_image_row_by_row(tutorial):
    image = np.arange(20).reshape(4, 5)
    regions = tutorial.Conv3x3(2).iterate_regions(image)
    assert inspect.isgenerator(regions)
    regions = list(regions)
    assert [(i, j) for _, i, j in regions] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    for region, i, j in regions:
        np.testing.assert_array_equal(region, image[i : i + 3, j : j + 3], strict=True)
    assert list(tutorial.Conv3x3(2).iterate_regions(image[:2])) == []


def test_pooling_goes_through_the_regions_that_tile_an_image(tutorial):
    image = np.arange(2 * 4 * 5).reshape(4, 5, 2)
    regions = tutorial.MaxPool2().iterate_regions(image)
    assert inspect.isgenerator(regions)
    regions = list(regions)
    assert [(i, j) for _, i, j in regions] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for region, i, j in regions:
        np.testing.assert_array_equal(region, image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], strict=True)


def test_forward_is_the_tutorials_loop_over_the_regions(tutorial):
    conv, pool = tutorial.Conv3x3(3), tutorial.MaxPool2()
    image = np.random.default_rng(0).standard_normal((7, 8))
    y = conv.forward(image)
    for region, i, j in conv.iterate_regions(image):
        np.testing.assert_allclose(y[i, j], np.sum(region * conv.filters, axis=(1, 2)), rtol=0, atol=9 * 4 * EPS)
    pooled = pool.forward(y)
    for region, i, j in pool.iterate_regions(y):
        assert np.array_equal(pooled[i, j], np.amax(region, axis=(0, 1)))


def test_regions_of_what_is_no_image_are_refused_at_once(tutorial):
    for layer, shapes in ((tutorial.Conv3x3(2), [(3,), (2, 3, 3)]), (tutorial.MaxPool2(), [(4, 4), (1, 4, 4, 2)])):
        for shape in shapes:
            with pytest.raises(ValueError, match=r"image must have shape \(N, N"):
                layer.iterate_regions(np.zeros(shape))
        with pytest.raises(TypeError, match="image must be an array"):
            layer.iterate_regions(None)


@pytest.mark.parametrize("shape", [(24,), (2, 3, 4), (4, 6), (5, 24), (5, 2, 3, 4), (1, 2, 3, 4), (0, 2, 3, 4)])
def test_softmax_keeps_the_flat_input_its_shape_and_the_totals_of_the_last_forward(tutorial, dtype, shape):
    softmax = tutorial.Softmax(24, 10, dtype=dtype)
    assert (softmax.last_input, softmax.last_input_shape, softmax.last_totals) == (None, None, None)
    softmax.biases = np.arange(10).astype(dtype)
    x = np.random.default_rng(4).standard_normal(shape).astype(dtype)
    p = softmax.forward(x)
    batch = shape[:1] if shape[1:] in ((24,), (2, 3, 4)) else ()
    np.testing.assert_array_equal(softmax.last_input, x.reshape(*batch, 24), strict=True)
    assert softmax.last_input_shape == shape
    totals = softmax.last_totals
    assert (totals.shape, totals.dtype) == (p.shape, dtype)
    exact = softmax.last_input.astype(np.float64) @ softmax.weights.astype(np.float64) + softmax.biases
    assert (abs(totals - exact) <= 26 * 20 * np.finfo(dtype).eps).all()  # below 20, sums of 25 terms
    kept = totals.copy()
    softmax.backprop(np.ones_like(p) * np.arange(10, dtype=dtype), 0.5)
    assert np.array_equal(softmax.last_totals, kept)  # of the forward, whatever the weights are now
    softmax.weights, softmax.biases = softmax.weights * 0, softmax.biases * 0
    assert np.array_equal(softmax.last_totals, kept)
    softmax.forward(np.ones(24))
    assert softmax.last_input_shape == (24,)
    assert softmax.last_totals.tolist() == [0] * 10


# ---- attributes and pickling -------------------------------------------------------------------------------


def test_parameters_are_plain_arrays_that_may_be_changed_in_place(tutorial, dtype):
    conv, softmax = tutorial.Conv3x3(2, dtype=dtype), tutorial.Softmax(4, 3, dtype=dtype)
    for value in (conv.filters, softmax.weights, softmax.biases):
        assert type(value) is np.ndarray
        assert value.flags.writeable
    conv.filters[...] = 0
    conv.filters[1, 1, 1] = 2
    assert conv.forward(np.ones((3, 3))).tolist() == [[[0, 2]]]
    conv.filters *= 2
    assert conv.forward(np.ones((3, 3))).tolist() == [[[0, 4]]]
    softmax.weights[...] = 0
    softmax.biases += np.array([0, 0, 1e4], dtype)
    assert softmax.forward(np.ones(4)).tolist() == [0, 0, 1]


def test_assigned_parameters_are_used_and_trained_and_the_callers_array_is_not(tutorial, dtype):
    rng = np.random.default_rng(8)
    conv, softmax = tutorial.Conv3x3(2, dtype=dtype), tutorial.Softmax(8, 3, dtype=dtype)
    filters = np.asfortranarray(rng.standard_normal((2, 3, 3)).astype(dtype))
    weights = (rng.standard_normal((3, 8)) / 8).astype(dtype).T
    biases = rng.standard_normal(6).astype(dtype)[::2]
    given = filters, weights, biases
    copies = [a.copy() for a in given]
    for a in given:
        a.flags.writeable = False
    conv.filters, softmax.weights, softmax.biases = given
    y = conv.forward(np.ones((4, 4)))
    rounding = 9 * np.finfo(dtype).eps * abs(filters).sum(axis=(1, 2))
    assert (abs(y[0, 0] - filters.sum(axis=(1, 2))) <= rounding).all()
    p = softmax.forward(y)
    conv.backprop(softmax.backprop(p + np.array([1, 0, 0]), 0.1), 0.1)
    for a, copy, trained in zip(given, copies, (conv.filters, softmax.weights, softmax.biases), strict=True):
        assert np.array_equal(a, copy)
        assert not np.array_equal(trained, copy)


@pytest.mark.parametrize("name", ["filters", "weights", "biases"])
def test_assigning_another_shape_or_dtype_is_a_value_error_and_changes_nothing(tutorial, name):
    layer = tutorial.Conv3x3(2) if name == "filters" else tutorial.Softmax(4, 3)
    value = getattr(layer, name).copy()
    for bad in (
        value[:1],
        value[None],
        value.astype(np.float32),
        value.astype(int),
        value.astype(">f8"),
        0.0,
    ):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(.*\) and dtype float64, got"):
            setattr(layer, name, bad)
    for bad in (None, "weights", value.astype(complex)):
        with pytest.raises(TypeError, match=name):
            setattr(layer, name, bad)
    assert np.array_equal(getattr(layer, name), value)


def test_a_layer_comes_back_from_pickle_and_goes_on_training_alike(tutorial, dtype):
    image = np.random.default_rng(9).standard_normal((8, 8)).astype(dtype)
    layers = tutorial.Conv3x3(3, dtype=dtype), tutorial.MaxPool2(), tutorial.Softmax(27, 4, dtype=dtype)

    def step(conv, pool, softmax):
        p = softmax.forward(pool.forward(conv.forward(image)))
        conv.backprop(pool.backprop(softmax.backprop(p - 1, 0.1)), 0.1)
        return p, conv.filters, softmax.weights, softmax.biases

    step(*layers)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copies = pickle.loads(pickle.dumps(layers, protocol))
        twins = pickle.loads(pickle.dumps(layers, protocol))
        assert [type(copy) for copy in copies] == [type(layer) for layer in layers]
        for one, other in zip(step(*copies), step(*twins), strict=True):
            assert one.tobytes() == other.tobytes()
    assert not np.array_equal(copies[0].filters, layers[0].filters)


# ---- what is refused ---------------------------------------------------------------------------------------


def test_backprop_before_forward_is_a_runtime_error(tutorial):
    for call in (
        lambda: tutorial.Conv3x3(2).backprop(np.zeros((26, 26, 2)), 0.1),
        lambda: tutorial.MaxPool2().backprop(np.zeros((13, 13, 2))),
        lambda: tutorial.Softmax(4, 3).backprop(np.zeros(3), 0.1),
    ):
        with pytest.raises(RuntimeError, match="forward"):
            call()


def test_a_gradient_of_another_shape_than_the_last_output_is_a_value_error_and_trains_nothing(tutorial):
    conv, pool, softmax = tutorial.Conv3x3(2), tutorial.MaxPool2(), tutorial.Softmax(4, 3)
    conv.forward(np.zeros((8, 8)))
    pool.forward(np.zeros((8, 8, 2)))
    softmax.forward(np.ones((5, 4)))
    before = conv.filters.copy(), softmax.weights.copy(), softmax.biases.copy()
    for backprop, shapes in (
        (lambda d: conv.backprop(d, 0.1), [(6, 6, 3), (6, 6), (1, 6, 6, 2), (26, 26, 2), ()]),
        (pool.backprop, [(4, 4, 1), (4, 4), (1, 4, 4, 2), (8, 8, 2)]),
        (lambda d: softmax.backprop(d, 0.1), [(3,), (5, 4), (4, 3), (15,), (5, 1)]),
    ):
        for shape in shapes:
            with pytest.raises(ValueError, match="d_L_d_out"):
                backprop(np.zeros(shape))
    for a, b in zip(before, (conv.filters, softmax.weights, softmax.biases), strict=True):
        assert np.array_equal(a, b)


def test_a_gradient_for_the_forward_before_the_last_is_a_value_error(tutorial):
    conv, softmax = tutorial.Conv3x3(2), tutorial.Softmax(4, 3)
    for x in (np.zeros((9, 9)), np.zeros((8, 8))):
        conv.forward(x)
    with pytest.raises(ValueError, match=r"\(6, 6, 2\).*\(7, 7, 2\)"):
        conv.backprop(np.zeros((7, 7, 2)), 0.1)
    for x in (np.zeros((2, 4)), np.zeros(4)):
        softmax.forward(x)
    with pytest.raises(ValueError, match=r"\(3,?\).*\(2, 3\)"):
        softmax.backprop(np.zeros((2, 3)), 0.1)


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf])
def test_a_learning_rate_that_is_negative_or_not_finite_is_a_value_error(tutorial, rate):
    conv, softmax = tutorial.Conv3x3(2), tutorial.Softmax(4, 3)
    conv.forward(np.zeros((4, 4)))
    softmax.forward(np.zeros(4))
    with pytest.raises(ValueError, match="learn_rate must be finite"):
        conv.backprop(np.zeros((2, 2, 2)), rate)
    with pytest.raises(ValueError, match="learn_rate must be finite"):
        softmax.backprop(np.zeros(3), rate)


def test_inputs_of_another_shape_are_a_value_error_naming_it(tutorial):
    for layer, shapes in (
        (tutorial.Conv3x3(2), [(28,), (28, 28, 1, 1), (), (2, 28), (28, 2), (5, 2, 2)]),
        (tutorial.MaxPool2(), [(28, 28), (1, 1, 28, 28, 1), (1, 28, 3), (28, 1, 3)]),
        (tutorial.Softmax(4, 3), [(5,), (3, 5), (5, 4, 1, 2), (), (2, 2, 2, 2)]),
    ):
        for shape in shapes:
            with pytest.raises(ValueError, match=r"must|is larger than"):
                layer.forward(np.zeros(shape))


@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28, 4), (8, 8, 3), (9, 100, 4), (5, 28, 28, 3), (1, 8, 9, 4)])
def test_a_colour_image_is_refused_and_not_taken_for_a_batch(tutorial, shape):
    conv = tutorial.Conv3x3(2)
    with pytest.raises(
        ValueError, match=r"image must be grey.*colour in \d channels.*image\[\.\.\., :3\]\.mean"
    ) as error:
        conv.forward(np.zeros(shape))
    assert str(shape) in str(error.value)
    assert conv.last_input is None
    assert conv.forward(np.zeros(shape)[..., :3].mean(axis=-1)).shape[-1] == 2


def test_batches_of_narrow_images_are_none_of_colour(tutorial):
    conv = tutorial.Conv3x3(2)
    for shape in ((7, 28, 3), (28, 7, 4), (28, 28, 5), (28, 3), (8, 4)):
        assert conv.forward(np.zeros(shape)).shape == (*shape[:-2], shape[-2] - 2, shape[-1] - 2, 2)


@pytest.mark.parametrize("bad", [None, "image", object(), np.zeros((4, 4), complex), np.ma.zeros((4, 4))])
def test_inputs_that_are_no_arrays_of_real_numbers_are_a_type_error(tutorial, bad):
    for layer in (tutorial.Conv3x3(2), tutorial.MaxPool2(), tutorial.Softmax(16, 3)):
        with pytest.raises(TypeError, match=r"(image|input) must"):
            layer.forward(bad)
