"""Layer normalisation: against PyTorch and finite differences, alone and in whole steps."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.reference

from .cases import LAYER_NORMS, assert_gradients_are_differences, made, normal

pytestmark = pytest.mark.usefixtures("one_thread")
EVERY_LAYER_NORM = pytest.mark.parametrize("name", LAYER_NORMS)


@pytest.mark.parametrize("epsilon", [1e-5, 0.01])
@pytest.mark.parametrize("shape", [(6, 5, 3), (7,), (2, 3, 64), (4, 1, 1)])
def test_output_and_gradients_are_those_of_torch(ns, dtype, shape, epsilon):
    torch = pytest.importorskip("torch")
    layer = ns.LayerNorm(epsilon).build(shape, dtype=dtype)
    theirs = torch.nn.LayerNorm(shape[-1], eps=epsilon, dtype=torch.float64)
    for mine, parameter, seed in ((layer.gamma, theirs.weight, 1), (layer.beta, theirs.bias, 2)):
        mine[...] = normal(seed, mine.shape)
        parameter.data = torch.tensor(mine, dtype=torch.float64)
    x, dy = normal(3, (9, *shape), dtype), normal(4, (9, *shape), dtype)
    xt = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    yt = theirs(xt)
    yt.backward(torch.tensor(dy, dtype=torch.float64))
    actual = layer.forward(x), layer.backward(dy), *layer.gradients.values()
    expected = yt, xt.grad, theirs.weight.grad, theirs.bias.grad
    # All is rounded to the layer's dtype once; PyTorch's own sums have fewer than 300 terms below 10, and deviations
    # below 1/30 are rare: they divide the rounding.
    for one, other in zip(actual, expected, strict=True):
        exact = other.detach().numpy()
        assert one.dtype == dtype
        np.testing.assert_allclose(one, exact, rtol=float(np.finfo(dtype).eps), atol=30 * 3000 * np.finfo(float).eps)


@EVERY_LAYER_NORM
def test_gradients_are_finite_differences(ns, name):
    layer = made(ns, name)
    assert_gradients_are_differences(layer, 1e-4)


@EVERY_LAYER_NORM
def test_nan_stays_in_its_position(ns, dtype, name):
    layer = made(ns, name, dtype)
    x = normal(0, (2, *layer.input_shape), dtype)
    x[0, ..., 0].flat[0] = np.nan
    is_nan = np.isnan(layer.forward(x)).reshape(2, -1)
    channels = layer.input_shape[-1]
    assert is_nan[0, :channels].all()
    assert is_nan.sum() == channels


# ---- in a plan ---------------------------------------------------------------------------------------------

LAYERS = {
    "on a map": lambda: [cnn.Conv2D(6, 3), cnn.LayerNorm(), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(3)],
    "on the image": lambda: [cnn.LayerNorm(), cnn.Conv2D(5, 3), cnn.LayerNorm(), cnn.Flatten(), cnn.Dense(3)],
    "on rows": lambda: [cnn.Flatten(), cnn.Dense(21), cnn.LayerNorm(1e-3), cnn.GELU(), cnn.Dense(3)],
    "as the logits": lambda: [cnn.Conv2D(17, 2), cnn.GlobalAvgPool2D(), cnn.Dense(3), cnn.LayerNorm(0.1)],
    "between batch norms": lambda: [
        cnn.Conv2D(9, 3), cnn.BatchNorm(), cnn.LayerNorm(), cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(3),
    ],
}  # fmt: skip
EVERY_PLACE = pytest.mark.parametrize("place", LAYERS)


def trained(place: str, dtype, backend: str = "compiled", batch_size: int = 5) -> np.ndarray:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((12, 9, 8, 4)), rng.integers(0, 3, 12)
    net = cnn.Sequential(LAYERS[place](), (9, 8, 4), dtype=dtype, seed=1, backend=backend)
    optimizer = cnn.SGD(0.02, momentum=0.9)
    net.fit(x, y, epochs=3, batch_size=batch_size, optimizer=optimizer, seed=0, progress=False)
    return np.concatenate([value.ravel() for value in net.state().values()] + [net.predict_proba(x).ravel()])


@EVERY_PLACE
@pytest.mark.parametrize("batch_size", [1, 5])
def test_whole_steps_are_those_of_the_reference(level, dtype, place, batch_size):
    expected = trained(place, "float64", "numpy", batch_size)
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(trained(place, dtype, batch_size=batch_size), expected, rtol=tolerance, atol=tolerance)


@EVERY_PLACE
def test_steps_are_the_same_bits_for_any_number_of_threads(level, dtype, thread_counts, place):
    assert len({trained(place, dtype).tobytes() for _ in thread_counts}) == 1


def predicted(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, dtype) -> tuple[np.ndarray, np.ndarray]:
    """By a plan, and in float64."""
    net = cnn.Sequential([cnn.LayerNorm(), cnn.Flatten()], x.shape[1:], dtype=dtype)
    exact = cnn.reference.LayerNorm().build(x.shape[1:], dtype="float64")
    for layer in (net.layers[0], exact):
        layer.gamma[...], layer.beta[...] = gamma, beta
    return net.predict_logits(x).reshape(x.shape), exact.forward(x)


@pytest.mark.parametrize("channels", [1, 2, 3, 7, 8, 9, 16, 17, 33, 100])
def test_a_prediction_of_any_number_of_channels_is_that_of_the_layer(level, dtype, channels):
    x, gamma, beta = (
        normal(i, shape, dtype) for i, shape in enumerate([(4, 3, 5, channels), (channels,), (channels,)])
    )
    actual, exact = predicted(x, gamma, beta, dtype)
    # Sums of as many terms, in units of the deviation; that of two or three channels may be small beside the mean.
    size = (1 + np.abs(x).max() / np.sqrt(x.astype(float).var(axis=-1, keepdims=True) + 1e-5)) * np.abs(gamma)
    assert (np.abs(actual - exact) <= (channels + 10) * np.finfo(dtype).eps * (size + np.abs(beta))).all()


def test_a_large_mean_takes_no_digits_of_small_deviations(level, dtype):
    x = (1000 + normal(0, (5, 2, 2, 33)) / 30).astype(dtype)
    actual, exact = predicted(x, np.ones(33), np.zeros(33), dtype)
    # The mean alone, rounded, would be off by half of 1000 * eps, over deviations of 1 / 30.
    assert np.abs(actual - exact).max() <= 50 * np.finfo(dtype).eps
