"""`check_layer`: all that a net relies on in a layer, tested one property after the other."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ..backends import checks
from .base import Layer
from .registry import original

if TYPE_CHECKING:
    from ..backends.annotations import DType, Seed, Shape

_IMAGES = 3
_SAMPLES = 50  # of an array's elements, whose gradients are compared
_ROUNDING = 32  # units in the last place of the largest output, by which each may be off


def check_layer(layer: Layer, input_shape: Shape, *, dtype: DType = "float64", seed: Seed = 0) -> None:
    """Test a layer, of your own or of this package, for all that a net relies on.

    A layer that fits into a net, and one that is copied, saved and trained right, has these properties, tested in this
    order on layers that are made from its arguments: it can be made anew from them; shapes and dtypes are those that it
    says, in float32 and float64; what it is given stays unchanged; the same input gives the same bits; a prediction
    leaves no trace; gradients are written in place of what the arrays held; they are those of central finite
    differences, for x and each parameter; an image alone gives what it gives in a batch, in a prediction always, and
    in training where the layer has no statistics and draws nothing at random.

    Random numbers have to come from a generator that the layer keeps as an attribute, as `cnn.Dropout` does: copies of
    the layer then draw the same ones.

    Parameters
    ----------
    layer : Layer
        Itself left as it is.
    input_shape : tuple of int
        Of one image; the input is spread over -2 to 2.
    dtype : "float64" or "float32"
        In which gradients are compared; float32 finds large errors only.
    seed : int, np.random.Generator or None
        Of inputs and parameters, and of the elements whose gradients are compared where there are more than 50.

    Raises
    ------
    AssertionError
        A property that the layer does not have; where, what was expected, what came.
    TypeError, ValueError
        What is no layer, or one that computes nothing; a shape that it cannot take.

    Examples
    --------
    >>> import cnn
    >>> cnn.check_layer(cnn.Conv2D(3, 3), (6, 6, 2))
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"layer must be a layer, such as cnn.ReLU(), got {layer!r}")
    original(type(layer))  # TypeError for one that computes nothing
    shape, compared = checks.image_shape("input_shape", input_shape), checks.dtype(dtype)
    number = int(checks.generator("seed", seed).integers(2**32))
    for each in (checks.FLOAT32, checks.FLOAT64):
        case = _Case(layer, shape, each, number)
        _check_made_anew(case)
        _check_passes(case)
    case = _Case(layer, shape, compared, number)
    for check in (_check_bits, _check_prediction, _check_replaced, _check_gradients, _check_batches):
        check(case)


class _Passes(NamedTuple):
    """What came of a forward and a backward pass."""

    y: np.ndarray
    dx: np.ndarray
    gradients: dict[str, np.ndarray]


class _Case:
    """A built layer, an input and a gradient for its output; passes are made by copies of the layer."""

    def __init__(self, layer: Layer, input_shape: tuple[int, ...], dtype: np.dtype, seed: int) -> None:
        self.kind, self.dtype, self.seed = type(layer).__name__, dtype, seed
        self.layer = self.made_anew(layer).build(input_shape, dtype=dtype, seed=seed)
        self.rng = np.random.default_rng(seed)
        self.x = _spread(self.rng, (_IMAGES, *input_shape)).astype(dtype)
        if not _is_shape(self.layer.output_shape):
            self.fail("infer_output_shape", "a tuple of ints", repr(self.layer.output_shape))
        self.dy = self.rng.standard_normal((_IMAGES, *self.layer.output_shape)).astype(dtype)
        for value in self.layer.parameters.values():  # a factor of one or an addend of zero would hide errors
            value[...] += 0.1 * self.rng.standard_normal(value.shape)

    def fail(self, what: str, expected: object, got: object) -> NoReturn:
        raise AssertionError(f"{self.kind}, {what}: expected {expected}, got {got}")

    def made_anew(self, layer: Layer) -> Layer:
        try:
            made = layer.anew()
        except (AttributeError, TypeError) as error:
            self.fail("arguments", "each of the constructor as an attribute of its name", error)
        made.trainable = True
        return made

    def apply(self, layer: Layer, x: np.ndarray, training: bool = True) -> tuple[np.ndarray, Any]:
        result = layer.apply(x, training)
        if not isinstance(result, tuple) or len(result) != 2:
            self.fail("apply", "a pair, y and what apply_gradient needs", type(result).__name__)
        return result

    def passes(self, first: int = 0, last: int = _IMAGES, held: float = 0.0) -> _Passes:
        """Those of some images, by a copy of the layer whose gradients hold a number before."""
        layer = deepcopy(self.layer)  # with its generator and its statistics as they were
        for value in layer.gradients.values():
            value[...] = held
        y, kept = self.apply(layer, self.x[first:last].copy())
        y = np.array(y)
        return _Passes(y, layer.apply_gradient(self.dy[first:last].copy(), kept), layer.gradients)

    def compare(self, what: str, expected: np.ndarray, got: np.ndarray, tolerance: float = 0.0) -> None:
        """AssertionError, with the worst element, where two arrays are not the same within a tolerance."""
        distance = np.abs(np.asarray(expected, np.float64) - got)
        wrong = ~(distance <= tolerance)
        if wrong.any():
            worst = int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))
            at = tuple(map(int, np.unravel_index(worst, np.shape(got))))
            self.fail(f"{what}, at {list(at)}", expected[at], got[at])


def _spread(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values from -2 to 2, all different and none of them zero, so that no maximum is nearly another one."""
    size = int(np.prod(shape))
    return (rng.permutation(size) + 0.25).reshape(shape) * (4 / size) - 2


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(size, int | np.integer) and size > 0 for size in value)


# ---- the properties -------------------------------------------------------------------------------------------


def _check_made_anew(case: _Case) -> None:
    """A layer of the same arguments has arrays of the same shapes, by which a file of it is read."""
    layer = case.layer
    told = case.made_anew(layer).fix_shapes(layer.input_shape)
    learned = {name: value.shape for name, value in [*layer.parameters.items(), *layer.statistics.items()]}
    if told != learned:
        case.fail("what it learns when it is made anew", learned, told)


def _check_passes(case: _Case) -> None:
    """Shapes and dtypes; what is given stays as it is; the layer's arrays are written to, and not replaced."""
    layer, x, dy = deepcopy(case.layer), case.x.copy(), case.dy.copy()
    before = _arrays(layer)
    y, kept = case.apply(layer, x)
    _check_array(case, "y, which apply returned", y, case.dy)
    case.compare("x after apply, which must leave it unchanged", case.x, x)
    dx = layer.apply_gradient(dy, kept)
    _check_array(case, "dx, which apply_gradient returned", dx, case.x)
    case.compare("x after apply_gradient, which must leave it unchanged", case.x, x)
    case.compare("dy after apply_gradient, which must leave it unchanged", case.dy, dy)
    after = _arrays(layer)
    for name in before.keys() | after.keys():
        if after.get(name) is not before.get(name):
            case.fail(name, "the same array with new elements, [...] = value", "another array in its place")


def _arrays(layer: Layer) -> dict[str, np.ndarray]:
    kinds = ("parameters", "gradients", "statistics")
    return {f"{kind}[{name!r}]": value for kind in kinds for name, value in getattr(layer, kind).items()}


def _check_array(case: _Case, what: str, value: Any, like: np.ndarray) -> None:
    if not isinstance(value, np.ndarray):
        case.fail(what, "an array", type(value).__name__)
    for told in ("shape", "dtype"):
        if getattr(value, told) != getattr(like, told):
            case.fail(f"{told} of {what}", getattr(like, told), getattr(value, told))
    if not np.isfinite(value).all():
        case.fail(what, "finite numbers for inputs from -2 to 2", value[~np.isfinite(value)][0])


def _check_bits(case: _Case) -> None:
    first, again = case.passes(), case.passes()
    case.compare("y of the same input, the second time", first.y, again.y)
    case.compare("dx of the same input, the second time", first.dx, again.dx)
    for name, gradient in first.gradients.items():
        case.compare(f"gradients[{name!r}] of the same input, the second time", gradient, again.gradients[name])


def _check_prediction(case: _Case) -> None:
    """It changes nothing in the layer, also not what a backward pass needs that comes later."""
    layer = deepcopy(case.layer)
    before = {name: value.copy() for name, value in _arrays(layer).items()}
    first, again = (np.array(case.apply(layer, case.x.copy(), training=False)[0]) for _ in range(2))
    for name, value in _arrays(layer).items():
        case.compare(f"{name} after apply with training=False", before[name], value)
    case.compare("y of the same input with training=False, the second time", first, again)
    layer = deepcopy(case.layer)
    _, kept = case.apply(layer, case.x.copy())
    case.apply(layer, 2 * case.x[:1], training=False)
    dx = layer.apply_gradient(case.dy.copy(), kept)
    if np.shape(dx) != case.x.shape:
        case.fail("shape of dx with a prediction before apply_gradient", case.x.shape, np.shape(dx))
    case.compare("dx with a prediction before apply_gradient", case.passes().dx, dx)


def _check_replaced(case: _Case) -> None:
    """What the gradients held before is gone."""
    zeros, ones = case.passes(), case.passes(held=1.0)
    for name, gradient in zeros.gradients.items():
        other = ones.gradients[name]
        if not gradient.any() and (other == 1).all():
            case.fail(f"gradients[{name!r}]", "to be written by apply_gradient", "what it held before")
        case.compare(f"gradients[{name!r}], which held ones and must be replaced, not added to", gradient, other)


def _check_gradients(case: _Case) -> None:
    """They are those of central finite differences of the sum of dy times y."""
    right, parameters = case.passes(), case.layer.parameters
    variables = {f"parameters[{name!r}]": (value, right.gradients[name]) for name, value in parameters.items()}
    for name, (variable, gradient) in {"x": (case.x, right.dx), **variables}.items():
        numbers = case.rng.permutation(variable.size)[:_SAMPLES]
        for at in zip(*np.unravel_index(numbers, variable.shape), strict=True) if variable.shape else [()]:
            expected, tolerance = _derivative(case, variable, at, right.y)
            if not abs(gradient[at] - expected) <= tolerance:
                case.fail(
                    f"gradient of {name}, at {[*map(int, at)]}",
                    f"{expected:.8g} by finite differences, with a tolerance of {tolerance:.1g}",
                    f"{gradient[at]:.8g}",
                )


def _derivative(case: _Case, variable: np.ndarray, at: Any, y: np.ndarray) -> tuple[float, float]:
    """Of the sum of dy times y for an element, by a central difference; and by how much that may be off.

    The step is the one at which errors of the formula and of rounding are about the same. The formula's error falls
    with the square of the step, so it is a third of what twice the step changes; all of that is allowed.
    """
    epsilon = float(np.finfo(case.dtype).eps)
    step = epsilon ** (1 / 3) * max(1.0, abs(float(variable[at])))
    (near, width), (far, _) = (_slope(case, variable, at, wide) for wide in (step, 2 * step))
    rounding = _ROUNDING * epsilon * float(np.abs(case.dy).sum() * (1 + np.abs(y).max())) / width
    return near, abs(far - near) + rounding


def _slope(case: _Case, variable: np.ndarray, at: Any, step: float) -> tuple[float, float]:
    """The difference over the step both ways, and the distance of the two."""
    before, outputs, places = variable[at], [], []
    for moved in (before + step, before - step):
        variable[at] = moved
        places.append(float(variable[at]))
        outputs.append(case.apply(deepcopy(case.layer), case.x.copy())[0].astype(np.float64))
    variable[at] = before
    width = places[0] - places[1]
    return float(np.vdot(case.dy, outputs[0] - outputs[1])) / width, width


def _check_batches(case: _Case) -> None:
    """An image alone gives what it gives among others, but for the order of sums."""
    whole, _ = case.apply(deepcopy(case.layer), case.x.copy(), training=False)
    tolerance = _tolerance(whole)
    for i in range(_IMAGES):
        alone, _ = case.apply(deepcopy(case.layer), case.x[i : i + 1].copy(), training=False)
        case.compare(f"y with training=False of image {i} alone", whole[i : i + 1], alone, tolerance)
    if case.layer.statistics or _draws(case):
        return
    batch = case.passes()
    for i in range(_IMAGES):
        single = case.passes(i, i + 1)
        case.compare(f"y of image {i} alone", batch.y[i : i + 1], single.y, _tolerance(batch.y))
        case.compare(f"dx of image {i} alone", batch.dx[i : i + 1], single.dx, _tolerance(batch.dx))


def _tolerance(array: np.ndarray) -> float:
    return _ROUNDING * float(np.finfo(array.dtype).eps * np.abs(array).max(initial=1.0))


def _draws(case: _Case) -> bool:
    """Whether the layer draws random numbers: the same layer then gives something else the next time."""
    layer = deepcopy(case.layer)
    first, again = (np.array(case.apply(layer, case.x.copy())[0]) for _ in range(2))
    return not np.array_equal(first, again)
