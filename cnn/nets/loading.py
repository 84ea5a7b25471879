"""`cnn.load`: a net from its file."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

from ..backends import checks
from ..backends.annotations import Backend
from ..backends.select import operations
from ..layers.base import Layer
from ..layers.registry import name_in_files
from ..losses import AnyLoss
from ..storage import description
from ..storage.archive import opened
from ..training.scale import ImageRange
from .sequential import Sequential


def load(
    path: str | PathLike[str],
    backend: Backend = "compiled",
    *,
    layers: Iterable[type[Layer]] = (),
    loss: AnyLoss | None = None,
) -> Sequential:
    """The net in a file that `Sequential.save` or a `Checkpoint` wrote, ready to predict or to train on.

    Parameters
    ----------
    path : str or pathlib.Path
    backend : "compiled" or "numpy"
    layers : classes of layers
        Those of your own that the net may hold. The file names them; nothing is imported by a name in a file.
    loss : callable or None
        That of the net, if it is one of your own.

    Raises
    ------
    TypeError
        `layers` holds what is no class of a layer.
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It holds no net, or is damaged; nothing of it is executed, and nothing taken that the file does not hold.
    """
    path = checks.path("path", path)
    operations(backend)  # a wrong name is no error of the file
    known = description.Known(_checked_classes(layers), loss)
    with opened(path) as file:
        described = description.read(file.document, known)
        description.compare_shapes(described.learned_shapes(), file)
        tensors = file.tensors()
        net = Sequential(
            described.layers, described.input_shape, described.dtype, seed=0, backend=backend, loss=described.loss
        )
        net.set_parameters({name: tensors[name] for name in net.state()})
        net.classes = described.classes
        if described.images is not None:
            net.inputs.fit_to(ImageRange(*described.images))
    return net


def _checked_classes(layers: Iterable[type[Layer]]) -> tuple[type[Layer], ...]:
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers must be classes of layers, such as [Scale], got {layers!r}")
    classes = tuple(layers)
    for i, kind in enumerate(classes):
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise TypeError(f"layers[{i}] must be a class of a layer, got {kind!r}")
        name_in_files(kind)
    return classes
