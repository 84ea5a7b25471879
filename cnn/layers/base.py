"""`Layer`, what all layers share: a shape, parameters, forward and backward, alone or in a net.

A layer checks what it is given once and calls its operations through `ops`, the namespace of its backend. A subclass
says what its constructor takes, its shape rule, what it computes (`apply`, `apply_gradient`), and what it becomes in a
plan (`lower`). A subclass of somebody else's has no `lower`: a net calls its `apply` and `apply_gradient` between the
compiled parts of a step.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..backends import checks, names
from ..backends.select import operations
from ..backends.tables import call
from ..backends.views import Views
from .lowering import Lowering

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from ..backends.annotations import DType, Seed, Shape

__all__ = ["Layer", "layer_names"]

# What a net has taken into its plans and buffers.
_SHAPES = {"input_shape", "output_shape", "geometry", "macs"}
_FIXED = _SHAPES | {"dtype", "backend", "memory_order", "parameters", "gradients", "statistics", "in_net"}
# What a layer computes, and in which shapes. A class that overrides one of these is no longer what its parent is.
_COMPUTING = ("apply", "apply_gradient", "infer_output_shape", "infer_geometry", "lower")
_NOT_CALLED = ("forward", "backward")  # by a net


class Layer:
    """What all layers share, and the base class of a layer of your own.

    A subclass needs `apply` and `apply_gradient`, and `infer_output_shape` where the output has another shape than the
    input. What it learns comes from `initial_parameters` and `initial_statistics`. Arguments of its constructor, kept
    as attributes of the same names, are saved with a net, which `cnn.load(path, layers=[...])` reads back.
    `cnn.check_layer` tests it.

    Attributes
    ----------
    trainable : bool
        False freezes the layer: its parameters and running statistics stay as they are. May be assigned at any time.
    in_python : bool
        Of a class: whether a net calls its `apply` and `apply_gradient`, and not an operation of its own.
    input_shape, output_shape : tuple of int
        Without the batch axis; set by `build`.
    parameters, gradients : dict of str to array
        By name ("weights", "bias"); a gradient has its parameter's shape and is filled by `backward`.
    statistics : dict of str to array
        What a layer learns without a gradient, by name: running means of a normalisation. Most layers have none.
    """

    backend: str = "compiled"
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    geometry: Any = ()  # of its operation, where that has one
    memory_order: Any = "C"  # in which its parameters lie
    trainable: bool = True
    in_python: ClassVar[bool] = False
    in_net: bool = False  # a net has its parameters in a buffer, and its shapes and arguments in plans: they stay
    stream: Any = None  # of random numbers, while a net trains in NumPy; a layer alone draws from its own generator
    parts: tuple[Layer, ...] = ()  # the layers that it is made of, for one that is
    _last: tuple[int, Any] | None = None  # images of the last forward, and what `apply` kept of them
    # Defaults of the class, because the constructor of somebody else's subclass may not call this class's.
    dtype: np.dtype = checks.FLOAT32
    parameters: dict[str, np.ndarray] = Views()
    gradients: dict[str, np.ndarray] = Views()
    statistics: dict[str, np.ndarray] = Views()
    _arguments: tuple[str, ...] = ()  # of the constructor
    _declared: frozenset[str] = frozenset()  # attributes
    _taken: frozenset[str] = frozenset()  # those that a net has taken
    _free: frozenset[str] = frozenset()  # those that may be assigned at any time

    @names.explains_arguments
    def __init__(self) -> None:
        pass  # a subclass of somebody else's need not call it

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._free:  # this is most calls: what a layer keeps of its last forward
            self._check_assignment(name)
        object.__setattr__(self, name, checks.flag(name, value) if name == "trainable" else value)

    def _check_assignment(self, name: str) -> None:
        """AttributeError where an assignment would be ignored: nobody reads the name, or a net has read it already.

        A layer of somebody else's may have any other attributes.
        """
        # A net has taken its layers as they were into its plans; a change would be ignored or lead out of its memory.
        if self.in_net and name in self._taken:
            raise AttributeError(f"{name} of a {type(self).__name__} in a net cannot be changed; make another net")
        if name not in self._declared and names.is_ours(type(self)):
            properties = [each for each in dir(type(self)) if hasattr(getattr(type(self), each), "fset")]
            settable = [each for each in properties if getattr(type(self), each).fset is not None]
            raise names.attribute_error(self, name, dict.fromkeys([*self._arguments, *settable]))

    def __init_subclass__(cls) -> None:
        for method in _NOT_CALLED:
            if not names.is_ours(_definer(cls, method)):
                raise TypeError(
                    f"{cls.__name__} overrides {method}, which no net calls; override apply and its gradient"
                )
        names.explain_arguments(cls)
        cls._arguments = tuple(inspect.signature(cls).parameters)
        values = {name for name in cls._arguments if not isinstance(getattr(cls, name, None), property)}
        cls._declared = names.data_attributes(cls) | values
        if any(not names.is_ours(_definer(cls, method)) for method in _COMPUTING):
            cls.in_python = True
        cls._taken = frozenset(_FIXED if cls.in_python else values | _FIXED)  # Python reads its arguments at each call
        cls._free = cls._declared - cls._taken

    def __repr__(self) -> str:
        try:
            return call(type(self), self.configuration())
        except AttributeError:  # a class of somebody else's, which keeps its arguments under other names
            return f"{type(self).__name__}(...)"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "stream": None}  # a copy is in no step of a net

    @property
    def ops(self) -> Any:
        """The operations of the layer's backend."""
        return operations(self.backend)

    @property
    def learns(self) -> bool:
        """Whether a step changes its parameters."""
        return self.trainable and bool(self.parameters)

    @property
    def macs(self) -> int:
        """Multiply-adds of the forward pass of one image."""
        return 0

    # ---- shapes and parameters ----

    def build(self, input_shape: Shape, *, dtype: DType = "float32", seed: Seed = None) -> Self:
        """Fix the input's shape (without the batch axis), draw the parameters from `seed`, return the layer.

        Raises
        ------
        TypeError, ValueError
            A shape that the layer cannot take, a dtype other than float32 and float64.
        RuntimeError
            The layer is in a net, which has built it.
        """
        self._refuse_in_net()
        shape = checks.image_shape("input_shape", input_shape)
        self.dtype = checks.dtype(dtype)
        self._check_arguments()
        self._take_shapes(shape)
        self._last = None
        rng = checks.generator("seed", seed)
        self.parameters = self._initial("parameters", self.initial_parameters(rng))
        self.gradients = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.statistics = self._initial("statistics", self.initial_statistics())
        return self

    def _initial(self, what: str, given: Any) -> dict[str, np.ndarray]:
        """What a layer begins with, as new arrays of its dtype; TypeError where somebody's layer gives none."""
        kind = type(self).__name__
        if not isinstance(given, dict) or not all(isinstance(name, str) and "." not in name for name in given):
            raise TypeError(f"initial_{what} of {kind} must return a dict of arrays by name, got {given!r}")
        return {
            name: np.array(checks.real(f"{name} of {kind}", value, self.dtype), order=self.memory_order)
            for name, value in given.items()
        }

    def _check_arguments(self) -> None:
        """Take arguments that were assigned since the constructor as it would have taken them, with its errors."""
        if names.is_ours(type(self)):
            made = vars(self.anew())
            vars(self).update({name: made[name] for name in self._arguments if name in made})

    def configuration(self) -> dict[str, Any]:
        """The arguments that make a layer like this one, in values that JSON has: each is an attribute of its name."""
        return {name: getattr(self, name) for name in self._arguments}

    def anew(self) -> Self:
        """A layer of the same arguments, without shapes and parameters, in no net."""
        layer = type(self)(**self.configuration())
        layer.trainable = self.trainable
        return layer

    def fix_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Take the shapes that follow from `input_shape`, but no memory; those of parameters and statistics by name.

        Raises
        ------
        ValueError
            A shape that the layer cannot take.
        RuntimeError
            The layer is in a net, which has built it.
        """
        self._refuse_in_net()
        self._take_shapes(input_shape)
        return self.learned_shapes()

    def _take_shapes(self, input_shape: tuple[int, ...]) -> None:
        output_shape = self.infer_output_shape(input_shape)
        self.input_shape, self.output_shape = input_shape, output_shape
        self.geometry = self.infer_geometry(input_shape)

    def hold(
        self, parameters: dict[str, np.ndarray], gradients: dict[str, np.ndarray], statistics: dict[str, np.ndarray]
    ) -> None:
        """Take these arrays, views of a net's memory, in place of the layer's own."""
        vars(self).update(parameters=parameters, gradients=gradients, statistics=statistics)

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The output's shape for an input of this shape; ValueError where there is none. The layer stays as it is."""
        return input_shape

    def infer_geometry(self, input_shape: tuple[int, ...]) -> Any:
        """The numbers that the layer's operation takes beside arrays, where it has any."""
        return ()

    def learned_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of what the layer learns, by name, once its shapes are fixed."""
        if not self.in_python:
            return {}
        begun = self.initial_parameters(np.random.default_rng(0)) | self.initial_statistics()
        return {name: np.shape(value) for name, value in begun.items()}

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """By name, once shapes and dtype are fixed."""
        return {}

    def initial_statistics(self) -> dict[str, np.ndarray]:
        """As `initial_parameters`."""
        return {}

    # ---- for one who goes through layers by hand ----

    def forward(self, x: ArrayLike, training: bool = True) -> np.ndarray:
        """Output ``(n, *output_shape)`` for `x` ``(n, *input_shape)``; keeps what `backward` will need.

        With `training=False` as in a prediction, which differs for layers that drop or normalise; nothing is kept.
        """
        x = self._checked_input(x)
        y, kept = self.apply(x, training)
        if training:
            self._last = len(x), kept
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """Gradient for the input from `dy`, the gradient for the output of the last `forward`; fills `gradients`.

        Raises
        ------
        RuntimeError
            Before any `forward`.
        ValueError
            `dy` has not the shape of the last output.
        """
        if self._last is None:
            raise RuntimeError(f"{type(self).__name__}.backward was called before forward")
        images, kept = self._last
        dy = checks.real("dy", dy, self.dtype)
        checks.shape("dy", dy, (images, *self.output_shape), "the last output's shape")
        return self.apply_gradient(dy, kept)

    # ---- what it computes: a net calls these, with arguments that are right ----

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        """Output, and what `apply_gradient` will need of this pass.

        Nothing is kept in the layer, so that with `training=False` many threads may predict at the same time; what
        is drawn or learned without a gradient changes with `training=True` alone.

        Parameters
        ----------
        x : (n, *input_shape), of the layer's dtype
            Of a whole batch; the array is the net's own again after the step.
        training : bool

        Returns
        -------
        y : (n, *output_shape)
        kept
        """
        raise NotImplementedError

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        """Gradient for the input of an `apply`; fills `gradients`, of which it replaces what they held.

        Parameters
        ----------
        dy : (n, *output_shape), of the layer's dtype
            Gradient for the output.
        kept
            What `apply` returned beside it, with `training=True`.

        Returns
        -------
        dx : (n, *input_shape)
        """
        raise NotImplementedError

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering | None:
        """What the layer becomes in a plan, together with layers above it, where an operation computes several.

        Parameters
        ----------
        below, above : sequence of Layer
            The layers of the net before and after this one.
        training : bool
            Whether the plan is one for steps, or for predictions.

        Returns
        -------
        Lowering or None
            None if there is nothing to compute.
        """
        raise NotImplementedError

    def _checked_input(self, x: ArrayLike) -> np.ndarray:
        if not self.input_shape:
            raise RuntimeError(f"{type(self).__name__} has no shape yet: call build(input_shape) first")
        return checks.images("x", x, self.input_shape, self.dtype)

    def _refuse_in_net(self) -> None:
        if self.in_net:
            raise RuntimeError(f"the {type(self).__name__} is in a net, which has built it; make another layer")


def _definer(kind: type, name: str) -> type:
    """The class whose attribute of that name a class has."""
    return next(base for base in kind.__mro__ if name in vars(base))


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """One a layer: "conv2d_1", "relu_1", "maxpool2d_1", "conv2d_2" and so on."""
    seen: Counter[str] = Counter()
    names = []
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] += 1
        names.append(f"{kind}_{seen[kind]}")
    return names
