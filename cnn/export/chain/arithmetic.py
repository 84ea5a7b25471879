"""Sums and products: of two tensors, residual blocks and activations; with constants, rescalings and biases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...layers.activation import GELU, Sigmoid, SiLU
from ...layers.batchnorm import BatchNorm
from ...layers.reshape import Rescaling
from ...layers.residual import Residual
from ...layers.weighted import Weighted
from . import moments
from .layers import in_places
from .tensor import ERF, Step, Tensor, common_step, layers_of, steps_between

SCALE = "scale"  # a product with a constant, to which a constant may yet be added
AFFINE = "affine"  # products with constants of channels and sums
FACTOR = "factor"  # the same, which comes of a GELU and may yet be multiplied
_NEAR = 1e-6  # relative, of constants that are written in float32


def number(value: Any) -> float:
    """A constant as a Python float: of float32, the shortest decimal number that it stands for."""
    return float(str(value)) if isinstance(value, np.float32) else float(value)


# ---- two tensors ---------------------------------------------------------------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two tensors, a residual block from where they part; or the last of a layer normalisation."""
    _check_alike(a, b)
    normalised = moments.add(a, b)
    if normalised is not None:
        return normalised
    fork = common_step(a.step, b.step)
    branches = [layers_of(steps_between(fork, x.step) or []) for x in (a, b)]
    if not branches[0][0]:
        branches.reverse()
    (layers, learned), (shortcut, of_shortcut) = branches
    if not layers:
        raise ValueError("it adds a tensor to itself")
    block = Residual(layers, shortcut)
    return a._replace(step=Step(fork, block, a.place, learned + of_shortcut))


def _check_alike(a: Tensor, b: Tensor) -> None:
    """ValueError for two tensors whose numbers are not in the same places."""
    if a.shape != b.shape or a.axes != b.axes:
        raise ValueError(f"it takes tensors of different shapes or layouts, {a.sizes} and {b.sizes}")
    orders = [x.order for x in (a, b) if x.order is not None]
    if len(orders) == 1 or (orders and not np.array_equal(orders[0], orders[1])):
        raise ValueError("it takes a flattened map and rows of another order; no block here can")


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """The product of two tensors: x times its sigmoid, or times 1 + erf(x / sqrt(2)); of a layer normalisation."""
    _check_alike(a, b)
    found = moments.multiply(a, b)
    for x, gate in ((a, b), (b, a)):
        found = found or _silu(x, gate) or _gelu(x, gate)
    if found is not None:
        return found
    raise ValueError("it multiplies two tensors, which is neither a SiLU nor a GELU")


def _silu(x: Tensor, gate: Tensor) -> Tensor | None:
    path = steps_between(x.step, gate.step)
    return x.then(SiLU()) if path and len(path) == 1 and isinstance(path[0].layer, Sigmoid) else None


def _gelu(x: Tensor, gate: Tensor) -> Tensor | None:
    """Of x times a constant, and x multiplied, its error function, multiplied and added to."""
    base, factor = x.step, 1.0
    while (path := steps_between(base, gate.step)) is None:
        if base.below is None or not isinstance(base.layer, Rescaling) or base.layer.offset:
            return None
        factor *= base.layer.scale
        base = base.below
    places = [i for i, step in enumerate(path) if step.detail == ERF]
    if len(places) != 1:
        return None
    inner, outer = _affine(path[: places[0]]), _affine(path[places[0] + 1 :])
    if inner is None or outer is None or not math.isclose(inner[0], math.sqrt(0.5), rel_tol=_NEAR) or inner[1]:
        return None
    if not math.isclose(outer[0], outer[1], rel_tol=_NEAR):
        return None
    return _rescaled(x._replace(step=base).then(GELU()), 2 * factor * outer[0])


def _affine(steps: list[Step]) -> tuple[float, float] | None:
    """The scale and the offset of rescalings one after the other."""
    scale, offset = 1.0, 0.0
    for step in steps:
        if not isinstance(step.layer, Rescaling):
            return None
        scale, offset = scale * step.layer.scale, offset * step.layer.scale + step.layer.offset
    return scale, offset


def _rescaled(x: Tensor, scale: float) -> Tensor:
    if math.isclose(scale, 1.0, rel_tol=_NEAR):
        return x
    return x.then(Rescaling(scale), detail=FACTOR)


def subtract(a: Tensor, b: Tensor) -> Tensor:
    """The difference of two tensors, which a layer normalisation alone has."""
    _check_alike(a, b)
    found = moments.subtract(a, b)
    if found is None:
        raise ValueError("it subtracts two tensors; a block here adds them")
    return found


def divide(a: Tensor, b: Tensor) -> Tensor:
    """The quotient of two tensors, which a layer normalisation alone has."""
    _check_alike(a, b)
    found = moments.divide(a, b)
    if found is None:
        raise ValueError("it divides by what is computed from the images")
    return found


def of_moments(found: Tensor | None) -> Tensor:
    """A part of a layer normalisation; ValueError for what is none."""
    if found is None:
        raise ValueError("no layer here computes that")
    return found


# ---- a tensor and a constant ---------------------------------------------------------------------------------


def add_constant(x: Tensor, value: np.ndarray) -> Tensor:
    """A bias, the offset of a rescaling or normalisation, or one by itself."""
    below, vector = x.step.layer, _of_channels(x, value)
    part = moments.add_constant(x, 0.0 if vector is not None else number(value.ravel()[0]), vector)
    if part is not None:
        return part
    if isinstance(below, Weighted) and not below.configuration()["bias"] and (vector is not None or x.shape[-1] == 1):
        return _with_bias(x, below, value.ravel() if vector is None else vector)
    if vector is not None:
        return _shifted(x, vector)
    offset = number(value.ravel()[0])
    if isinstance(below, Rescaling) and x.step.detail in (SCALE, FACTOR):
        return x.instead(Rescaling(below.scale, offset))
    return x.then(Rescaling(1.0, offset))


def multiply_constant(x: Tensor, value: np.ndarray) -> Tensor:
    """A rescaling; with a constant for each channel, a normalisation."""
    vector, below = _of_channels(x, value), x.step.layer
    part = moments.multiply_constant(x, vector)
    if part is not None:
        return part
    if vector is not None:
        return _scaled(x, vector)
    factor = number(value.ravel()[0])
    if isinstance(below, Rescaling) and x.step.detail == FACTOR and x.step.below is not None:
        return _rescaled(x._replace(step=x.step.below), below.scale * factor)
    return x.then(Rescaling(factor), detail=SCALE)


def negative(x: Tensor) -> Tensor:
    """-x."""
    return moments.negative(x) or multiply_constant(x, np.asarray(-1.0))


def _of_channels(x: Tensor, value: np.ndarray) -> np.ndarray | None:
    """A constant for each channel, in the order of the net's; None for one number."""
    axes = len(x.axes) + 1
    sizes = (1,) * (axes - value.ndim) + value.shape
    if value.size == 1 and len(sizes) == axes:
        return None
    last = [i for i, axis in enumerate(x.axes, 1) if axis == len(x.shape) - 1]
    if len(sizes) != axes or sizes != tuple(x.shape[-1] if i in last else 1 for i in range(axes)):
        raise ValueError(f"a constant must be one number or one for each channel, got {value.shape} for {x.sizes}")
    return in_places(x, value.ravel())


def _with_bias(x: Tensor, layer: Weighted, bias: np.ndarray) -> Tensor:
    made = type(layer)(**layer.configuration() | {"bias": True})
    return x.instead(made, x.step.learned[0][1] | {"bias": bias})


def _scaled(x: Tensor, gamma: np.ndarray) -> Tensor:
    """Each channel times a constant: a normalisation that has nothing to normalise, and stays as it is."""
    if x.step.detail != AFFINE:
        return x.then(_plain_normalisation(), _affine_of(gamma, np.zeros_like(gamma)), AFFINE)
    learned = x.step.learned[0][1]
    return x.instead(_plain_normalisation(), _affine_of(learned["gamma"] * gamma, learned["beta"] * gamma), AFFINE)


def _shifted(x: Tensor, beta: np.ndarray) -> Tensor:
    """Each channel plus a constant."""
    if x.step.detail != AFFINE:
        return x.then(_plain_normalisation(), _affine_of(np.ones_like(beta), beta), AFFINE)
    learned = x.step.learned[0][1]
    return x.instead(_plain_normalisation(), _affine_of(learned["gamma"], learned["beta"] + beta), AFFINE)


def _plain_normalisation() -> BatchNorm:
    layer = BatchNorm(epsilon=float(np.finfo(np.float32).tiny))  # which changes no digit of 1
    layer.trainable = False
    return layer


def _affine_of(gamma: np.ndarray, beta: np.ndarray) -> dict[str, np.ndarray]:
    return {"gamma": gamma, "beta": beta, "mean": np.zeros_like(gamma), "variance": np.ones_like(gamma)}
