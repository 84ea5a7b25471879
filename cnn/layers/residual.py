"""Residual blocks: `Residual`, layers around which their input takes a shortcut; and how they become a flat plan.

In a plan, x is read by two operations and y has two sources. Three operations of one kind, "sum", do it; between the
first and the last, the layers are fused as any others.

    fork     y = x                           dx = dy + the gradient of the shortcut
    rewind   y = x of the fork               dx = dy of the join              (only where layers stand on the shortcut)
    join     y = x + the branch's output     dx = dy
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backends import checks
from .base import Layer, layer_names
from .lowering import Lowering, constant
from .registry import register
from .weighted import Weighted, with_activations

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..backends.annotations import DType, Seed, Shape

__all__ = ["Residual"]


class SumGeometry(NamedTuple):
    """Sizes of x and y of an image, and whether the operation reads its own x and dy, or only another's."""

    x_size: int
    y_size: int
    own_x: bool = True
    own_dy: bool = True


@register
class Residual(Layer):
    """x + f(x), where f is some layers one after the other; or s(x) + f(x), with layers on the shortcut as well.

    (He, Zhang, Ren and Sun, 2016.) The gradient passes the sum unchanged, so that nets of many layers can be trained.
    Residual blocks may stand in each other.

    Parameters
    ----------
    layers : sequence of layers
        f, the branch; used by this layer alone.
    shortcut : layer, sequence of layers, or None
        s, where f changes the shape: a convolution of 1x1, for example. None stands for x itself.

    Raises
    ------
    TypeError, ValueError
        What is no layer, or no layers at all; at `build`, a branch and a shortcut that give different shapes.

    Examples
    --------
    >>> import cnn
    >>> block = cnn.Residual([cnn.Conv2D(16, 3, padding=1), cnn.ReLU()], shortcut=cnn.Conv2D(16, 1))
    >>> block.build(input_shape=(8, 8, 4)).output_shape
    (8, 8, 16)
    """

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...]

    def __init__(self, layers: Iterable[Layer], shortcut: Layer | Iterable[Layer] | None = None) -> None:
        self.layers = _checked("layers", layers)
        if not self.layers:
            raise ValueError("layers of a Residual must hold at least one layer")
        self.shortcut = _checked("shortcut", (shortcut,) if isinstance(shortcut, Layer) else shortcut or ())
        for i, layer in enumerate(self.parts):
            if layer in self.parts[:i]:
                raise ValueError(f"{layer!r} stands in the Residual twice; make a layer for each place")

    @property
    def parts(self) -> tuple[Layer, ...]:  # type: ignore[override]
        """The layers of the branch, then those on the shortcut."""
        return self.layers + self.shortcut

    @property
    def trainable(self) -> bool:
        """Whether any of its parts is; assigning sets all of them."""
        return any(layer.trainable for layer in self.parts)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.parts:
            layer.trainable = value

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("in_net", "backend"):
            for layer in self.parts:
                setattr(layer, name, value)

    # ---- what the parts have, under names such as "conv2d_1.weights" ----

    def _named(self, kind: str) -> dict[str, np.ndarray]:
        names = layer_names(self.parts)
        return {
            f"{name}.{key}": value
            for name, layer in zip(names, self.parts, strict=True)
            for key, value in getattr(layer, kind).items()
        }

    @property
    def parameters(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        return self._named("parameters")

    @property
    def gradients(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        return self._named("gradients")

    @property
    def statistics(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        return self._named("statistics")

    @property
    def learns(self) -> bool:
        return any(layer.learns for layer in self.parts)

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.parts)

    def anew(self) -> Self:
        return type(self)([layer.anew() for layer in self.layers], [layer.anew() for layer in self.shortcut])

    # ---- shapes ----

    def build(self, input_shape: Shape, *, dtype: DType = "float32", seed: Seed = None) -> Self:
        self._refuse_in_net()
        shape = checks.image_shape("input_shape", input_shape)
        self.dtype, self._last = checks.dtype(dtype), None
        rng = checks.generator("seed", seed)
        for chain in (self.layers, self.shortcut):
            size = shape
            for layer in chain:
                layer.backend = self.backend
                size = layer.build(size, dtype=self.dtype, seed=rng).output_shape
        self.input_shape, self.output_shape = shape, self.infer_output_shape(shape)
        return self

    def fix_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        self._refuse_in_net()
        learned: dict[str, tuple[int, ...]] = {}
        names = iter(layer_names(self.parts))
        for chain in (self.layers, self.shortcut):
            shape = input_shape
            for layer in chain:
                name = next(names)
                learned |= {f"{name}.{key}": of for key, of in layer.fix_shapes(shape).items()}
                shape = layer.output_shape
        self.input_shape, self.output_shape = input_shape, self.infer_output_shape(input_shape)
        return learned

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        branch = shortcut = input_shape
        for layer in self.layers:
            branch = layer.infer_output_shape(branch)
        for layer in self.shortcut:
            shortcut = layer.infer_output_shape(shortcut)
        if branch != shortcut:
            what = "its shortcut" if self.shortcut else "its input; give it a shortcut, such as a convolution of 1x1"
            raise ValueError(f"the layers of a Residual give shape {branch}, but {shortcut} comes from {what}")
        return branch

    # ---- what it means ----

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        (y, kept), (s, kept_of_shortcut) = (_passed(chain, x, training) for chain in (self.layers, self.shortcut))
        return y + s, (kept, kept_of_shortcut)

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return _passed_back(self.layers, dy, kept[0]) + _passed_back(self.shortcut, dy, kept[1])

    # ---- in a plan ----

    def sums(self, name: str) -> tuple[Lowering, Lowering | None, Lowering]:
        """Fork, rewind and join of the block of that name in a net; no rewind where nothing is on the shortcut."""
        before, after = math.prod(self.input_shape), math.prod(self.output_shape)
        fork, rewind, join = (f"{name}.{each}" for each in ("fork", "rewind", "join"))
        other = rewind if self.shortcut else join
        first = Lowering("sum", geometry=constant(SumGeometry(before, before)), label="fork", key=fork, dy_of=other)
        again = Lowering(
            "sum",
            geometry=constant(SumGeometry(after, before, own_x=False, own_dy=False)),
            label="rewind",
            key=rewind,
            x_of=fork,
            dy_of=join,
        )
        source = rewind if self.shortcut else fork
        last = Lowering("sum", geometry=constant(SumGeometry(after, after)), label="add", key=join, x_of=source)
        return first, again if self.shortcut else None, last

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.output, shortcut = graph.branches(self.layers, self.shortcut)
        graph.add("Add", shortcut)

    def to_torch(self, modules: Any) -> None:
        modules.add_residual(self.layers, self.shortcut)

    def to_c(self, program: Any) -> None:
        program.add(self.layers, self.shortcut)

    def to_page(self, page: Any) -> dict[str, Any]:
        names, branch = layer_names(self.parts), len(self.layers)
        return {
            "kind": "residual",
            "layers": page.layers(self.layers, names[:branch]),
            "shortcut": page.layers(self.shortcut, names[branch:]),
        }


def _checked(name: str, layers: Any) -> tuple[Layer, ...]:
    if not isinstance(layers, Iterable) or isinstance(layers, str | bytes):
        raise TypeError(f"{name} of a Residual must be layers, got {layers!r}")
    given = tuple(layers)
    for i, layer in enumerate(given):
        if not isinstance(layer, Layer):
            raise TypeError(f"{name}[{i}] of a Residual must be a layer, got {layer!r}")
        if layer.in_net:
            raise ValueError(f"{name}[{i}] of a Residual is in a net already; make a layer for each place")
    result = tuple(with_activations(given))
    for layer in given:
        if isinstance(layer, Weighted):
            layer.activation = None  # which is the next layer now
    return result


def _passed(chain: Sequence[Layer], x: np.ndarray, training: bool) -> tuple[np.ndarray, list[Any]]:
    kept = []
    for layer in chain:
        x, of_layer = layer.apply(x, training)
        kept.append(of_layer)
    return x, kept


def _passed_back(chain: Sequence[Layer], d: np.ndarray, kept: Sequence[Any]) -> np.ndarray:
    for layer, of_layer in zip(reversed(chain), reversed(kept), strict=True):
        d = layer.apply_gradient(d, of_layer)
    return d
