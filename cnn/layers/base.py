"""The general layers: a shape, parameters, forward, backward. Each works alone or inside a `Sequential`.

A layer checks what it is given once and calls its operations through `ops`: `cnn.backends.compiled`, or for the backend
"numpy" `cnn.backends.numpy.operations`.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..backends import checks, compiled, geometry
from ..backends.tables import call


def operations(backend: str) -> ModuleType:
    """The module of operations of a backend, "compiled" or "numpy"; ValueError for another name."""
    if backend == "compiled":
        return compiled
    if backend == "numpy":
        from ..backends.numpy import operations as reference

        return reference
    raise ValueError(f'backend must be "compiled" or "numpy", got {backend!r}')


class Layer:
    """What all layers share.

    Attributes
    ----------
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
    macs: int = 0  # multiply-adds of the forward pass of one image
    geometry: Any = ()  # of its operation, where that has one
    memory_order: Any = "C"  # in which its parameters lie
    in_net: bool = False  # a net has its parameters in a buffer, from which building anew would part them
    _state: Any = None
    _arguments: tuple[str, ...] = ()  # of the constructor

    def __init__(self) -> None:
        self.dtype = checks.FLOAT32
        self.parameters: dict[str, np.ndarray] = {}
        self.gradients: dict[str, np.ndarray] = {}
        self.statistics: dict[str, np.ndarray] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        # A net has taken its layers' arguments into its plans; a change would show in a file of it and nowhere else.
        if self.in_net and name in self._arguments and not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"{name} of a {type(self).__name__} in a net cannot be changed; make another net")
        object.__setattr__(self, name, value)

    def __init_subclass__(cls) -> None:
        cls._arguments = tuple(inspect.signature(cls).parameters)

    def __repr__(self) -> str:
        try:
            return call(type(self), self.configuration())
        except AttributeError:  # a class of somebody else's, which keeps its arguments under other names
            return f"{type(self).__name__}(...)"

    @property
    def ops(self) -> ModuleType:
        """The operations of the layer's backend."""
        return compiled if self.backend == "compiled" else operations(self.backend)

    def build(self, input_shape, *, dtype="float32", seed=None) -> Layer:
        """Fix the input's shape (without the batch axis), draw the parameters from `seed`, return the layer.

        Raises
        ------
        TypeError, ValueError
            A shape that the layer cannot take, a dtype other than float32 and float64.
        RuntimeError
            The layer is in a net, which has built it.
        """
        if self.in_net:
            raise RuntimeError(f"the {type(self).__name__} is in a net, which has built it; make another layer")
        shape = checks.image_shape("input_shape", input_shape)
        self.dtype = checks.dtype(dtype)
        self.input_shape, self.output_shape = shape, self._plan(shape)
        self._state = None
        rng = checks.generator("seed", seed)
        initial = self._initial_parameters(rng)
        self.parameters = {name: np.asarray(value, order=self.memory_order) for name, value in initial.items()}
        self.gradients = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.statistics = self._initial_statistics()
        return self

    def configuration(self) -> dict[str, Any]:
        """The arguments that make a layer like this one, in values that JSON has: each is an attribute of its name."""
        return {name: getattr(self, name) for name in self._arguments}

    def fix_shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Take the shapes that follow from `input_shape`, but no memory; those of parameters and statistics by name."""
        self.input_shape, self.output_shape = input_shape, self._plan(input_shape)
        return self._learned_shapes()

    def forward(self, x, training=True) -> np.ndarray:
        """Output (n, *output_shape) for `x` (n, *input_shape); keeps what `backward` will need.

        With `training=False` as in a prediction, which differs for layers that drop or normalise; nothing is kept.
        """
        x = self._checked_input(x)
        if not training:
            return self.run_inference(x)
        y, self._state = self.run(x)
        return y

    def backward(self, dy) -> np.ndarray:
        """Gradient for the input from `dy`, the gradient for the output of the last `forward`; fills `gradients`.

        Raises
        ------
        RuntimeError
            Before any `forward`.
        ValueError
            `dy` has not the shape of the last output.
        """
        if self._state is None:
            raise RuntimeError(f"{type(self).__name__}.backward was called before forward")
        dy = checks.real("dy", dy, self.dtype)
        checks.shape("dy", dy, (len(self._state), *self.output_shape), "the last output's shape")
        self.run_weight_gradient(dy, self._state)
        return self.run_input_gradient(dy, self._state)

    # What a network calls: the arguments are right, and what is kept between the passes is the caller's, so that
    # many threads may predict with one net. `kept` is an array with the batch as its first axis.

    def run(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output, and what the gradients will need."""
        raise NotImplementedError

    def run_inference(self, x: np.ndarray) -> np.ndarray:
        """Output in a prediction."""
        y, _ = self.run(x)
        return y

    def run_weight_gradient(self, dy: np.ndarray, kept: np.ndarray) -> None:
        """Fill `gradients`; nothing to do for a layer without parameters."""

    def run_input_gradient(self, dy: np.ndarray, kept: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _plan(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The output's shape for a checked `input_shape`."""
        return input_shape

    def _learned_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of what the layer learns, by name, once it has been planned."""
        return {}

    def _initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {}

    def _initial_statistics(self) -> dict[str, np.ndarray]:
        return {}

    def _checked_input(self, x) -> np.ndarray:
        if not self.input_shape:
            raise RuntimeError(f"{type(self).__name__} has no shape yet: call build(input_shape) first")
        return checks.images("x", x, self.input_shape, self.dtype)


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """One a layer: "conv2d_1", "relu_1", "maxpool2d_1", "conv2d_2" and so on."""
    seen: Counter[str] = Counter()
    names = []
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] += 1
        names.append(f"{kind}_{seen[kind]}")
    return names


class _Weighted(Layer):
    """A layer with weights and, if asked for, a bias. He initialisation: normal, variance 2 / inputs of a unit."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self._has_bias = bool(bias)

    @property
    def weights(self) -> np.ndarray:
        """The weights; assigning needs an array of their shape and dtype, whose values are copied."""
        return self.parameters["weights"]

    @weights.setter
    def weights(self, value) -> None:
        self.weights[...] = checks.parameter("weights", value, self.weights)

    @property
    def bias(self) -> np.ndarray | None:
        """The bias, None for a layer without one; assigning copies, as for `weights`."""
        return self.parameters.get("bias")

    @bias.setter
    def bias(self, value) -> None:
        if self.bias is None:
            raise ValueError("bias cannot be assigned: the layer was made with bias=False")
        self.bias[...] = checks.parameter("bias", value, self.bias)

    def configuration(self):
        return super().configuration() | {"bias": self._has_bias}

    def _weights_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _learned_shapes(self):
        shape = self._weights_shape()
        return {"weights": shape} | ({"bias": shape[-1:]} if self._has_bias else {})

    def _initial_parameters(self, rng):
        shape = self._weights_shape()
        scale = math.sqrt(2 / math.prod(shape[:-1]))
        parameters = {"weights": (rng.standard_normal(shape) * scale).astype(self.dtype)}
        if self._has_bias:
            parameters["bias"] = np.zeros(shape[-1], self.dtype)
        return parameters

    def _gradients(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Where the operations write the gradients: the layer's own arrays, or its net's."""
        return self.gradients["weights"], self.gradients.get("bias")


class Conv2D(_Weighted):
    """Two-dimensional convolution (cross-correlation), channels last.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (int, int)
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)
    bias : bool

    Raises
    ------
    TypeError, ValueError
        Sizes that are no integers or too small; at `build`, a kernel larger than the padded input.
    """

    def __init__(self, filters, kernel_size, *, stride=1, padding="valid", bias=True) -> None:
        super().__init__(bias)
        self.filters = checks.integer("filters", filters, minimum=1)
        self.kernel_size = checks.pair("kernel_size", kernel_size, minimum=1)
        self.stride = checks.pair("stride", stride, minimum=1)
        self.padding = geometry.checked_padding(padding)

    def _plan(self, input_shape):
        if len(input_shape) != 3:
            raise ValueError(f"input_shape of Conv2D must be (h, w, c), got {input_shape}")
        kernel_shape = (*self.kernel_size, input_shape[2], self.filters)
        self.geometry = geometry.conv2d(input_shape, kernel_shape, self.stride, self.padding)
        self.macs = self.geometry.macs
        return self.geometry.output_shape

    def _weights_shape(self):
        return self.geometry.kernel_shape

    def run(self, x):
        return self.ops.conv2d_forward(x, self.weights, self.bias, self.geometry), x

    def run_weight_gradient(self, dy, kept):
        self.ops.conv2d_weight_gradient(dy, kept, self.geometry, self._gradients())

    def run_input_gradient(self, dy, kept):
        return self.ops.conv2d_input_gradient(dy, self.weights, self.geometry)


class _Pool(Layer):
    """Windows over a map, each reduced to one value a channel."""

    def __init__(self, pool_size, stride, padding) -> None:
        super().__init__()
        self.pool_size = checks.pair("pool_size", pool_size, minimum=1)
        self.stride = self.pool_size if stride is None else checks.pair("stride", stride, minimum=1)
        self.padding = geometry.checked_pool_padding(padding, self.pool_size)

    def _plan(self, input_shape):
        if len(input_shape) != 3:
            raise ValueError(f"input_shape of {type(self).__name__} must be (h, w, c), got {input_shape}")
        self.geometry = geometry.pool2d(input_shape, self.pool_size, self.stride, self.padding)
        return self.geometry.output_shape


class MaxPool2D(_Pool):
    """Maximum of every window.

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half of `pool_size`.
    ties : "first" or "all"
        Who takes the gradient of a window with several equal maxima: the first in row order (PyTorch's rule), or
        every one (the tutorial's).

    Raises
    ------
    TypeError, ValueError
        Bad sizes; at `build`, a window larger than the padded input.
    """

    def __init__(self, pool_size=2, *, stride=None, padding=0, ties="first") -> None:
        super().__init__(pool_size, stride, padding)
        if ties not in ("first", "all"):
            raise ValueError(f'ties must be "first" or "all", got {ties!r}')
        self.ties = ties

    def run(self, x):
        y, switches = self.ops.maxpool2d_forward(x, self.geometry)
        return y, switches if self.ties == "first" else x

    def run_input_gradient(self, dy, kept):
        if self.ties == "first":
            return self.ops.maxpool2d_backward(dy, kept, self.geometry)
        y, _ = self.ops.maxpool2d_forward(kept, self.geometry)
        return self.ops.maxpool2d_backward_ties(dy, kept, y, self.geometry)


class AvgPool2D(_Pool):
    """Mean of every window; of its elements inside the image, where it reaches into the padding (ONNX's default).

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half of `pool_size`.

    Raises
    ------
    TypeError, ValueError
        Bad sizes; at `build`, a window larger than the padded input.
    """

    def __init__(self, pool_size=2, *, stride=None, padding=0) -> None:
        super().__init__(pool_size, stride, padding)

    def run(self, x):
        y = self.ops.avgpool2d_forward(x, self.geometry)
        return y, y

    def run_input_gradient(self, dy, kept):
        return self.ops.avgpool2d_backward(dy, self.geometry)


class Dense(_Weighted):
    """Affine map, x @ weights + bias, of inputs (n, inputs) to (n, units).

    The weights (inputs, units) lie in memory unit by unit, as a transposed array does: the kernels run along inputs.

    Parameters
    ----------
    units : int
    bias : bool

    Raises
    ------
    TypeError, ValueError
        `units` is no integer or below 1; at `build`, inputs that are no rows.
    """

    memory_order = "F"

    def __init__(self, units, *, bias=True) -> None:
        super().__init__(bias)
        self.units = checks.integer("units", units, minimum=1)

    def _plan(self, input_shape):
        if len(input_shape) != 1:
            raise ValueError(f"input_shape of Dense must be (inputs,), got {input_shape}; put Flatten before it")
        checks.elements("inputs x units", input_shape[0], self.units)
        self.macs = input_shape[0] * self.units
        return (self.units,)

    def _weights_shape(self):
        return *self.input_shape, self.units

    def run(self, x):
        return self.ops.dense_forward(x, self.weights, self.bias), x

    def run_weight_gradient(self, dy, kept):
        self.ops.dense_weight_gradient(dy, kept, self._gradients())

    def run_input_gradient(self, dy, kept):
        return self.ops.dense_input_gradient(dy, self.weights)


class ReLU(Layer):
    """max(x, 0), elementwise."""

    def run(self, x):
        y = self.ops.relu_forward(x)
        return y, y

    def run_input_gradient(self, dy, kept):
        return self.ops.relu_backward(dy, kept)


class Dropout(Layer):
    """While a net trains, a share `rate` of all values at random is zero, and the others grow to keep the mean.

    (Srivastava et al., 2014, scaled as all frameworks do.) In a prediction it does nothing. In `Sequential.fit` the
    masks follow from the fit's seed, the same for any number of threads; a layer alone draws them from its own.

    Parameters
    ----------
    rate : float from 0 to below 1

    Raises
    ------
    TypeError, ValueError
        A rate that is no number or out of range.
    """

    def __init__(self, rate) -> None:
        super().__init__()
        self.rate = checks.number("rate", rate, maximum=math.nextafter(1.0, 0.0))

    def _initial_parameters(self, rng):
        (self._rng,) = rng.spawn(1)  # the parameters of the layers after this one stay what they are without it
        return {}

    def run(self, x):
        kept = self._rng.random(x.shape) >= self.rate
        return operations("numpy").dropout(x, kept, self.rate), kept

    def run_inference(self, x):
        return x.copy()

    def run_input_gradient(self, dy, kept):
        return operations("numpy").dropout(dy, kept, self.rate)


class BatchNorm(Layer):
    """Every channel brought to mean 0 and variance 1 over the batch, then times `gamma` plus `beta`, both learned.

    (Ioffe and Szegedy, 2015.) Stands after a convolution or a dense layer. In a prediction the running `statistics`
    take the batch's place, and a convolution below has all of it in its weights.

    Parameters
    ----------
    momentum : float from 0 to 1
        How much of the running mean and variance stays in a step; the rest is the batch's, with the unbiased variance
        (PyTorch's rule; its `momentum` is one minus this).
    epsilon : float
        Added to the variance.

    Raises
    ------
    TypeError, ValueError
        A value that is no number or out of range.
    """

    def __init__(self, *, momentum=0.9, epsilon=1e-5) -> None:
        super().__init__()
        self.momentum = checks.number("momentum", momentum, maximum=1.0)
        self.epsilon = checks.number("epsilon", epsilon, minimum=float(np.finfo(np.float32).tiny))

    @property
    def gamma(self) -> np.ndarray:
        """The slopes (channels,), a view."""
        return self.parameters["gamma"]

    @property
    def beta(self) -> np.ndarray:
        """The shifts (channels,), a view."""
        return self.parameters["beta"]

    def _plan(self, input_shape):
        if not input_shape:
            raise ValueError("input_shape of BatchNorm must end with the channels, got ()")
        return input_shape

    def _initial_parameters(self, rng):
        channels = self.input_shape[-1]
        return {"gamma": np.ones(channels, self.dtype), "beta": np.zeros(channels, self.dtype)}

    def _learned_shapes(self):
        return dict.fromkeys(("gamma", "beta", "mean", "variance"), self.input_shape[-1:])

    def _initial_statistics(self):
        channels = self.input_shape[-1]
        return {"mean": np.zeros(channels, self.dtype), "variance": np.ones(channels, self.dtype)}

    # Plans normalise in compiled code. A layer alone is bound by memory, and NumPy is as fast.

    def run(self, x):
        ops = operations("numpy")
        y, mean, variance = ops.batchnorm_forward(x, self.gamma, self.beta, self.epsilon)
        running = self.statistics["mean"], self.statistics["variance"]
        ops.follow(running, mean, variance, x.size // x.shape[-1], self.momentum)
        return y, x

    def run_inference(self, x):
        mean, variance = self.statistics["mean"], self.statistics["variance"]
        return operations("numpy").batchnorm_inference(x, self.gamma, self.beta, mean, variance, self.epsilon)

    def run_weight_gradient(self, dy, kept):
        _, dgamma, dbeta = operations("numpy").batchnorm_backward(dy, kept, self.gamma, self.epsilon)
        self.gradients["gamma"][...], self.gradients["beta"][...] = dgamma, dbeta

    def run_input_gradient(self, dy, kept):
        dx, _, _ = operations("numpy").batchnorm_backward(dy, kept, self.gamma, self.epsilon)
        return dx


class Flatten(Layer):
    """Each image as one row."""

    def _plan(self, input_shape):
        return (math.prod(input_shape),)

    def run(self, x):
        y = x.reshape(len(x), *self.output_shape)
        return y, y

    def run_input_gradient(self, dy, kept):
        return dy.reshape(len(dy), *self.input_shape)


class Rescaling(Layer):
    """x * scale + offset, so that a net takes images as the files hold them.

    Parameters
    ----------
    scale, offset : float

    Raises
    ------
    TypeError, ValueError
        What is no number, or not finite.
    """

    def __init__(self, scale, offset=0.0) -> None:
        super().__init__()
        self.scale = checks.number("scale", scale, minimum=-math.inf)
        self.offset = checks.number("offset", offset, minimum=-math.inf)

    def run(self, x):
        y = x * self.dtype.type(self.scale)
        y += self.dtype.type(self.offset)
        return y, y

    def run_input_gradient(self, dy, kept):
        return dy * self.dtype.type(self.scale)
