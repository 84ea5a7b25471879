"""`trainable`: of blocks, in files, and what a frozen normalisation means in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.backends.parts import leaves

from ..nets import own_layers as own
from .test_frozen import CLASSES, EITHER, SHAPE, deep, fitted, learned

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:the loss of epoch:RuntimeWarning"),
]


def test_residual_trainable_sets_its_parts_which_may_be_set_alone():
    block = cnn.Residual([cnn.Conv2D(2, 1), cnn.Residual([cnn.BatchNorm()])], cnn.Conv2D(2, 1))
    block.trainable = False
    assert [layer.trainable for layer in leaves([block])] == [False] * 3
    assert not block.layers[1].trainable
    block.layers[0].trainable = True
    net = cnn.Sequential([block, cnn.Flatten(), cnn.Dense(CLASSES)], SHAPE, seed=0)
    before = [learned(layer) for layer in leaves(net.layers)]
    fitted(net)
    after = [learned(layer) for layer in leaves(net.layers)]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False, False, False, True]
    block.trainable = True
    assert all(layer.trainable for layer in leaves([block]))


def test_what_is_frozen_is_saved_and_loaded(tmp_path):
    net = deep()
    for layer in leaves(net.layers)[::2]:
        layer.trainable = False
    net.save(tmp_path / "net")
    loaded = cnn.load(tmp_path / "net", layers=[own.Scale, own.Standardised])
    assert [layer.trainable for layer in leaves(loaded.layers)] == [layer.trainable for layer in leaves(net.layers)]
    for each in (net, loaded):
        fitted(each)
    assert [learned(layer) for layer in leaves(net.layers)] == [learned(layer) for layer in leaves(loaded.layers)]


@pytest.mark.parametrize("value", [0, None, "yes"])
def test_trainable_is_true_or_false(value):
    with pytest.raises(TypeError, match=r"^trainable must be True or False"):
        cnn.Dense(3).trainable = value


@EITHER
def test_a_frozen_normalisation_is_pytorchs_in_eval_mode(backend, dtype):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    norm = cnn.BatchNorm(epsilon=0.01)
    net = cnn.Sequential([cnn.Dense(6), norm, cnn.ReLU(), cnn.Dense(CLASSES)], (5,), dtype, seed=0, backend=backend)
    rng = np.random.default_rng(1)
    for name, value in net.state().items():
        value[...] = rng.uniform(0.5, 1.5, value.shape) if "norm" in name else value
    norm.trainable = False
    theirs = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6, eps=0.01), nn.ReLU(), nn.Linear(6, CLASSES)).double()
    values = {name: torch.tensor(value.astype(np.float64)) for name, value in net.state().items()}
    theirs[0].weight.data, theirs[0].bias.data = values["dense_1.weights"].T.clone(), values["dense_1.bias"]
    theirs[3].weight.data, theirs[3].bias.data = values["dense_2.weights"].T.clone(), values["dense_2.bias"]
    theirs[1].weight.data, theirs[1].bias.data = values["batchnorm_1.gamma"], values["batchnorm_1.beta"]
    theirs[1].running_mean, theirs[1].running_var = values["batchnorm_1.mean"], values["batchnorm_1.variance"]
    theirs[1].eval().requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in theirs.parameters() if p.requires_grad], 0.1, 0.9, weight_decay=0.1)
    x, y = rng.standard_normal((40, 5)).astype(dtype), rng.integers(0, CLASSES, 40)
    net.fit(x, y, 1, 8, cnn.SGD(0.1, 0.9, weight_decay=0.1), shuffle=False, progress=False)
    for i in range(0, 40, 8):
        optimizer.zero_grad()
        z = theirs(torch.tensor(x[i : i + 8].astype(np.float64)))
        nn.functional.cross_entropy(z, torch.tensor(y[i : i + 8])).backward()
        optimizer.step()
    # Five steps, of sums of at most 8 products of order 1.
    tolerance = 5 * 100 * float(np.finfo(dtype).eps)
    first, second = ([layer.weight.T, layer.bias] for layer in (theirs[0], theirs[3]))
    expected = [*first, theirs[1].weight, theirs[1].bias, *second]
    for value, other in zip(net.parameters().values(), expected, strict=True):
        np.testing.assert_allclose(value, other.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert np.array_equal(norm.statistics["mean"], values["batchnorm_1.mean"].numpy())
