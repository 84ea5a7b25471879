"""Pooling: which elements take the gradient; the mean and the maximum of a whole map."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("ties", "dx"),
    [("first", [[5, 0, 7, 0], [0, 0, 0, 0]]), ("all", [[5, 5, 7, 0], [5, 5, 0, 7]])],
)
def test_a_tied_gradient_goes_to_the_first_maximum_or_to_all(ns, dtype, ties, dx):
    layer = ns.MaxPool2D(2, ties=ties).build((2, 4, 1), dtype=dtype)
    x = np.array([[3, 3, 4, 1], [3, 3, 2, 4]])[None]
    assert layer.forward(x).ravel().tolist() == [3, 4]
    assert layer.backward(np.array([5, 7]).reshape(1, 1, 2, 1))[0, :, :, 0].tolist() == dx


# ---- the mean of a whole map -------------------------------------------------------------------------------


def test_the_mean_of_a_map_is_that_of_all_its_pixels_and_is_shared_out_among_them(ns, dtype):
    x = np.random.default_rng(0).integers(-8, 8, (3, 4, 8, 5)).astype(dtype)  # 32 pixels: sums and means are exact
    layer = ns.GlobalAvgPool2D().build((4, 8, 5), dtype=dtype)
    assert np.array_equal(layer.forward(x), x.mean(axis=(1, 2)))
    dy = np.arange(15, dtype=dtype).reshape(3, 5)
    assert np.array_equal(layer.backward(dy), np.broadcast_to(dy[:, None, None] / 32, x.shape))


def test_the_mean_of_a_map_and_its_gradient_are_those_of_torch(ns, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((3, 5, 7, 4)).astype(dtype), rng.standard_normal((3, 4)).astype(dtype)
    xt = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    yt = torch.nn.functional.adaptive_avg_pool2d(xt.permute(0, 3, 1, 2), 1).flatten(1)
    yt.backward(torch.tensor(dy, dtype=torch.float64))
    layer = ns.GlobalAvgPool2D().build((5, 7, 4), dtype=dtype)
    tolerance = 40 * float(np.finfo(dtype).eps)  # sums of 35 terms, none of which is large
    np.testing.assert_allclose(layer.forward(x), yt.detach().numpy(), rtol=0, atol=tolerance)
    np.testing.assert_allclose(layer.backward(dy), xt.grad.numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_whole_steps_through_the_mean_of_a_map_are_those_of_the_reference(level, dtype, batch_size):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((10, 9, 8, 2)), rng.integers(0, 3, 10)

    def trained(dtype, backend):
        layers = [cnn.Conv2D(6, 3), cnn.ReLU(), cnn.Conv2D(5, 2), cnn.GlobalAvgPool2D(), cnn.ReLU(), cnn.Dense(3)]
        net = cnn.Sequential(layers, (9, 8, 2), dtype=dtype, seed=1, backend=backend)
        net.fit(x, y, epochs=3, batch_size=batch_size, optimizer=cnn.SGD(0.05, momentum=0.9), seed=0, progress=False)
        return np.concatenate([value.ravel() for value in net.state().values()] + [net.predict_proba(x).ravel()])

    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(trained(dtype, "compiled"), trained("float64", "numpy"), rtol=tolerance, atol=tolerance)


def test_the_mean_of_a_map_may_be_the_logits(level, dtype):
    net = cnn.Sequential([cnn.Conv2D(3, 3), cnn.GlobalAvgPool2D()], (6, 6, 1), dtype=dtype, seed=0)
    x = np.random.default_rng(0).standard_normal((4, 6, 6, 1)).astype(dtype)
    expected = net.layers[1].forward(net.layers[0].forward(x))
    np.testing.assert_allclose(net.predict_logits(x), expected, rtol=0, atol=30 * float(np.finfo(dtype).eps))
    net.fit(x, [0, 1, 2, 0], progress=False)


@pytest.mark.parametrize("name", ["GlobalAvgPool2D", "GlobalMaxPool2D"])
def test_what_is_no_map_is_refused(ns, name):
    with pytest.raises(ValueError, match=rf"input_shape of {name} must be \(h, w, c\), got \(7,\)"):
        getattr(ns, name)().build((7,))


# ---- the maximum of a whole map ----------------------------------------------------------------------------


def test_the_first_maximum_of_a_map_takes_the_gradient(ns, dtype):
    layer = ns.GlobalMaxPool2D().build((2, 3, 2), dtype=dtype)
    x = np.array([[[1, 9], [4, 2], [0, 3]], [[4, 0], [4, 9], [2, np.nan]]])[None]
    np.testing.assert_array_equal(layer.forward(x), np.array([[4, np.nan]], dtype), strict=True)
    dx = layer.backward(np.array([[5, 7]]))
    assert dx[0, :, :, 0].tolist() == [[0, 5, 0], [0, 0, 0]]
    assert dx[0, :, :, 1].tolist() == [[0, 0, 0], [0, 0, 7]]


@pytest.mark.parametrize("shape", [(5, 7, 4), (1, 1, 3), (28, 28, 17)])
def test_the_maximum_of_a_map_and_its_gradient_are_those_of_torch(ns, dtype, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x = rng.integers(-50, 50, (3, *shape)).astype(dtype)  # there are ties
    dy = rng.standard_normal((3, shape[-1])).astype(dtype)
    xt = torch.tensor(x, requires_grad=True)
    yt = torch.nn.functional.adaptive_max_pool2d(xt.permute(0, 3, 1, 2), 1).flatten(1)
    yt.backward(torch.tensor(dy))
    layer = ns.GlobalMaxPool2D().build(shape, dtype=dtype)
    np.testing.assert_array_equal(layer.forward(x), yt.detach().numpy(), strict=True)
    np.testing.assert_array_equal(layer.backward(dy), xt.grad.numpy(), strict=True)


@pytest.mark.parametrize("above", [[], [cnn.ReLU, lambda: cnn.Dense(3)]])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_whole_steps_through_the_maximum_of_a_map_are_those_of_the_reference(level, dtype, batch_size, above):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((10, 9, 8, 2)), rng.integers(0, 3, 10)

    def trained(dtype, backend):
        layers = [cnn.Conv2D(6, 3), cnn.ReLU(), cnn.Conv2D(5, 2), cnn.GlobalMaxPool2D(), *(make() for make in above)]
        net = cnn.Sequential(layers, (9, 8, 2), dtype=dtype, seed=1, backend=backend)
        net.fit(x, y, epochs=3, batch_size=batch_size, optimizer=cnn.SGD(0.02, momentum=0.9), seed=0, progress=False)
        return np.concatenate([value.ravel() for value in net.state().values()] + [net.predict_proba(x).ravel()])

    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(trained(dtype, "compiled"), trained("float64", "numpy"), rtol=tolerance, atol=tolerance)
