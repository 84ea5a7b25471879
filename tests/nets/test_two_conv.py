"""`ConvolutionalNeuralNetwork`, the net of two convolutions behind four calls and eight arrays."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import cnn
import cnn.reference

SHAPES = {
    "conv1_weights": (3, 3, 1, 8),
    "conv1_bias": (8,),
    "conv2_weights": (3, 3, 8, 16),
    "conv2_bias": (16,),
    "fc1_weights": (784, 128),
    "fc1_bias": (128,),
    "output_weights": (128, 10),
    "output_bias": (10,),
}


@pytest.fixture
def make(implementation):
    """The class: of `cnn.reference`, or of `cnn` at some level."""
    return (cnn.reference if implementation == "reference" else cnn).ConvolutionalNeuralNetwork


@pytest.fixture(params=["reference", "compiled"])
def either(request):
    """The class, at one level: for what is decided before a kernel runs."""
    return (cnn.reference if request.param == "reference" else cnn).ConvolutionalNeuralNetwork


def parameters(net) -> dict[str, np.ndarray]:
    return {name: getattr(net, name) for name in SHAPES}


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in parameters(net).values())


def images(n: int, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 28, 28))


def labels(n: int) -> np.ndarray:
    return np.arange(n) * 7 % 10


def assert_close(computed, exact, dtype):
    """Probabilities, up to rounding.

    The longest sum, of the dense layer, has 784 terms; they are of order 1, and so is what the logits take from
    them. Three more layers add their shorter sums.
    """
    assert computed.dtype == dtype
    np.testing.assert_allclose(computed, exact, rtol=0, atol=2 * 784 * np.finfo(dtype).eps)


def written_out(net, x):
    """The forward pass for images (n, 28, 28), in float64 and with nothing of this package."""

    def convolution(x, w, b):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return np.maximum(np.einsum("nijcuv,uvcf->nijf", views, w) + b, 0)

    def pool(x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))

    p = {name: value.astype(np.float64) for name, value in parameters(net).items()}
    y = pool(convolution(x.astype(np.float64)[..., None], p["conv1_weights"], p["conv1_bias"]))
    y = pool(convolution(y, p["conv2_weights"], p["conv2_bias"])).reshape(len(x), 784)
    y = np.maximum(y @ p["fc1_weights"] + p["fc1_bias"], 0) @ p["output_weights"] + p["output_bias"]
    y = np.exp(y - y.max(axis=1, keepdims=True))
    return y / y.sum(axis=1, keepdims=True)


# ---- parameters --------------------------------------------------------------------------------------------


def test_the_default_is_float32_and_parameters_have_their_shapes(either):
    for options, dtype in (({}, "float32"), ({"dtype": "float64"}, "float64"), ({"dtype": np.float64}, "float64")):
        net = either(**options)
        assert {name: value.shape for name, value in parameters(net).items()} == SHAPES
        assert {value.dtype for value in parameters(net).values()} == {np.dtype(dtype)}


def test_a_seed_repeats_the_parameters_and_none_does_not(dtype):
    made = [kind.ConvolutionalNeuralNetwork(5, dtype) for kind in (cnn, cnn, cnn.reference)]
    assert bits(made[0]) == bits(made[1]) == bits(made[2])
    others = [bits(cnn.ConvolutionalNeuralNetwork(seed, dtype)) for seed in (6, None, None)]
    assert len({bits(made[0]), *others}) == 4


@pytest.mark.parametrize("name", [name for name in SHAPES if name.endswith("weights")])
def test_weights_are_normal_with_a_variance_of_two_over_the_inputs(either, name):
    w = getattr(either(seed=1, dtype="float64"), name)
    w = w / math.sqrt(2 / math.prod(w.shape[:-1]))
    # The mean and the variance of m normal numbers vary by 1 / sqrt(m) and sqrt(2 / m); five times that.
    assert abs(w.mean()) < 5 / math.sqrt(w.size)
    assert abs(w.var() - 1) < 5 * math.sqrt(2 / w.size)


@pytest.mark.parametrize("name", [name for name in SHAPES if name.endswith("bias")])
def test_biases_begin_at_zero(either, name):
    assert not getattr(either(seed=1), name).any()


@pytest.mark.parametrize("name", SHAPES)
def test_an_assigned_parameter_is_copied_and_used(make, dtype, name):
    net = make(seed=0, dtype=dtype)
    x = images(3)
    before = net.forward(x)
    value = np.random.default_rng(1).standard_normal(SHAPES[name]).astype(dtype)
    setattr(net, name, value)
    assert np.array_equal(getattr(net, name), value)
    assert not np.array_equal(net.forward(x), before)
    assert_close(net.forward(x), written_out(net, x), dtype)
    kept = bits(net)
    value[...] = 0
    assert bits(net) == kept


@pytest.mark.parametrize("name", SHAPES)
def test_a_parameter_may_be_changed_in_place(either, name):
    net = either(seed=0)
    x = images(3)
    before = net.forward(x)
    getattr(net, name)[...] += 1
    assert not np.array_equal(net.forward(x), before)


@pytest.mark.parametrize("name", SHAPES)
def test_a_parameter_of_another_shape_or_dtype_is_a_value_error_and_changes_nothing(either, name):
    net = either(seed=0)
    for bad in (np.zeros(SHAPES[name]), np.zeros((*SHAPES[name], 1), "float32"), np.zeros(3, "float32")):
        with pytest.raises(ValueError, match="must have shape"):
            setattr(net, name, bad)
    assert bits(net) == bits(either(seed=0))


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_another_dtype_is_a_value_error(either, dtype):
    with pytest.raises(ValueError, match="dtype must be"):
        either(dtype=dtype)


# ---- forward and predict -----------------------------------------------------------------------------------


def test_forward_is_the_net_written_out(make, dtype):
    net = make(seed=2, dtype=dtype)
    for name, value in parameters(net).items():
        if name.endswith("bias"):
            value[...] = np.random.default_rng(3).standard_normal(value.shape) / 10
    x = images(11)
    assert_close(net.forward(x), written_out(net, x), dtype)


@pytest.mark.parametrize(
    ("shape", "forward", "predict"),
    [
        ((28, 28), (10,), (1, 10)),
        ((28, 28, 1), (10,), (1, 10)),
        ((1, 28, 28), (1, 10), (1, 10)),
        ((3, 28, 28), (3, 10), (3, 10)),
        ((3, 28, 28, 1), (3, 10), (3, 10)),
        ((28, 28, 28), (28, 10), (28, 10)),
        ((0, 28, 28), (0, 10), (0, 10)),
    ],
)
def test_one_image_gives_a_row_and_a_batch_gives_rows(make, dtype, shape, forward, predict):
    net = make(seed=0, dtype=dtype)
    x = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
    assert (net.forward(x).shape, net.forward(x).dtype) == (forward, dtype)
    assert (net.predict(x).shape, net.predict(x).dtype) == (predict, dtype)
    assert np.array_equal(net.forward(x).reshape(predict), net.predict(x))
    np.testing.assert_allclose(net.predict(x).sum(axis=1), 1, rtol=0, atol=10 * np.finfo(dtype).eps)


def test_an_image_gives_the_same_alone_and_in_a_batch(make, dtype):
    net = make(seed=0, dtype=dtype)
    x = images(9)
    batch = net.forward(x)
    for image, row in zip(x, batch, strict=True):
        assert_close(net.forward(image), row, dtype)


@pytest.mark.parametrize("kind", ["uint8", "bool", "float16", "int64", ">f8", "list"])
def test_images_of_other_types_are_converted(either, dtype, kind):
    net = either(seed=0, dtype=dtype)
    x = images(4) > 0
    other = x.tolist() if kind == "list" else x.astype(kind)
    assert net.forward(other).tobytes() == net.forward(x.astype(dtype)).tobytes()


# ---- training ----------------------------------------------------------------------------------------------


def test_training_returns_the_loss_before_the_step_and_decreases_it(make, dtype):
    net = make(seed=0, dtype=dtype)
    x, y = images(16), labels(16)
    losses = []
    for _ in range(30):
        p = net.predict(x).astype(np.float64)
        loss = net.train(x, y, 0.1)
        assert isinstance(loss, float)
        expected = -np.log(p[np.arange(16), y]).mean()
        # The probabilities of `assert_close`, whose logarithms these are.
        assert abs(loss - expected) < 2 * 784 * np.finfo(dtype).eps / p[np.arange(16), y].min()
        losses.append(loss)
    assert losses[0] < 2 * math.log(10)
    assert losses[-1] < losses[0] / 2


def test_a_step_goes_down_the_gradient_by_the_learning_rate(make):
    net = make(seed=0, dtype="float64")
    x, y = images(3), labels(3)
    start = {name: value.copy() for name, value in parameters(net).items()}

    def loss():
        return -np.log(written_out(net, x)[np.arange(3), y]).mean()

    net.train(x, y, 0.5)
    gradients = {name: (start[name] - value) / 0.5 for name, value in parameters(net).items()}
    for name, value in parameters(net).items():
        value[...] = start[name]
    rng = np.random.default_rng(0)
    h = 2**-16
    for name, value in parameters(net).items():
        direction = rng.choice([-1.0, 1.0], value.shape) / math.sqrt(value.size)
        slopes = []
        for step in (2 * h, h):
            value[...] = start[name] + step * direction
            above = loss()
            value[...] = start[name] - step * direction
            slopes.append((above - loss()) / (2 * step))
        value[...] = start[name]
        # The error of a central difference is a third of what halving its step changed; and 784 terms are rounded.
        tolerance = abs(slopes[0] - slopes[1]) + 2 * 784 * np.finfo(float).eps / h
        assert tolerance < 1e-5
        assert abs((gradients[name] * direction).sum() - slopes[1]) < tolerance, name


@pytest.mark.parametrize("form", ["one-hot", "one-hot int", "uint8", "float64", "list"])
def test_one_hot_rows_and_labels_train_the_same(either, dtype, form):
    y = labels(6)
    forms = {"one-hot": np.eye(10)[y], "one-hot int": np.eye(10, dtype=int)[y], "list": y.tolist()}
    other = forms[form] if form in forms else y.astype(form)
    nets = [either(seed=0, dtype=dtype) for _ in range(2)]
    losses = [net.train(images(6), given, 0.1) for net, given in zip(nets, (y, other), strict=True)]
    assert losses[0] == losses[1]
    assert bits(nets[0]) == bits(nets[1])


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28), (1, 28, 28, 1)])
@pytest.mark.parametrize("y", [4, np.int8(4), np.array(4), np.eye(10)[4]])
def test_one_image_trains_as_a_batch_of_one(either, shape, y):
    x = images(1)
    nets = [either(seed=0) for _ in range(2)]
    losses = [nets[0].train(x, [4], 0.1)]
    batched = len(shape) == 4 or shape[0] == 1
    losses.append(nets[1].train(x.reshape(shape), np.asarray(y)[None] if batched else y, 0.1))
    assert losses[0] == losses[1]
    assert bits(nets[0]) == bits(nets[1])


def test_a_run_is_repeated_to_the_bit_by_any_number_of_threads(level, dtype, thread_counts):
    runs = set()
    for _ in thread_counts:
        net = cnn.ConvolutionalNeuralNetwork(seed=0, dtype=dtype)
        losses = [net.train(images(n, seed=n), labels(n), 0.05) for n in (19, 1, 4)]
        runs.add((*losses, bits(net), net.predict(images(7)).tobytes()))
    assert len(runs) == 1


def test_compiled_and_reference_train_alike(level):
    nets = [kind.ConvolutionalNeuralNetwork(seed=4, dtype="float64") for kind in (cnn, cnn.reference)]
    steps = 10
    for step in range(steps):
        losses = [net.train(images(8, seed=step), labels(8), 0.05) for net in nets]
        # Sums of at most 784 * 8 terms of order 1, each step's rounding at most doubled by the steps after it.
        tolerance = 784 * 8 * 2**steps * np.finfo(float).eps
        assert abs(losses[0] - losses[1]) < tolerance
    for name, value in parameters(nets[0]).items():
        np.testing.assert_allclose(value, getattr(nets[1], name), rtol=0, atol=tolerance, err_msg=name)


def test_compiled_and_reference_are_called_alike():
    for name in ("forward", "predict", "train"):
        ours, theirs = (
            inspect.signature(getattr(kind.ConvolutionalNeuralNetwork, name)) for kind in (cnn, cnn.reference)
        )
        assert str(ours) == str(theirs)
    ours, theirs = (inspect.signature(kind.ConvolutionalNeuralNetwork) for kind in (cnn, cnn.reference))
    assert list(ours.parameters) == list(theirs.parameters)


# ---- sizes and single operations ---------------------------------------------------------------------------


def test_its_sizes_may_be_read_and_not_assigned(either):
    net = either(seed=0)
    sizes = {"conv1_filters": 8, "conv1_filter_size": 3, "conv2_filters": 16, "conv2_filter_size": 3}
    sizes |= {"fc1_units": 128, "output_units": 10}
    for name, size in sizes.items():
        assert getattr(net, name) == size
        with pytest.raises(AttributeError):
            setattr(net, name, 5)


def test_it_prints_its_dtype_and_backend():
    expected = "ConvolutionalNeuralNetwork(dtype='float64', backend='{}')"
    assert repr(cnn.ConvolutionalNeuralNetwork(0, "float64")) == expected.format("compiled")
    assert repr(cnn.reference.ConvolutionalNeuralNetwork(0, "float64")) == expected.format("numpy")


def test_forward_is_made_of_the_single_operations(make, dtype):
    net = make(seed=2, dtype=dtype)
    for x in (images(1)[0], images(3)):
        y = net.max_pool2d(net.relu(net.conv2d(x, net.conv1_weights, net.conv1_bias)), 2)
        y = net.max_pool2d(net.relu(net.conv2d(y, net.conv2_weights, net.conv2_bias)), 2)
        y = net.relu(y.reshape(-1, 784) @ net.fc1_weights + net.fc1_bias)
        y = net.softmax(y @ net.output_weights + net.output_bias)
        assert_close(y, written_out(net, x.reshape(-1, 28, 28)), dtype)


@pytest.mark.parametrize(
    ("shape", "c_in", "expected"),
    [
        ((6, 7), 1, (6, 7, 4)),
        ((6, 7, 1), 1, (6, 7, 4)),
        ((5, 6, 7), 1, (5, 6, 7, 4)),
        ((5, 6, 7, 1), 1, (5, 6, 7, 4)),
        ((6, 7, 2), 2, (6, 7, 4)),
        ((9, 9, 3), 3, (9, 9, 4)),
        ((5, 6, 7, 2), 2, (5, 6, 7, 4)),
        ((0, 6, 7, 2), 2, (0, 6, 7, 4)),
    ],
)
def test_a_convolution_keeps_height_and_width(make, dtype, shape, c_in, expected):
    net = make(dtype=dtype)
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal(shape), rng.standard_normal((3, 3, c_in, 4)), rng.standard_normal(4)
    y = net.conv2d(x, w, b)
    assert (y.shape, y.dtype) == (expected, dtype)
    x, w, b = (a.astype(dtype).astype(np.float64) for a in (x, w, b))
    x = np.pad(x.reshape(-1, *expected[-3:-1], c_in), ((0, 0), (1, 1), (1, 1), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    exact = np.einsum("nijcuv,uvcf->nijf", views, w).reshape(expected) + b
    np.testing.assert_allclose(y, exact, rtol=0, atol=28 * 28 * 16 * np.finfo(dtype).eps)  # at most 28 terms below 16
    without = net.conv2d(x[:, 1:-1, 1:-1].reshape(shape), w, None)
    np.testing.assert_allclose(without, exact - b, rtol=0, atol=28 * 28 * 16 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((6, 7), 2, (3, 3)),
        ((6, 7, 5), 2, (3, 3, 5)),
        ((6, 7, 5), (3, 1), (2, 7, 5)),
        ((4, 6, 7, 5), 3, (4, 2, 2, 5)),
        ((0, 6, 7, 5), 3, (0, 2, 2, 5)),
    ],
)
def test_pooling_takes_the_maximum_of_windows_that_do_not_overlap(make, dtype, shape, size, expected):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    rows, columns = (size, size) if isinstance(size, int) else size
    images = x.reshape(-1, 6, 7, 5 if len(shape) > 2 else 1)
    images = images[:, : 6 // rows * rows, : 7 // columns * columns]
    n, h, w, c = images.shape
    exact = images.reshape(n, h // rows, rows, w // columns, columns, c).max(axis=(2, 4)).reshape(expected)
    np.testing.assert_array_equal(make(dtype=dtype).max_pool2d(x, size), exact, strict=True)


def test_relu_and_softmax_of_any_rows(make, dtype):
    net = make(dtype=dtype)
    for shape in ((), (5,), (2, 3), (2, 3, 4, 5), (0, 3)):
        x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        np.testing.assert_array_equal(net.relu(x), np.maximum(x, 0).reshape(shape), strict=True)
    for shape in ((5,), (2, 3), (1, 4), (0, 3)):
        x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        exact = np.exp(x.astype(np.float64))
        exact /= exact.sum(axis=-1, keepdims=True)
        p = net.softmax(x)
        assert (p.shape, p.dtype) == (shape, dtype)
        np.testing.assert_allclose(p, exact, rtol=16 * np.finfo(dtype).eps, atol=0)


def test_operations_convert_to_the_nets_dtype(either, dtype):
    net = either(dtype=dtype)
    x = np.arange(16).reshape(4, 4)
    results = net.conv2d(x, np.ones((3, 3, 1, 2), int), [0, 1]), net.max_pool2d(x), net.relu(x), net.softmax(x)
    assert {result.dtype for result in results} == {dtype}


def test_operations_refuse_other_shapes_and_name_the_argument(either):
    net = either()
    w, b = np.ones((3, 3, 1, 2)), np.ones(2)
    for call, message in (
        (lambda: net.conv2d(np.ones(4), w, b), r"^x must have shape \(h, w\)"),
        (lambda: net.conv2d(np.ones((1, 2, 4, 4, 1)), w, b), r"^x must have shape \(h, w\)"),
        (lambda: net.conv2d(np.ones((4, 4)), w[:, :, 0], b), r"^weight must have shape"),
        (lambda: net.conv2d(np.ones((4, 4)), w, b[:1]), r"^bias must have shape"),
        (lambda: net.conv2d(np.ones((4, 4, 3)), np.ones((3, 3, 2, 2)), b), r"^x must have the 2 channels .* got 3"),
        (lambda: net.conv2d(np.ones((28, 28, 3)), w, b), r"^x must be grey.*colour"),
        (lambda: net.max_pool2d(np.ones(4), 2), r"^x must have shape \(h, w\)"),
        (lambda: net.max_pool2d(np.ones((4, 4)), 0), r"^size must be at least 1"),
        (lambda: net.max_pool2d(np.ones((4, 4)), 5), r"larger than"),
        (lambda: net.softmax(np.ones((2, 2, 2))), r"^x must have shape \(classes,\)"),
        (lambda: net.softmax(np.ones((2, 0))), r"^x must have shape \(classes,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for call in (net.relu, net.softmax, net.max_pool2d, lambda x: net.conv2d(x, w, b)):
        with pytest.raises(TypeError, match=r"^x "):
            call(np.zeros((4, 4), complex))


# ---- digits ------------------------------------------------------------------------------------------------


def test_it_learns_digits(mnist_dataset):
    net = cnn.ConvolutionalNeuralNetwork(seed=0)
    x = mnist_dataset.train_images[:2000] / 255 - 0.5
    for _ in range(2):
        for first in range(0, 2000, 20):
            net.train(x[first : first + 20], mnist_dataset.train_labels[first : first + 20], 0.1)
    predicted = net.predict(mnist_dataset.test_images[:1000] / 255 - 0.5).argmax(axis=1)
    assert np.mean(predicted == mnist_dataset.test_labels[:1000]) > 0.85


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(27, 28), (28,), (28, 28, 3), (2, 28, 28, 3), (2, 784), (1, 2, 28, 28, 1)])
def test_images_of_another_shape_are_a_value_error_naming_both(either, shape):
    net = either(seed=0)
    for call in (net.forward, net.predict, lambda x: net.train(x, [0, 1], 0.1)):
        with pytest.raises(ValueError, match=r"\(N, 28, 28, 1\)") as error:
            call(np.zeros(shape))
        assert str(shape) in str(error.value)


@pytest.mark.parametrize(
    "bad", [None, "image", np.full((28, 28), None), np.zeros((28, 28), complex), np.ma.zeros((28, 28))]
)
def test_what_are_no_images_are_a_type_error(either, bad):
    net = either(seed=0)
    for call in (net.forward, net.predict, lambda x: net.train(x, 0, 0.1)):
        with pytest.raises(TypeError, match=r"^x "):
            call(bad)


@pytest.mark.parametrize("bad", [10, -1, math.nan, 2.5])
def test_the_first_bad_label_is_named_and_nothing_is_trained(either, bad):
    net = either(seed=0)
    y = labels(5).astype(np.float64)
    y[[2, 4]] = bad
    with pytest.raises(ValueError, match=r"y\[2\] must be a whole number from 0 to 9"):
        net.train(images(5), y, 0.1)
    assert bits(net) == bits(either(seed=0))


@pytest.mark.parametrize("y", [[1, 2], [], 3, np.eye(10)[:2], np.zeros((5, 9))])
def test_labels_of_another_length_are_a_value_error(either, y):
    with pytest.raises(ValueError, match="y must have"):
        either(seed=0).train(images(5), y, 0.1)


def test_training_on_nothing_is_a_value_error(either):
    with pytest.raises(ValueError, match="at least one"):
        either(seed=0).train(images(0), labels(0), 0.1)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_a_learning_rate_out_of_range_is_a_value_error(either, bad):
    net = either(seed=0)
    with pytest.raises(ValueError, match=r"^learning_rate must be finite and between 0 and 3.40282e\+38, got"):
        net.train(images(2), labels(2), bad)
    assert bits(net) == bits(either(seed=0))


def test_a_loss_that_is_no_number_is_an_error_and_changes_nothing(make):
    net = make(seed=0)
    x = images(3)
    x[1, 5, 5] = math.nan
    with pytest.raises(FloatingPointError, match="the loss is NaN or infinite; the parameters are left as they were"):
        net.train(x, labels(3), 0.1)
    assert bits(net) == bits(make(seed=0))
    assert math.isfinite(net.train(images(3), labels(3), 0.1))
