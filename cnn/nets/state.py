"""`NetState`: what a net has learned, by name: to look at, to copy, to set, to save.

Copies are taken, and values set, while no step of a fit in another thread runs: what is copied, saved or pickled is one
state that the net had between two steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import checks
from ..backends.names import nearest
from ..backends.numpy.loss import correct
from ..backends.python_calls import LossCall
from ..backends.select import operations
from ..backends.views import Views
from ..layers.base import Layer, layer_names
from ..losses import rule_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..plan.executor import Executor
    from ..training.scale import ImageRange
    from .inputs import Inputs

_NOT_COPIED = ("_ops", "executor")  # made anew for a copied net
_LEARNED = "learned"  # in a pickled net


class NetState:
    """The part of `Sequential` that knows its parameters and running statistics."""

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    dtype: np.dtype
    backend: str
    loss: Any
    executor: Executor
    inputs: Inputs

    @property
    def layer_names(self) -> list[str]:
        """The names of the layers ("conv2d_1"), in their order."""
        return layer_names(self.layers)

    @property
    def image_range(self) -> ImageRange | None:
        """Dtype, minimum and maximum of the images of the last fit; None before it. Saved with the net."""
        return self.inputs.fitted

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, one for each output, in their order; None for none. Saved with the net.

        Assigning takes any sequence of so many different texts, or None; else it raises TypeError or ValueError.
        """
        return self.inputs.classes

    @classes.setter
    def classes(self, value: Sequence[str] | None) -> None:
        self.inputs.name_classes(value)

    def parameters(self) -> Views:
        """The parameters by name ("conv2d_1.weights"), in the order of the layers: views, not copies.

        Their elements may be set, ``net.parameters()["dense_1.bias"][...] = value``, but no entry can be replaced.
        """
        return Views(
            (f"{name}.{parameter}", value)
            for name, layer in zip(self.layer_names, self.layers, strict=True)
            for parameter, value in layer.parameters.items()
        )

    def state(self) -> Views:
        """All that a trained net has learned, by name: its parameters and running statistics, as `parameters()`."""
        statistics = {
            f"{name}.{statistic}": value
            for name, layer in zip(self.layer_names, self.layers, strict=True)
            for statistic, value in layer.statistics.items()
        }
        return Views(self.parameters() | statistics)

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of `state()`: what the net has learned at one moment, also while another thread trains it."""
        with self.executor.access.between_steps():
            return {name: value.copy() for name, value in self.state().items()}

    def set_parameters(self, values: Mapping[str, ArrayLike]) -> None:
        """Give parameters and running statistics new values: those that are named, all at one moment.

        A fit of the net in another thread goes on from them; a copy that is taken meanwhile has all of them or none.

        Parameters
        ----------
        values : mapping of str to array
            By the names of `state()`; each of the shape and dtype of what it replaces.

        Raises
        ------
        TypeError, ValueError
            What is no mapping to arrays of numbers; a name that the net does not have; another shape or dtype. Nothing
            is changed then.

        Examples
        --------
        >>> import cnn, numpy as np
        >>> net = cnn.Sequential([cnn.Dense(2)], input_shape=(3,), seed=0)
        >>> net.set_parameters({"dense_1.weights": np.zeros((3, 2), np.float32)})
        >>> net.predict_proba(np.ones((1, 3)))
        array([[0.5, 0.5]], dtype=float32)
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"values must be a mapping from names to arrays, got {type(values).__name__}")
        state = self.state()
        for name in values:
            if name not in state:
                raise ValueError(f"values must have names of state(), got {name!r}{nearest(name, state)}")
        with self.executor.access.between_steps():
            # Copied before the first is set, for they may be views of each other.
            new = {name: checks.parameter(name, value, state[name]).copy() for name, value in values.items()}
            for name, value in new.items():
                state[name][...] = value

    def load_state_dict(self, source: Mapping[str, Any] | str | PathLike[str]) -> None:
        """Take the parameters of a module of PyTorch whose layers are those of the net, in the same order.

        Names do not count. Each tensor's layout is turned: (filters, channels, height, width) of a convolution to
        (height, width, channels, filters), (units, inputs) of a linear layer to (inputs, units), its inputs from
        channels first to channels last where it stands behind a `Flatten`.

        Parameters
        ----------
        source : mapping of str to tensor or array, or path
            The module's `state_dict()`, or a safetensors file of it. A file has lost the order of the modules: they are
            sorted by name there, numbers in names by their value.

        Raises
        ------
        TypeError, ValueError
            What is neither; tensors that are not those of the net's layers, the first of which is named. Nothing is
            changed then.
        OSError
            There is no such file, or it cannot be read.
        """
        from ..export.torch_module.state_dict import learned

        self.set_parameters(learned(self.layers, source))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the net to a file, from which `cnn.load` makes it again: in safetensors, with its layers as JSON.

        The file holds one state of the net, also while another thread trains it.

        Parameters
        ----------
        path : str or pathlib.Path
            An old file is replaced in one moment; whatever happens, there is that one or the new one.

        Raises
        ------
        TypeError, ValueError
            A layer that is none of this package; a path that is none.
        OSError
            The folder is missing or read-only, the disk is full, what is there is no file.

        Examples
        --------
        >>> import cnn
        >>> cnn.models.lenet5(seed=0).save("digits.safetensors")
        >>> cnn.load("digits.safetensors").output_shape
        (10,)
        """
        from ..storage import archive, description  # with hashing and JSON, which not every program needs

        archive.write(path, description.document(self), self.snapshot())

    def export(self, path: str | PathLike[str], format: str | None = None, **options: Any) -> Any:
        """Write the net to a file for other programs: ONNX, C, a web page.

        Parameters
        ----------
        path : str or pathlib.Path
            An old file is replaced in one moment.
        format : "onnx", "c", "html" or None
            None stands for what the file's suffix says: `.onnx`, `.h`, `.html`.
        options
            Those of `cnn.export.onnx`, `cnn.export.c` or `cnn.export.html`, whose result is returned.

        Raises
        ------
        TypeError, ValueError
            A format or suffix that is unknown; a layer that the format lacks, which is named; options that it has not.
        OSError
            The file cannot be written.
        ImportError
            The format needs a package that is not installed, which is named.
        """
        from ..export.formats import write

        return write(self, path, format, **options)

    # ---- copies of the whole net: idle ones, whatever the net does ----

    def __copy__(self) -> NetState:
        from copy import deepcopy

        return deepcopy(self)  # two nets cannot share their layers

    def __getstate__(self) -> dict[str, Any]:
        # The arrays of the layers are copied one after the other, between which a step may run; so one copy is beside
        # them.
        kept = {name: value for name, value in vars(self).copy().items() if name not in _NOT_COPIED}
        return kept | {_LEARNED: self.snapshot()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        learned = state.pop(_LEARNED)
        self.__dict__.update(state)
        self._gather()
        self.set_parameters(learned)

    def _gather(self) -> None:
        """Make the executor, which gathers what the layers hold in flat arrays."""
        from ..plan.executor import Executor

        self._ops = operations(self.backend)
        rule = rule_of(self.loss)
        call = LossCall(self.loss, self.output_shape[0], self.dtype, partial(correct, rule.targets))
        self.executor = Executor(self.layers, self.dtype, self.backend, call if rule.kind == "python" else None)
