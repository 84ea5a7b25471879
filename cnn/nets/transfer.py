"""Transfer: the first layers of a trained net, with what they have learned, as the beginning of another net."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

from ..backends import checks
from ..backends.names import nearest
from ..layers.base import Layer
from ..layers.dense import Dense
from .state import NetState

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..backends.annotations import Seed
    from ..losses import AnyLoss


class TransferredNet(NetState):
    """The part of `Sequential` that makes a net of another one's layers."""

    @classmethod
    def from_layers(
        cls,
        trained: NetState,
        upto: SupportsIndex | str | None = None,
        head: Iterable[Layer] = (),
        *,
        freeze: bool = True,
        seed: Seed = None,
        loss: AnyLoss | None = None,
    ) -> Self:
        """A new net of copies of a trained net's first layers, with what they have learned, and new layers after them.

        Input shape, dtype and backend are those of `trained`, which stays as it is.

        Parameters
        ----------
        trained : Sequential
        upto : int, str or None
            How many layers, or the name of the first one that is left out, such as "flatten_1"; None leaves out the
            last `Dense` and what comes after it.
        head : sequence of layers
        freeze : bool
            Whether the copies stay as they are while the new net is trained: their `trainable` is False then.
        seed : int or None
            Of the head's initial parameters.
        loss : Loss, callable or None
            None stands for that of `trained`.

        Raises
        ------
        TypeError, ValueError
            What is no net, no layer of it, or no layer; layers whose shapes do not fit; a layer of somebody else's that
            cannot be made anew.

        Examples
        --------
        >>> import cnn
        >>> digits = cnn.models.lenet5(seed=0)
        >>> letters = cnn.Sequential.from_layers(digits, head=[cnn.Dense(26)])
        >>> letters.output_shape
        (26,)
        """
        if not isinstance(trained, NetState):
            raise TypeError(f"trained must be a net, a cnn.Sequential, got {trained!r}")
        first, new = trained.layers[: _count(trained, upto)], _checked_head(head)
        copies = [_copy(f"layers[{i}]", layer) for i, layer in enumerate(first)]
        for layer in copies:
            layer.trainable = not checks.flag("freeze", freeze)
        make: Callable[..., Self] = cls
        net = make(
            [*copies, *new],
            trained.input_shape,
            trained.dtype,
            seed,
            trained.backend,
            trained.loss if loss is None else loss,
        )
        names = net.layer_names[: len(copies)]  # those of the same layers in the trained net
        net.set_parameters({key: value for key, value in trained.snapshot().items() if key.split(".")[0] in names})
        if trained.image_range is not None:
            net.inputs.fit_to(trained.image_range)
        return net


def _count(trained: NetState, upto: SupportsIndex | str | None) -> int:
    """How many layers are taken."""
    names = trained.layer_names
    if upto is None:
        dense = [i for i, layer in enumerate(trained.layers) if isinstance(layer, Dense)]
        if not dense:
            raise ValueError(f"upto must say how many layers of a net without a Dense are taken, got None; {names}")
        upto = dense[-1]
    if isinstance(upto, str):
        if upto not in names:
            raise ValueError(f"upto must be a number of layers or one of {names}, got {upto!r}{nearest(upto, names)}")
        upto = names.index(upto)
    return checks.integer("upto", upto, minimum=1, maximum=len(names))


def _checked_head(head: Any) -> list[Layer]:
    if not isinstance(head, Iterable) or isinstance(head, str | bytes):
        raise TypeError(f"head must be a sequence of layers, got {head!r}")
    layers = list(head)
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"head[{i}] must be a layer, got {layer!r}")
        if layer.in_net:
            raise ValueError(f"head[{i}] is in another net already; make a layer for each net")
    return layers


def _copy(name: str, layer: Layer) -> Layer:
    try:
        return layer.anew()
    except (AttributeError, TypeError) as error:
        raise type(error)(
            f"{name} of trained, a {type(layer).__name__}, cannot be made anew: {error}; each argument of its "
            "constructor must be an attribute of the same name"
        ) from error
