"""Whole runs of random nets, and the same ones in PyTorch: layers, losses, weights, optimisers, clipping, freezing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

import cnn
from cnn.backends.parts import leaves
from cnn.layers import registry

from ..plan import nets, random_nets, steps

pytest.importorskip("torch")

from . import torch_nets, torch_steps

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS, DISTURBANCE, EPS = 20, 1e-11, float(np.finfo(np.float64).eps)
# A disturbance of 1e-11 a step stands for a rounding, which changes that many times less. A step has thousands of
# roundings, in either implementation, which hardly ever all go one way: a run may be wrong by a hundred of them.
TERMS = 100
LOSSES = {
    "labels": st.just(cnn.losses.SoftmaxCrossEntropy()),
    "smoothed labels": st.just(cnn.losses.SoftmaxCrossEntropy(0.1)),
    "rows": st.sampled_from([cnn.losses.SoftmaxCrossEntropy(), cnn.losses.SoftmaxCrossEntropy(0.25)]),
    "bits": st.just(cnn.losses.BinaryCrossEntropy()),
    "values": st.sampled_from([cnn.losses.MeanSquaredError(), cnn.losses.Huber(0.5), cnn.losses.Huber()]),
}


class Run(NamedTuple):
    """A net, and a fit of two batches an epoch, the second of which is smaller or as large."""

    net: cnn.Sequential
    x: np.ndarray
    y: np.ndarray
    batch_size: int
    optimizer: cnn.Optimizer
    weights: np.ndarray
    options: dict

    def __repr__(self) -> str:  # without the arrays
        told = [self.net, self.net.loss, self.optimizer, f"{len(self.x)} images in {self.batch_size}", *self.options]
        return f"{told}, frozen: {[not layer.trainable for layer in leaves(self.net.layers)]}"


@st.composite
def runs(draw):
    layers, shape = draw(random_nets.stacks(dropout=False))
    targets, rng = draw(st.sampled_from(list(LOSSES))), np.random.default_rng(draw(st.integers(0, 99)))
    net = nets.net_of(layers, shape, loss=draw(LOSSES[targets]))
    for layer in leaves(net.layers):
        layer.trainable = draw(st.sampled_from([True, True, True, True, False]))
    batch_size = draw(st.sampled_from([1, 2, 5, 16, 19]))
    n = batch_size + draw(st.integers(1, batch_size))
    x, y = rng.standard_normal((n, *shape)), made_targets(rng, targets, n, net.output_shape[0])
    options, weights = draw(made_weights(rng, y, net.output_shape[0]))
    rule = draw(st.sampled_from(list(steps.RULES)))
    limits = {draw(st.sampled_from(["clip_norm", "clip_value"])): draw(st.sampled_from([None, None, 0.03, 0.3, 3.0]))}
    return Run(net, x, y, batch_size, steps.RULES[rule](0.02, **limits), weights, options)


def made_targets(rng, kind: str, n: int, outputs: int) -> np.ndarray:
    if "labels" in kind:
        return rng.integers(0, outputs, n)
    if kind == "rows":
        return rng.dirichlet(np.ones(outputs), n)
    return rng.integers(0, 2, (n, outputs)).astype(float) if kind == "bits" else rng.standard_normal((n, outputs))


@st.composite
def made_weights(draw, rng, y, outputs: int):
    """Arguments of `fit`, and what they say that each image counts."""
    options, weights = {}, np.ones(len(y))
    if draw(st.booleans()):
        options["sample_weight"] = weights = rng.uniform(0.1, 3, len(y))
    if y.ndim == 1 and draw(st.booleans()):
        of_classes = rng.uniform(0.1, 3, outputs)
        options["class_weight"] = dict(enumerate(of_classes.tolist()))
        weights = weights * of_classes[y]
    return options, weights


class Results(NamedTuple):
    """Of a run: losses of epochs, all that was learned, and logits of the images afterwards."""

    losses: np.ndarray
    state: dict[str, np.ndarray]
    logits: np.ndarray


def ours(run: Run) -> Results:
    history = run.net.fit(
        run.x, run.y, STEPS // 2, run.batch_size, run.optimizer, shuffle=False, progress=False, **run.options
    )
    return Results(np.array(history.loss), run.net.snapshot(), run.net.predict_logits(run.x))


def in_torch(run: Run, disturbance: float) -> tuple[Results, torch_steps.TorchNet]:
    theirs, losses = torch_steps.TorchNet(run.net, run.optimizer, disturbance), []
    batches = slice(run.batch_size), slice(run.batch_size, None)
    for _ in range(STEPS // 2):
        of_images = [theirs.step(run.x[batch], run.y[batch], run.weights[batch]) for batch in batches]
        losses.append(np.average(np.concatenate(of_images), weights=run.weights))
    return Results(np.array(losses), theirs.state(), theirs.outputs(run.x)), theirs


def largest_difference(one: Results, other: Results, left_out: set[str]) -> float:
    pairs = [(one.losses, other.losses)] + ([] if left_out else [(one.logits, other.logits)])
    pairs += [(value, other.state[name]) for name, value in one.state.items() if name not in left_out]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def disagreement(run: Run) -> float:
    """The largest difference from PyTorch, in units of what one rounding a step does to the run."""
    exact, theirs = in_torch(run, 0.0)
    left_out: set[str] = set()
    if isinstance(theirs.optimizer, torch_steps.Lion):
        left_out = theirs.optimizer.left_out(torch_steps.trainable(run.net.layers), exact.state)
    growth = largest_difference(exact, in_torch(run, DISTURBANCE)[0], left_out) / DISTURBANCE
    size = max(1.0, float(np.abs(exact.losses).max()), float(np.abs(exact.logits).max()))
    return largest_difference(ours(run), exact, left_out) / (EPS * (size + growth))


def check(examples: int, number: int) -> tuple[float, set[str]]:
    """The largest disagreement of so many runs, those of a number, and the kinds of layers that occurred."""
    results, seen = [], set()

    @seed(number)
    @settings(max_examples=examples, database=None)
    @given(runs())
    def agrees(run):
        results.append(disagreement(run))
        seen.update(type(layer).__name__ for layer in [*run.net.layers, *leaves(run.net.layers)])
        assert results[-1] <= TERMS

    agrees()
    return max(results), seen


def test_every_layer_loss_and_optimiser_has_a_counterpart():
    assert torch_nets.LAYERS.keys() | torch_nets.LEFT_OUT == registry.LAYERS.keys()
    assert set(torch_nets.LOSSES) == set(cnn.losses.KNOWN)
    assert set(torch_steps.OPTIMIZERS) == {type(make(0.1)).__name__ for make in steps.RULES.values()}


def test_random_nets_agree_with_pytorch():
    check(30, number=0)


@pytest.mark.slow
def test_many_random_nets_agree_with_pytorch_and_every_layer_is_in_one():
    largest, seen = check(300, number=1)
    print(f"the largest disagreement: {largest:.2f} roundings a step, of {TERMS}")
    assert seen == torch_nets.LAYERS.keys()
