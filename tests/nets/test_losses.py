"""Losses: their values and gradients against PyTorch, within steps and alone, and nets that are trained by them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

torch = pytest.importorskip("torch")

from . import torch_nets  # noqa: E402

EITHER = pytest.mark.parametrize("backend", ["compiled", "numpy"])
LOSSES = {
    "labels": cnn.losses.SoftmaxCrossEntropy(),
    "smoothed labels": cnn.losses.SoftmaxCrossEntropy(0.1),
    "rows": cnn.losses.SoftmaxCrossEntropy(),
    "smoothed rows": cnn.losses.SoftmaxCrossEntropy(0.25),
    "bits": cnn.losses.BinaryCrossEntropy(),
    "shares": cnn.losses.BinaryCrossEntropy(),
    "values": cnn.losses.MeanSquaredError(),
    "huber": cnn.losses.Huber(),
    "narrow huber": cnn.losses.Huber(0.25),
}
EVERY = pytest.mark.parametrize("name", LOSSES)
OUTPUTS = 5


def targets(name: str, n: int, dtype="float64", seed=0, outputs=OUTPUTS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if "labels" in name:
        return rng.integers(0, outputs, n)
    if "rows" in name:
        return rng.dirichlet(np.ones(outputs), n).astype(dtype)
    if name == "bits":
        return rng.integers(0, 2, (n, outputs)).astype(dtype)
    return (rng.random((n, outputs)) if name == "shares" else rng.standard_normal((n, outputs))).astype(dtype)


def outputs_of(n: int, scale: float, dtype) -> np.ndarray:
    return (scale * np.random.default_rng(1).standard_normal((n, OUTPUTS))).astype(dtype)


def in_torch(loss, outputs, rows):
    """Mean loss, the loss of each image, and the gradient of the mean, in float64."""
    z = torch.tensor(outputs.astype(np.float64), requires_grad=True)
    t = torch.tensor(rows.astype(np.float64) if rows.ndim == 2 else rows)
    losses = torch_nets.LOSSES[type(loss).__name__](loss, z, t)
    losses.mean().backward()
    return losses.mean().item(), losses.detach().numpy(), z.grad.numpy()


def identity(backend, dtype, loss, n=6):
    """A net whose outputs are its images, and what a step of it computes: losses, gradient of the last layer's bias."""
    net = cnn.Sequential([cnn.Dense(OUTPUTS)], (OUTPUTS,), dtype, seed=0, backend=backend, loss=loss)
    net.set_parameters({"dense_1.weights": np.eye(OUTPUTS, dtype=dtype)})
    return net


def tolerances(outputs, dtype) -> tuple[float, float]:
    """Relative and absolute: exponentials of rounded numbers, sums of five terms; squares where there are some."""
    eps, size = float(np.finfo(dtype).eps), float(np.abs(outputs).max())
    return eps * (20 + 2 * size), eps * (20 + size) * (1 + size)


@EVERY
@pytest.mark.parametrize("scale", [1e-3, 1, 30, 1e4])
def test_a_loss_alone_is_pytorchs(dtype, name, scale):
    loss, z, t = LOSSES[name], outputs_of(9, scale, dtype), targets(name, 9, dtype)
    mean, gradient = loss(z, t)
    expected, _, expected_gradient = in_torch(loss, z, t)
    relative, absolute = tolerances(z, dtype)
    assert mean == pytest.approx(expected, rel=relative, abs=absolute)
    assert gradient.dtype == dtype
    np.testing.assert_allclose(gradient, expected_gradient, rtol=relative, atol=absolute)


@EVERY
@EITHER
@pytest.mark.parametrize("scale", [1, 1e4])
def test_the_loss_of_a_step_is_pytorchs_and_the_gradient_too(backend, dtype, name, scale):
    loss, z, t = LOSSES[name], outputs_of(9, scale, dtype), targets(name, 9, dtype)
    net = identity(backend, dtype, loss)
    before = net.snapshot()
    mean = net.train_on_batch(z, t, cnn.SGD(1.0))
    expected, _, gradient = in_torch(loss, z, t)
    relative, absolute = tolerances(z, dtype)
    assert mean == pytest.approx(expected, rel=relative, abs=absolute)
    change = before["dense_1.bias"] - net.parameters()["dense_1.bias"]
    np.testing.assert_allclose(change, gradient.sum(axis=0), rtol=9 * relative, atol=9 * absolute)
    evaluated = identity(backend, dtype, loss).evaluate(z, t)
    assert evaluated.loss == pytest.approx(expected, rel=relative, abs=absolute)


@EVERY
def test_extreme_outputs_have_finite_losses_where_pytorch_has(dtype, name):
    most = math.sqrt(float(np.finfo(dtype).max)) / 4 if "entropy" not in type(LOSSES[name]).__name__.lower() else 1e30
    z = np.array([[most, -most, 0, 1, -1], [-most] * 5, [0] * 5], dtype)
    t = targets(name, 3, dtype)
    mean, gradient = LOSSES[name](z, t)
    expected, _, expected_gradient = in_torch(LOSSES[name], z, t)
    assert np.isfinite(mean)
    assert mean == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)
    net = identity("compiled", dtype, LOSSES[name])
    assert net.train_on_batch(z, t, cnn.SGD(0.0)) == pytest.approx(expected, rel=1e-5)


@EVERY
@EITHER
@pytest.mark.filterwarnings("ignore:(invalid value|overflow):RuntimeWarning")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_output_that_is_no_number_is_an_error_and_the_net_stays(backend, dtype, name, bad):
    net, z = identity(backend, dtype, LOSSES[name]), outputs_of(4, 1, dtype)
    z[2, 1] = bad
    t = np.full((4, OUTPUTS), bad < 0) if name == "bits" else targets(name, 4, dtype)  # a bit that is wrong
    before = net.snapshot()
    with pytest.raises(FloatingPointError, match=r"^the loss is NaN or infinite; the parameters are left as"):
        net.train_on_batch(z, t, cnn.SGD(0.1))
    assert all(np.array_equal(value, before[key]) for key, value in net.state().items())
    assert np.isfinite(net.train_on_batch(outputs_of(4, 1, dtype), t, cnn.SGD(0.1)))


@EVERY
def test_a_compiled_step_is_what_the_loss_means_in_numpy(dtype, name):
    z, t = outputs_of(40, 3, dtype), targets(name, 40, dtype)
    weights = np.random.default_rng(2).uniform(0, 2, 40)
    nets = [identity(backend, dtype, LOSSES[name]) for backend in ("compiled", "numpy")]
    histories = [
        net.fit(z, t, 3, 16, cnn.SGD(0.1), shuffle=False, progress=False, sample_weight=weights) for net in nets
    ]
    relative = 9 * tolerances(z, dtype)[0]
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=relative)
    assert histories[0].accuracy == histories[1].accuracy
    for one, other in zip(*(net.parameters().values() for net in nets), strict=True):
        np.testing.assert_allclose(one, other, rtol=relative, atol=relative)


@EVERY
def test_any_number_of_threads_gives_the_same_bits(name, thread_counts):
    results = []
    for _ in thread_counts:
        net = identity("compiled", "float32", LOSSES[name])
        history = net.fit(outputs_of(90, 3, "float32"), targets(name, 90), 2, 33, seed=0, progress=False)
        results.append((net.parameters()["dense_1.weights"].tobytes(), history.loss, history.accuracy))
    assert all(result == results[0] for result in results)


def loss_of_mine(outputs, rows):
    """MeanSquaredError's."""
    return float(((outputs - rows) ** 2).mean()), (outputs - rows) * (2 / outputs.size)


class OfLabels(cnn.losses.Loss):
    """SoftmaxCrossEntropy's."""

    targets = "labels"

    def __call__(self, outputs, labels):
        loss, _, gradient = cnn.functional.softmax_cross_entropy(outputs, labels)
        return loss, gradient


@EITHER
@pytest.mark.parametrize(
    ("mine", "name"), [(loss_of_mine, "values"), (OfLabels(), "labels"), (lambda *a: loss_of_mine(*a), "values")]
)
@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_loss_of_ones_own_trains_as_the_packages(backend, dtype, mine, name, batch_size):
    histories, nets = [], [identity(backend, dtype, loss) for loss in (mine, LOSSES[name])]
    z, t = outputs_of(30, 1, dtype), targets(name, 30, dtype)
    for net in nets:
        histories.append(net.fit(z, t, 3, batch_size, validation_data=(z, t), seed=0, progress=False))
    relative = 90 * tolerances(z, dtype)[0]
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=relative)
    assert histories[0].val_loss == pytest.approx(histories[1].val_loss, rel=relative)
    if name == "labels":
        assert histories[0].accuracy == histories[1].accuracy
        assert np.array_equal(nets[0].predict(z), nets[1].predict(z))
    for one, other in zip(*(net.parameters().values() for net in nets), strict=True):
        np.testing.assert_allclose(one, other, rtol=relative, atol=relative)
