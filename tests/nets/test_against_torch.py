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


def conv2d_in_torch(x, w, b, dy, *options):
    """Output and gradients, channels last."""
    xt, wt, bt = to_torch(x, CHANNELS_FIRST), to_torch(w, KERNEL_FIRST), to_torch(b)
    y = F.conv2d(xt, wt, bt, *options)
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
    ("h", "w", "kernel", "c_in", "c_out", "options"),
    [
        (28, 28, (3, 3), 1, 8, (1, "valid")),
        (14, 14, (3, 3), 8, 16, (1, "same")),
        (28, 28, (5, 5), 1, 6, (1, "valid")),
        (14, 14, (5, 5), 6, 16, (1, "valid")),
        (9, 12, (2, 4), 3, 17, (1, "same")),
        (13, 11, (3, 5), 2, 33, ((2, 3), (1, 2))),
        (10, 10, (1, 1), 9, 9, (2, 0)),
        (7, 7, (7, 7), 3, 5, (1, 3)),
        (4, 4, (2, 2), 2, 3, (3, 4)),
        (14, 13, (3, 3), 8, 16, (1, "same", 2)),
        (13, 11, (3, 5), 2, 33, ((2, 3), (1, 4), (3, 2))),
        (9, 12, (2, 4), 3, 17, (1, "same", (3, 1))),
        (14, 14, (3, 3), 8, 18, (1, "same", 1, 2)),
        (9, 8, (3, 2), 6, 9, (2, 1, (1, 2), 3)),
        (14, 14, (3, 3), 33, 33, (1, "same", 1, 33)),
        (15, 14, (5, 3), 17, 17, ((1, 2), (2, 1), (1, 2), 17)),
        (14, 13, (3, 3), 8, 8, (2, 1, 1, 8)),
        (14, 13, (3, 3), 8, 24, (1, 1, 1, 8)),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_convolution(ops, dtype, h, w, kernel, c_in, c_out, options):
    n, groups = 3, options[3] if len(options) > 3 else 1
    x, weights, b = normal(0, (n, h, w, c_in), (*kernel, c_in // groups, c_out), (c_out,), dtype=dtype)
    shape = conv2d_in_torch(x, weights, b, None, *options).shape
    (dy,) = normal(1, shape, dtype=dtype)
    exact = conv2d_in_torch(x, weights, b, dy, *options)
    magnitude = conv2d_in_torch(*map(np.abs, (x, weights, b, dy)), *options)
    y = ops.conv2d_forward(x, weights, b, *options)
    actual = y, *ops.conv2d_backward(dy, x, weights, *options)
    positions = n * shape[1] * shape[2]
    terms = weights[..., 0].size + 1, weights[:, :, 0].size // groups, positions, positions
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


@pytest.mark.parametrize(
    ("pool_size", "stride", "padding", "channels"),
    [
        ((2, 2), None, (0, 0), 8),
        ((3, 3), 2, (0, 0), 17),
        ((2, 3), 1, (1, 0), 5),
        ((2, 2), 3, (1, 1), 1),
        ((4, 4), 3, (2, 2), 6),
    ],
)
def test_average_pooling(ops, dtype, pool_size, stride, padding, channels):
    (x,) = normal(2, (3, 11, 12, channels), dtype=dtype)

    def in_torch(x, dy):
        xt = to_torch(x, CHANNELS_FIRST)
        y = F.avg_pool2d(xt, pool_size, stride, padding, count_include_pad=False)
        y.backward(to_torch(dy, CHANNELS_FIRST, gradient=False))
        return to_numpy(y, CHANNELS_LAST), to_numpy(xt.grad, CHANNELS_LAST)

    y = ops.avgpool2d_forward(x, pool_size, stride, padding)
    (dy,) = normal(3, y.shape, dtype=dtype)
    actual = y, ops.avgpool2d_backward(dy, x.shape, pool_size, stride, padding)
    terms = pool_size[0] * pool_size[1] + 2
    for one, other, size in zip(actual, in_torch(x, dy), in_torch(abs(x), abs(dy)), strict=True):
        assert (abs(one - other) <= (terms + 1) * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("shape", [(6, 5, 3), (7,)])
@pytest.mark.parametrize(("momentum", "epsilon"), [(0.9, 1e-5), (0.25, 0.01)])
def test_normalisation(shape, momentum, epsilon):
    layer = cnn.BatchNorm(momentum=momentum, epsilon=epsilon).build(shape, dtype="float64")
    theirs = (torch.nn.BatchNorm2d if len(shape) == 3 else torch.nn.BatchNorm1d)(
        shape[-1], eps=epsilon, momentum=1 - momentum, dtype=torch.float64
    )
    for mine, parameter in ((layer.gamma, theirs.weight), (layer.beta, theirs.bias)):
        mine[...] = np.random.default_rng(len(shape)).standard_normal(mine.shape)
        parameter.data = torch.tensor(mine)
    there, back = (CHANNELS_FIRST, CHANNELS_LAST) if len(shape) == 3 else (None, None)
    # Sums of fewer than 500 terms, of numbers below 10, over deviations of about 1.
    tolerance = 500 * 10 * float(np.finfo(np.float64).eps)
    for seed in range(3):
        x, dy = normal(seed, (9, *shape), (9, *shape), dtype=np.float64)
        xt = to_torch(x, there)
        y = theirs(xt)
        theirs.zero_grad()
        y.backward(to_torch(dy, there, gradient=False))
        actual = layer.forward(x), layer.backward(dy), *layer.gradients.values(), *layer.statistics.values()
        expected = (
            *(to_numpy(tensor, back) for tensor in (y, xt.grad)),
            *map(to_numpy, (theirs.weight.grad, theirs.bias.grad, theirs.running_mean, theirs.running_var)),
        )
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
    theirs.eval()
    exact = to_numpy(theirs(to_torch(x, there)), back)
    np.testing.assert_allclose(layer.forward(x, training=False), exact, rtol=0, atol=tolerance)


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
    (cnn.AdamW, {}),
    (cnn.AdamW, {"beta1": 0.5, "epsilon": 1e-3, "weight_decay": 0.5}),
    (cnn.RMSprop, {}),
    (cnn.RMSprop, {"alpha": 0.9, "momentum": 0.8, "epsilon": 1e-3, "weight_decay": 0.1}),
    (cnn.Adadelta, {}),
    (cnn.Adadelta, {"rho": 0.5, "epsilon": 1e-3, "weight_decay": 0.1}),
]


def optimizer_in_torch(kind, tensors, learning_rate, options):
    if kind is cnn.SGD:
        return torch.optim.SGD(tensors, learning_rate, **options)
    if kind is cnn.RMSprop:
        others = {name: value for name, value in options.items() if name != "epsilon"}
        return torch.optim.RMSprop(tensors, learning_rate, eps=options.get("epsilon", 1e-8), **others)
    if kind is cnn.Adadelta:
        others = {name: value for name, value in options.items() if name != "epsilon"}
        return torch.optim.Adadelta(tensors, learning_rate, eps=options.get("epsilon", 1e-6), **others)
    betas = options.get("beta1", 0.9), options.get("beta2", 0.999)
    decay, epsilon = options.get("weight_decay", 0.01 if kind is cnn.AdamW else 0), options.get("epsilon", 1e-8)
    theirs = torch.optim.AdamW if kind is cnn.AdamW else torch.optim.Adam
    return theirs(tensors, learning_rate, betas, epsilon, decay)


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


# From (6, 7, 6) to (4, 5, 9): ours, theirs.
CONVOLUTIONS = {
    "plain": lambda: ([cnn.Conv2D(9, 3)], [torch.nn.Conv2d(6, 9, 3)]),
    "dilated": lambda: ([cnn.Conv2D(9, 2, dilation=2)], [torch.nn.Conv2d(6, 9, 2, dilation=2)]),
    "depthwise": lambda: (
        [cnn.DepthwiseConv2D(3), cnn.ReLU(), cnn.Conv2D(9, 1)],
        [torch.nn.Conv2d(6, 6, 3, groups=6), torch.nn.ReLU(), torch.nn.Conv2d(6, 9, 1)],
    ),
    "groups": lambda: (
        [cnn.DepthwiseConv2D((3, 1), multiplier=2), cnn.Conv2D(9, (1, 3), groups=3)],
        [torch.nn.Conv2d(6, 12, (3, 1), groups=6), torch.nn.Conv2d(12, 9, (1, 3), groups=3)],
    ),
}


@pytest.mark.parametrize(("convolution", "smoothing"), [("plain", 0.0), *((name, 0.1) for name in CONVOLUTIONS)])
def test_ten_steps_of_a_normalised_net_with_smoothed_labels(level, convolution, smoothing):
    our_convolutions, their_convolutions = CONVOLUTIONS[convolution]()
    layers = [
        cnn.Conv2D(6, 3, padding="same"), cnn.BatchNorm(), cnn.ReLU(), cnn.AvgPool2D(2),
        *our_convolutions, cnn.BatchNorm(), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(20), cnn.BatchNorm(), cnn.ReLU(), cnn.Dense(10),
    ]  # fmt: skip
    net = cnn.Sequential(layers, (12, 14, 1), dtype="float64", seed=0)
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2),
        *their_convolutions, nn.BatchNorm2d(9), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9 * 2 * 2, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 10),
    ).double()  # fmt: skip
    names = list(net.parameters())
    # The rows of the first dense layer: channels last for us, first for PyTorch.
    rows = np.arange(36).reshape(2, 2, 9).transpose(2, 0, 1).ravel()

    def as_theirs(name: str, value: np.ndarray) -> np.ndarray:
        if name == "dense_1.weights":
            value = value[rows]
        return value.transpose(KERNEL_FIRST if value.ndim == 4 else (1, 0)) if value.ndim > 1 else value

    for name, parameter in zip(names, theirs.parameters(), strict=True):
        parameter.data = torch.tensor(as_theirs(name, net.parameters()[name]).copy())
    x, labels = np.random.default_rng(0).standard_normal((60, 12, 14, 1)), np.random.default_rng(1).integers(0, 10, 60)
    optimizer = torch.optim.SGD(theirs.parameters(), 0.05, momentum=0.9)
    history = net.fit(
        x, labels, 2, batch_size=12, optimizer=cnn.SGD(0.05, momentum=0.9), shuffle=False, progress=False,
        label_smoothing=smoothing,
    )  # fmt: skip
    losses = []
    for first in (*range(0, 60, 12), *range(0, 60, 12)):
        part = slice(first, first + 12)
        logits = theirs(to_torch(x[part], CHANNELS_FIRST, gradient=False))
        loss = F.cross_entropy(logits, torch.tensor(labels[part]), label_smoothing=smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Sums of fewer than 10,000 terms, of numbers of order 1; ten steps, and the deviations that are divided by, enlarge
    # the error less than a hundredfold.
    tolerance = 100 * 10_000 * float(np.finfo(np.float64).eps)
    assert history.loss == pytest.approx([np.mean(losses[:5]), np.mean(losses[5:])], rel=tolerance)
    for name, parameter in zip(names, theirs.parameters(), strict=True):
        np.testing.assert_allclose(as_theirs(name, net.parameters()[name]), to_numpy(parameter), rtol=0, atol=tolerance)
    running = [layer for layer in theirs if hasattr(layer, "running_mean")]
    for layer, other in zip((layer for layer in net.layers if layer.statistics), running, strict=True):
        np.testing.assert_allclose(layer.statistics["mean"], to_numpy(other.running_mean), rtol=0, atol=tolerance)
        np.testing.assert_allclose(layer.statistics["variance"], to_numpy(other.running_var), rtol=0, atol=tolerance)
    theirs.eval()
    logits = theirs(to_torch(x, CHANNELS_FIRST, gradient=False))
    np.testing.assert_allclose(net.predict_proba(x), to_numpy(torch.softmax(logits, 1)), rtol=0, atol=tolerance)
