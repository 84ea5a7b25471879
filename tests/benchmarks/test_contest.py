"""The frameworks of the benchmarks build what our net is, and the judge finds out who does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

NETS = ("A", "B", "L", "keras_mnist", "pytorch_mnist", "resnet_small", "vgg_small", "resnet_small_32", "vgg_small_32")
INTERPRETED = ("layers", "ours", "torch", "torch-cl")  # those that need no compiler


def skip_where_missing(entry) -> None:
    for package in entry.packages:
        pytest.importorskip(package)


def test_all_nets_of_the_benchmarks_are_listed_here(module):
    assert tuple(module("peers.nets").NETS) == NETS


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("mode", ["training", "inference"])
@pytest.mark.parametrize("name", [*INTERPRETED, "onnx"])
def test_everybody_computes_what_the_reference_does(module, case, prepared, name, mode, net):
    entry, made = module("peers.registry").ENTRIES[name], case(net, mode)
    skip_where_missing(entry)
    if mode not in entry.modes:
        pytest.skip(f"{entry.title} does not train")
    found = prepared(name, made)
    module("peers.judge").Judge(made).verify_all(found)
    assert all((each.loss_with_dropout is not None) == made.drops for each in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["training", "inference"])
@pytest.mark.parametrize("name", ["compile", "jax", "tensorflow"])
def test_compilers_compute_what_the_reference_does(module, case, prepared, name, mode):
    entry = module("peers.registry").ENTRIES[name]
    skip_where_missing(entry)
    for net in ("keras_mnist", "resnet_small"):  # dropout; batch normalisation, residual sums, strides
        made = case(net, mode)
        module("peers.judge").Judge(made).verify_all(prepared(name, made))


@pytest.mark.parametrize("mistake", ["a weight", "the rate", "a running variance", "nothing dropped"])
def test_the_judge_finds_mistakes(module, case, mistake):
    judges, package = module("peers.judge"), module("peers.package")
    made = case("keras_mnist" if mistake == "nothing dropped" else "resnet_small", "training").without_dropout()
    found = judges.evidence(package.Fused(made))
    judge = judges.Judge(made)
    judge.verify(found)
    if mistake == "a weight":
        state = {
            **made.state,
            "dense_1.bias": made.state["dense_1.bias"] + np.float32(0.01) * np.eye(10, dtype="f4")[0],
        }
        wrong = judges.evidence(package.Fused(replace(made, state=state)))
    elif mistake == "the rate":
        doubled = {name: 2 * value - made.state[name] for name, value in found.state.items()}
        wrong = found._replace(state=doubled)
    elif mistake == "a running variance":
        state = {**found.state, "batchnorm_1.variance": made.state["batchnorm_1.variance"]}
        wrong = found._replace(state=state)
    else:
        wrong = found._replace(loss_with_dropout=found.losses[0])
    with pytest.raises(judges.Wrong):
        judge.verify(wrong)


def test_turns_are_timed_and_failures_told(module, case):
    pytest.importorskip("torch")
    contest = module("peers.contest").contest
    results, left_out = contest(case("A", "training"), ["ours", "torch"], 2, 0, lambda text: None)
    assert [result.implementation for result in results] == ["ours", "torch"]
    assert all(0 < result.minimum <= result.median <= result.maximum for result in results)
    assert left_out == {}
    broken = replace(case("A", "training"), state={})
    assert contest(broken, ["torch"], 1, 0, lambda text: None)[0] == []
