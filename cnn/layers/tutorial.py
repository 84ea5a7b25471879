"""The layers of the "CNN from scratch in NumPy" tutorial over the compiled kernels.

Same constructors, methods, attributes and numbers as in `cnn.reference`, where one can read what is computed.
One image takes microseconds here, so an array that is right already is passed on after a single look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import numpy as np

from cnn_c import KERNELS, empty

from ..backends import checks, geometry
from ..backends.tables import call
from ..backends.threads import threads_for

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..backends.annotations import DType, Floats


class Conv3x3:
    """Convolution with 3x3 filters: no padding, no bias, stride 1.

    Parameters
    ----------
    num_filters : int
    dtype : float64 or float32

    Attributes
    ----------
    filters : (num_filters, 3, 3)
        ``np.random.randn(num_filters, 3, 3) / 9``: the global generator, so that `np.random.seed` repeats a
        run. Another array of this shape and dtype may be assigned; it is copied.
    last_input : (h, w) or (n, h, w)
        What the last `forward` was given.

    Raises
    ------
    TypeError, ValueError
        `num_filters` that is no integer of at least 1, `dtype` that is neither of the two.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> cnn.Conv3x3(8).forward(np.zeros((28, 28))).shape
    (26, 26, 8)
    """

    def __init__(self, num_filters: SupportsIndex, dtype: DType = np.float64) -> None:
        self.num_filters = checks.integer("num_filters", num_filters, minimum=1)
        self.dtype = checks.dtype(dtype)
        # As the kernels read it, (3, 3, 1, filters); `filters` is a view of it.
        self._w = np.empty((3, 3, 1, self.num_filters), self.dtype)
        self.filters[...] = np.random.randn(self.num_filters, 3, 3) / 9
        self.last_input: Floats | None = None
        self._plan: tuple[Any, ...] = (None,)  # for the last input's shape: that, the output's shape, images, geometry

    def __repr__(self) -> str:
        return call(type(self), {"num_filters": self.num_filters, "dtype": self.dtype.name})

    @property
    def filters(self) -> Floats:
        return self._w[:, :, 0].transpose(2, 0, 1)

    @filters.setter
    def filters(self, value: ArrayLike) -> None:
        self.filters[...] = checks.parameter("filters", value, self.filters)

    def iterate_regions(self, image: ArrayLike) -> Iterator[tuple[np.ndarray, int, int]]:
        """Go through every 3x3 region that lies on an image, row by row.

        The compiled `forward` and `backprop` do not call it; those of `cnn.reference` do.

        Parameters
        ----------
        image : (h, w)

        Yields
        ------
        im_region : (3, 3)
            A view of `image`.
        i, j : int
            Row and column of its top left pixel, and of what the region gives in the output.

        Raises
        ------
        TypeError, ValueError
            `image` is no array of real numbers, or has another number of dimensions.
        """
        image = checks.array("image", image)
        checks.shape("image", image, (None, None), "(h, w)")
        h, w = image.shape
        return ((image[i : i + 3, j : j + 3], i, j) for i in range(h - 2) for j in range(w - 2))

    def forward(self, image: ArrayLike) -> np.ndarray:
        """Cross-correlation of an image with every filter.

        Parameters
        ----------
        image : (h, w) or (n, h, w)
            Converted to the layer's dtype; kept as `last_input`.

        Returns
        -------
        (h - 2, w - 2, num_filters) or (n, h - 2, w - 2, num_filters)

        Raises
        ------
        TypeError
            `image` is no array of real numbers, or is masked.
        ValueError
            Another number of dimensions, or an image smaller than the filters. A shape (h, w, 3) or (h, w, 4) with
            h and w of at least 8 is a colour image and no batch: it is refused, too.
        """
        image = checks.real("image", image, self.dtype)
        plan = self._plan if self._plan[0] == image.shape else self._planned(image.shape)
        _, output_shape, images, g = plan
        output = empty(output_shape, self.dtype)
        KERNELS[self.dtype.char].conv2d_forward(image, self._w, None, output, g, threads_for(images))
        self.last_input = image
        return output

    def _planned(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        checks.not_colour("image", shape)
        if len(shape) not in (2, 3):
            raise ValueError(f"image must have shape (h, w) or (n, h, w), got {shape}")
        g = geometry.conv2d((*shape[-2:], 1), self._w.shape)
        self._plan = shape, (*shape[:-2], *g.output_shape), shape[0] if len(shape) == 3 else 1, g
        return self._plan

    def backprop(self, d_L_d_out: ArrayLike, learn_rate: SupportsFloat) -> None:
        """One step of gradient descent on `filters`, in place.

        The first layer of the tutorial's network: its input needs no gradient, so none is returned.

        Parameters
        ----------
        d_L_d_out : shape of the last output
            Gradient of the loss; for a batch, the gradient of the filters is the sum over it.
        learn_rate : float

        Raises
        ------
        RuntimeError
            No `forward` came before.
        TypeError, ValueError
            A gradient of another shape than the last output, a learning rate that is negative or not finite.
        """
        image = self.last_input
        if image is None:
            raise _too_early(self)
        _, output_shape, images, g = self._plan
        d_L_d_out = _gradient(d_L_d_out, output_shape, self.dtype)
        learn_rate = checks.number("learn_rate", learn_rate)
        KERNELS[self.dtype.char].conv2d_descend(d_L_d_out, image, self._w, g, learn_rate, threads_for(images))


class MaxPool2:
    """Maximum over windows of 2x2 that do not overlap; an odd last row or column is dropped.

    Attributes
    ----------
    last_input : (h, w, f) or (n, h, w, f)
        What the last `forward` was given.
    """

    def __init__(self) -> None:
        self.last_input: Floats | None = None
        self._plan: tuple[Any, ...] = (None,)  # for the last input's shape: that, the output's shape, images, geometry

    def __repr__(self) -> str:
        return call(type(self), {})

    def iterate_regions(self, image: ArrayLike) -> Iterator[tuple[np.ndarray, int, int]]:
        """Go through the 2x2 regions that tile an image, row by row; an odd last row or column is left out.

        The compiled `forward` and `backprop` do not call it; those of `cnn.reference` do.

        Parameters
        ----------
        image : (h, w, f)

        Yields
        ------
        im_region : (2, 2, f)
            A view of `image`.
        i, j : int
            Row and column of the region among the regions, which are those of its maximum in the output.

        Raises
        ------
        TypeError, ValueError
            `image` is no array of real numbers, or has another number of dimensions.
        """
        image = checks.array("image", image)
        checks.shape("image", image, (None, None, None), "(h, w, f)")
        h, w, _ = image.shape
        return ((image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], i, j) for i in range(h // 2) for j in range(w // 2))

    def forward(self, input: ArrayLike) -> np.ndarray:
        """Maximum of every window.

        Parameters
        ----------
        input : (h, w, f) or (n, h, w, f), float32 or float64
            Other dtypes are converted: to float32 where that is exact, else to float64. Kept as `last_input`.

        Returns
        -------
        (h // 2, w // 2, f) or (n, h // 2, w // 2, f), dtype of `input`

        Raises
        ------
        TypeError
            `input` is no array of real numbers, or is masked.
        ValueError
            Another number of dimensions, or an image smaller than a window.
        """
        input = checks.real("input", input)
        plan = self._plan if self._plan[0] == input.shape else self._planned(input.shape)
        _, output_shape, images, g = plan
        output = empty(output_shape, input.dtype)
        KERNELS[input.dtype.char].maxpool2d_forward(input, output, None, g, threads_for(images))
        self.last_input = input
        return output

    def _planned(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        if len(shape) not in (3, 4):
            raise ValueError(f"input must have shape (h, w, f) or (n, h, w, f), got {shape}")
        g = geometry.pool2d(shape[-3:])
        self._plan = shape, (*shape[:-3], *g.output_shape), shape[0] if len(shape) == 4 else 1, g
        return self._plan

    def backprop(self, d_L_d_out: ArrayLike) -> np.ndarray:
        """Gradient for the input: **every** element equal to its window's maximum gets the window's gradient.

        Parameters
        ----------
        d_L_d_out : shape of the last output

        Returns
        -------
        Shape and dtype of the last input

        Raises
        ------
        RuntimeError
            No `forward` came before.
        TypeError, ValueError
            A gradient of another shape than the last output.
        """
        input = self.last_input
        if input is None:
            raise _too_early(self)
        _, output_shape, images, g = self._plan
        d_L_d_out = _gradient(d_L_d_out, output_shape, input.dtype)
        d_L_d_input = empty(input.shape, input.dtype)
        kernels = KERNELS[input.dtype.char]
        kernels.maxpool2d_backward_ties(d_L_d_out, input, None, d_L_d_input, g, threads_for(images))
        return d_L_d_input


class Softmax:
    """A dense layer, then the softmax of its outputs: a probability for each node.

    Parameters
    ----------
    input_len : int
        Elements of one input.
    nodes : int
        Classes.
    dtype : float64 or float32

    Attributes
    ----------
    weights : (input_len, nodes)
        ``np.random.randn(input_len, nodes) / input_len``: the global generator, so that `np.random.seed`
        repeats a run. Another array of this shape and dtype may be assigned; it is copied.
    biases : (nodes,)
        Zeros. May be assigned like `weights`.
    last_input : (input_len,) or (n, input_len)
        What the last `forward` was given, each input flat: a view of it, unless it had to be converted.
    last_input_shape : tuple of int
        The shape in which it was given.
    last_totals : (nodes,) or (n, nodes)
        ``last_input @ weights + biases`` as they were then, of which `forward` returned the softmax.

    Raises
    ------
    TypeError, ValueError
        A size that is no integer of at least 1, `dtype` that is neither of the two.
    """

    def __init__(self, input_len: SupportsIndex, nodes: SupportsIndex, dtype: DType = np.float64) -> None:
        self.input_len = checks.integer("input_len", input_len, minimum=1)
        self.nodes = checks.integer("nodes", nodes, minimum=1)
        self.dtype = checks.dtype(dtype)
        # As the kernels read them, (nodes, input_len); `weights` is a view.
        self._w = np.empty((self.nodes, self.input_len), self.dtype)
        self._w.T[...] = np.random.randn(self.input_len, self.nodes) / self.input_len
        self._biases = np.zeros(self.nodes, self.dtype)
        self._input: Floats | None = None  # of the last `forward`, in its own shape
        self._kept: Floats | None = None  # its totals and probabilities, (2, nodes) or (2, n, nodes)
        self._plan: tuple[Any, ...] = (None,)  # for the last input's shape: that, the shape of `_kept`, images

    def __repr__(self) -> str:
        return call(type(self), {"input_len": self.input_len, "nodes": self.nodes, "dtype": self.dtype.name})

    @property
    def weights(self) -> Floats:
        return self._w.T

    @weights.setter
    def weights(self, value: ArrayLike) -> None:
        self._w.T[...] = checks.parameter("weights", value, self._w.T)

    @property
    def biases(self) -> Floats:
        return self._biases

    @biases.setter
    def biases(self, value: ArrayLike) -> None:
        self._biases[...] = checks.parameter("biases", value, self._biases)

    @property
    def last_input(self) -> Floats | None:
        if self._input is None or self._kept is None:
            return None
        return self._input.reshape(*self._kept.shape[1:-1], self.input_len)

    @property
    def last_input_shape(self) -> tuple[int, ...] | None:
        return None if self._input is None else self._input.shape

    @property
    def last_totals(self) -> Floats | None:
        return None if self._kept is None else self._kept[0]

    def forward(self, input: ArrayLike) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        input : any shape of `input_len` elements, or a batch (n, ...) of such
            Converted to the layer's dtype; each input is flattened.

        Returns
        -------
        (nodes,) or (n, nodes)

        Raises
        ------
        TypeError
            `input` is no array of real numbers, or is masked.
        ValueError
            Another number of elements.
        """
        input = checks.real("input", input, self.dtype)
        plan = self._plan if self._plan[0] == input.shape else self._planned(input.shape)
        _, kept_shape, images = plan
        kept, output = empty(kept_shape, self.dtype), empty(kept_shape[1:], self.dtype)
        kernels = KERNELS[self.dtype.char]
        kernels.softmax_layer_forward(input, self._w, self._biases, kept, output, threads_for(images))
        self._input, self._kept = input, kept
        return output

    def _planned(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        if len(shape) > 1 and math.prod(shape[1:]) == self.input_len:
            self._plan = shape, (2, shape[0], self.nodes), shape[0]
        elif math.prod(shape) == self.input_len:
            self._plan = shape, (2, self.nodes), 1
        else:
            raise ValueError(f"input must have {self.input_len} elements, or be a batch of such, got shape {shape}")
        return self._plan

    def backprop(self, d_L_d_out: ArrayLike, learn_rate: SupportsFloat) -> np.ndarray:
        """Gradient for the input, and one step of gradient descent on `weights` and `biases`, in place.

        Parameters
        ----------
        d_L_d_out : (nodes,) or (n, nodes)
            Gradient of the loss for the probabilities; for a batch, the parameters take the sum over it.
        learn_rate : float

        Returns
        -------
        Shape of the last input
            Computed with the weights from before the step.

        Raises
        ------
        RuntimeError
            No `forward` came before.
        TypeError, ValueError
            A gradient of another shape than the last output, a learning rate that is negative or not finite.
        """
        input, kept = self._input, self._kept
        if input is None or kept is None:
            raise _too_early(self)
        d_L_d_out = _gradient(d_L_d_out, kept.shape[1:], self.dtype)
        learn_rate = checks.number("learn_rate", learn_rate)
        d_L_d_input = empty(input.shape, self.dtype)
        kernels = KERNELS[self.dtype.char]
        kernels.softmax_layer_backprop(
            d_L_d_out, kept, input, self._w, self._biases, d_L_d_input, learn_rate, threads_for(self._plan[2])
        )
        return d_L_d_input


def _too_early(layer: Conv3x3 | MaxPool2 | Softmax) -> RuntimeError:
    return RuntimeError(f"{type(layer).__name__}.backprop needs a forward before it")


def _gradient(d_L_d_out: ArrayLike, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    d_L_d_out = checks.real("d_L_d_out", d_L_d_out, dtype)
    if d_L_d_out.shape != shape:
        raise ValueError(f"d_L_d_out must have the shape of the last output, {shape}, got {d_L_d_out.shape}")
    return d_L_d_out
