"""The same operations, optimisers and steps in PyTorch, in float64: an implementation that shares nothing with ours."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402


def normal(seed: int, *shapes: tuple[int, ...], dtype) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def to_torch(a: np.ndarray, order: tuple[int, ...] | None = None, gradient: bool = True):
    """A float64 tensor, its axes in PyTorch's order."""
    tensor = torch.tensor(a.astype(np.float64).transpose(order) if order else a.astype(np.float64))
    return tensor.requires_grad_(gradient)


def to_numpy(tensor, order: tuple[int, ...] | None = None) -> np.ndarray:
    a = tensor.detach().numpy()
    return a.transpose(order) if order else a


CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
KERNEL_FIRST, KERNEL_LAST = (3, 2, 0, 1), (2, 3, 1, 0)


def conv2d_in_torch(x, w, b, dy, stride, padding):
    """Output and gradients, channels last."""
    xt, wt, bt = to_torch(x, CHANNELS_FIRST), to_torch(w, KERNEL_FIRST), to_torch(b)
    y = F.conv2d(xt, wt, bt, stride, padding)
    if dy is None:
        return to_numpy(y, CHANNELS_LAST)
    y.backward(to_torch(dy, CHANNELS_FIRST, gradient=False))
    return (
        to_numpy(y, CHANNELS_LAST),
        to_numpy(xt.grad, CHANNELS_LAST),
        to_numpy(wt.grad, KERNEL_LAST),
        to_numpy(bt.grad),
    )


@pytest.mark.parametrize(
    ("h", "w", "kernel", "c_in", "c_out", "stride", "padding"),
    [
        (28, 28, (3, 3), 1, 8, 1, "valid"),
        (14, 14, (3, 3), 8, 16, 1, "same"),
        (28, 28, (5, 5), 1, 6, 1, "valid"),
        (14, 14, (5, 5), 6, 16, 1, "valid"),
        (9, 12, (2, 4), 3, 17, 1, "same"),
        (13, 11, (3, 5), 2, 33, (2, 3), (1, 2)),
        (10, 10, (1, 1), 9, 9, 2, 0),
        (7, 7, (7, 7), 3, 5, 1, 3),
        (4, 4, (2, 2), 2, 3, 3, 4),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_convolution(ops, dtype, h, w, kernel, c_in, c_out, stride, padding):
    n = 3
    x, weights, b = normal(0, (n, h, w, c_in), (*kernel, c_in, c_out), (c_out,), dtype=dtype)
    shape = conv2d_in_torch(x, weights, b, None, stride, padding).shape
    (dy,) = normal(1, shape, dtype=dtype)
    exact = conv2d_in_torch(x, weights, b, dy, stride, padding)
    magnitude = conv2d_in_torch(*map(np.abs, (x, weights, b, dy)), stride, padding)
    y = ops.conv2d_forward(x, weights, b, stride, padding)
    actual = y, *ops.conv2d_backward(dy, x, weights, stride, padding)
    positions = n * shape[1] * shape[2]
    terms = weights[..., 0].size + 1, weights[:, :, 0].size, positions, positions
    for one, other, size, k in zip(actual, exact, magnitude, terms, strict=True):
        assert one.shape == other.shape
        assert (abs(one - other) <= (k + 1) * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("special", [None, -np.inf, np.nan])
@pytest.mark.parametrize(
    ("pool_size", "stride", "padding", "channels"),
    [
        ((2, 2), None, (0, 0), 8),
        ((2, 2), None, (0, 0), 17),
        ((3, 3), 2, (1, 1), 3),
        ((2, 3), 1, (1, 0), 5),
        ((2, 2), 3, (0, 0), 1),
        ((4, 4), 3, (2, 2), 6),
    ],
)
def test_max_pooling(ops, dtype, pool_size, stride, padding, channels, special):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 3, (3, 11, 12, channels)).astype(dtype)  # most windows tie
    if special is not None:
        x[rng.random(x.shape) < 0.5] = special
    xt = to_torch(x, CHANNELS_FIRST)
    y, indices = F.max_pool2d(xt, pool_size, stride, padding, return_indices=True)
    actual, switches = ops.maxpool2d_forward(x, pool_size, stride, padding)
    np.testing.assert_array_equal(actual, to_numpy(y, CHANNELS_LAST))
    if special is np.nan:
        return  # PyTorch names the last of several NaN, NumPy and we the first
    # PyTorch counts positions in the image, switches count them in the window.
    sh, sw = pool_size if stride is None else (stride, stride)
    row = switches // pool_size[1] + sh * np.arange(y.shape[2])[:, None, None] - padding[0]
    column = switches % pool_size[1] + sw * np.arange(y.shape[3])[:, None] - padding[1]
    np.testing.assert_array_equal(row * x.shape[2] + column, to_numpy(indices, CHANNELS_LAST))
    dy = rng.integers(-9, 9, actual.shape).astype(dtype)
    y.backward(to_torch(dy, CHANNELS_FIRST, gradient=False))
    dx = ops.maxpool2d_backward(dy, switches, x.shape, pool_size, stride, padding)
    np.testing.assert_array_equal(dx, to_numpy(xt.grad, CHANNELS_LAST))


@pytest.mark.parametrize(("n", "inputs", "units"), [(1, 1352, 10), (32, 784, 128), (33, 17, 5), (7, 128, 10)])
def test_dense(ops, dtype, n, inputs, units):
    x, w, b, dy = normal(3, (n, inputs), (inputs, units), (units,), (n, units), dtype=dtype)

    def in_torch(x, w, b, dy):
        xt, wt, bt = to_torch(x), to_torch(w, (1, 0)), to_torch(b)
        y = F.linear(xt, wt, bt)
        y.backward(to_torch(dy, gradient=False))
        return to_numpy(y), to_numpy(xt.grad), to_numpy(wt.grad, (1, 0)), to_numpy(bt.grad)

    actual = ops.dense_forward(x, w, b), *ops.dense_backward(dy, x, w)
    magnitude = in_torch(*map(np.abs, (x, w, b, dy)))
    terms = inputs + 1, units, n, n
    for one, other, size, k in zip(actual, in_torch(x, w, b, dy), magnitude, terms, strict=True):
        assert (abs(one - other) <= (k + 1) * np.finfo(dtype).eps * size).all()


def test_relu(ops, dtype):
    x, dy = normal(4, (5, 7, 3), (5, 7, 3), dtype=dtype)
    xt = to_torch(x)
    y = F.relu(xt)
    y.backward(to_torch(dy, gradient=False))
    np.testing.assert_array_equal(ops.relu_forward(x), to_numpy(y))
    np.testing.assert_array_equal(ops.relu_backward(dy, ops.relu_forward(x)), to_numpy(xt.grad))


@pytest.mark.parametrize(("n", "classes", "scale"), [(1, 10, 1), (64, 10, 5), (33, 17, 1e3), (5, 1, 1)])
def test_cross_entropy(ops, dtype, n, classes, scale):
    (logits,) = normal(5, (n, classes), dtype=dtype)
    logits *= dtype.type(scale)
    labels = np.random.default_rng(6).integers(0, classes, n)
    z = to_torch(logits)
    expected = F.cross_entropy(z, torch.tensor(labels))
    expected.backward()
    loss, probabilities, dlogits = ops.softmax_cross_entropy(logits, labels)
    eps = float(np.finfo(dtype).eps)
    relative = eps * (classes + 8 + float(abs(logits).max()))  # exponentials of rounded numbers, and their sum
    assert loss == pytest.approx(expected.item(), rel=relative, abs=relative)
    p = to_numpy(torch.softmax(z, 1))
    tiny = float(np.finfo(dtype).tiny)
    np.testing.assert_allclose(probabilities, p, rtol=2 * relative, atol=tiny)
    np.testing.assert_allclose(dlogits, to_numpy(z.grad), rtol=2 * relative, atol=(2 * relative + eps) / n)


def test_tensors_are_taken_for_arrays_and_left_unchanged(ops, dtype):
    x, w, b = normal(7, (2, 6, 6, 2), (3, 3, 2, 4), (4,), dtype=dtype)
    tensors = [torch.tensor(a) for a in (x, w, b)]
    y = ops.conv2d_forward(*tensors)
    assert type(y) is np.ndarray
    assert np.array_equal(y, ops.conv2d_forward(x, w, b))
    channels_first = torch.tensor(np.moveaxis(x, -1, 1).copy()).permute(*CHANNELS_LAST)
    assert np.array_equal(ops.conv2d_forward(channels_first, w, b), y)
    labels = torch.tensor([1, 3], dtype=torch.int32)
    logits = torch.tensor(y[:, 0, 0])
    assert ops.softmax_cross_entropy(logits, labels)[0] == ops.softmax_cross_entropy(y[:, 0, 0], [1, 3])[0]
    assert np.array_equal(ops.relu_forward(torch.tensor([-1, 2], dtype=torch.float16)), [0, 2])
    for tensor, a in zip(tensors, (x, w, b), strict=True):
        assert np.array_equal(tensor.numpy(), a)


def test_a_tensor_that_tracks_gradients_is_a_type_error_that_says_so(ops):
    with pytest.raises(TypeError, match=r"x cannot be read as an array: .*requires grad"):
        ops.relu_forward(torch.zeros(3, requires_grad=True))


def test_a_tensor_of_complex_numbers_is_a_type_error(ops):
    with pytest.raises(TypeError, match="x must be an array of numbers"):
        ops.relu_forward(torch.zeros(3, dtype=torch.complex64))


def test_the_tutorials_layers_agree_with_autograd(tutorial):
    torch_image = torch.tensor(np.random.default_rng(8).standard_normal((28, 28)))
    conv, pool, softmax = tutorial.Conv3x3(8), tutorial.MaxPool2(), tutorial.Softmax(13 * 13 * 8, 10)
    filters, weights, biases = map(to_torch, (conv.filters, softmax.weights, softmax.biases))
    y = F.max_pool2d(F.conv2d(torch_image[None, None], filters[:, None]), 2)
    logits = y.permute(0, 2, 3, 1).reshape(1, -1) @ weights + biases
    F.cross_entropy(logits, torch.tensor([3])).backward()
    p = softmax.forward(pool.forward(conv.forward(torch_image)))
    gradient = np.zeros(10)
    gradient[3] = -1 / p[3]
    conv.backprop(pool.backprop(softmax.backprop(gradient, 1.0)), 1.0)
    # Sums of at most 1352 products in float64, all of them below 10.
    tolerance = 1352 * 10 * float(np.finfo(np.float64).eps)
    for trained, before in ((conv.filters, filters), (softmax.weights, weights), (softmax.biases, biases)):
        np.testing.assert_allclose(trained, (before - before.grad).detach().numpy(), rtol=0, atol=tolerance)


# ---- optimisers and whole steps ----------------------------------------------------------------------------

OPTIMIZERS = [
    (cnn.SGD, {}),
    (cnn.SGD, {"momentum": 0.9}),
    (cnn.SGD, {"momentum": 0.9, "nesterov": True}),
    (cnn.SGD, {"momentum": 0.5, "weight_decay": 0.1}),
    (cnn.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (cnn.Adam, {}),
    (cnn.Adam, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}),
    (cnn.Adam, {"weight_decay": 0.1}),
]


def optimizer_in_torch(kind, tensors, learning_rate, options):
    if kind is cnn.SGD:
        return torch.optim.SGD(tensors, learning_rate, **options)
    betas = options.get("beta1", 0.9), options.get("beta2", 0.999)
    decay, epsilon = options.get("weight_decay", 0), options.get("epsilon", 1e-8)
    return torch.optim.Adam(tensors, learning_rate, betas, epsilon, decay)


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_the_steps_of_an_optimiser(level, kind, options):
    updates = 25
    parameters, *gradients = normal(9, *[(50,)] * (updates + 1), dtype=np.float64)
    p = to_torch(parameters)
    ours, theirs = kind(0.1, **options), optimizer_in_torch(kind, [p], 0.1, options)
    for gradient in gradients:
        ours.step(parameters, gradient)
        p.grad = torch.tensor(gradient)
        theirs.step()
    # At most fifteen roundings an update, in either, of numbers that are here below 300; an error of a velocity or
    # moment is added up by the updates after it.
    tolerance = 2 * 15 * updates**2 * np.finfo(np.float64).eps * 300
    np.testing.assert_allclose(parameters, to_numpy(p), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_ten_steps_of_a_net(level, kind, options):
    layers = [
        cnn.Conv2D(6, 5), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Conv2D(9, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(20), cnn.ReLU(), cnn.Dense(10),
    ]  # fmt: skip
    net = cnn.Sequential(layers, (16, 18, 1), dtype="float64", seed=0)
    rate = 0.05 if kind is cnn.SGD else 0.001
    orders = [KERNEL_FIRST, None, KERNEL_FIRST, None, (1, 0), None, (1, 0), None]
    tensors = [to_torch(value, order) for value, order in zip(net.parameters().values(), orders, strict=True)]
    w1, b1, w2, b2, w3, b3, w4, b4 = tensors
    ours, theirs = kind(rate, **options), optimizer_in_torch(kind, tensors, rate, options)
    rng = np.random.default_rng(10)
    for _ in range(10):
        x, labels = rng.standard_normal((19, 16, 18, 1)), rng.integers(0, 10, 19)
        loss = net.train_on_batch(x, labels, ours)
        y = F.max_pool2d(F.relu(F.conv2d(to_torch(x, CHANNELS_FIRST, gradient=False), w1, b1)), 2)
        y = F.max_pool2d(F.relu(F.conv2d(y, w2, b2, padding="same")), 2)
        y = F.relu(F.linear(y.permute(*CHANNELS_LAST).flatten(1), w3, b3))
        expected = F.cross_entropy(F.linear(y, w4, b4), torch.tensor(labels))
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        # Sums of fewer than 10,000 terms, of numbers of order 1; ten small steps enlarge the error less than tenfold.
        tolerance = 10 * 10_000 * float(np.finfo(np.float64).eps)
        assert loss == pytest.approx(expected.item(), rel=tolerance)
    back = [KERNEL_LAST, None, KERNEL_LAST, None, (1, 0), None, (1, 0), None]
    for value, tensor, order in zip(net.parameters().values(), tensors, back, strict=True):
        np.testing.assert_allclose(value, to_numpy(tensor, order), rtol=0, atol=tolerance)
