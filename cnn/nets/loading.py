"""`cnn.load`: a net from its file."""

from __future__ import annotations

from os import PathLike

from ..backends import checks
from ..backends.annotations import Backend
from ..backends.select import operations
from ..storage import description
from ..storage.archive import opened
from ..training.scale import ImageRange
from .sequential import Sequential


def load(path: str | PathLike[str], backend: Backend = "compiled") -> Sequential:
    """The net in a file that `Sequential.save` or a `Checkpoint` wrote, ready to predict or to train on.

    Parameters
    ----------
    path : str or pathlib.Path
    backend : "compiled" or "numpy"

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It holds no net, or is damaged; nothing of it is executed, and nothing taken that the file does not hold.
    """
    path = checks.path("path", path)
    operations(backend)  # a wrong name is no error of the file
    with opened(path) as file:
        described = description.read(file.document)
        description.compare_shapes(described.learned_shapes(), file)
        tensors = file.tensors()
        net = Sequential(described.layers, described.input_shape, dtype=described.dtype, seed=0, backend=backend)
        net.set_parameters({name: tensors[name] for name in net.state()})
        if described.images is not None:
            net.inputs.fit_to(ImageRange(*described.images))
    return net
