"""Small convolutional networks for handwritten digits, trained on a CPU at the speed the silicon allows.

The tutorial's layers are `Conv3x3`, `MaxPool2`, `Softmax`; the general ones go into a `Sequential`. The kernels are
functions in `cnn.functional`, and everything once more in pure NumPy in `cnn.reference`.
"""

import importlib
from typing import TYPE_CHECKING

from . import layers, schedules
from .backends.threads import get_num_threads, set_num_threads
from .layers import *
from .layers.tutorial import Conv3x3, MaxPool2, Softmax
from .nets.sequential import Sequential
from .nets.two_conv import ConvolutionalNeuralNetwork
from .training import callbacks, optimizers
from .training.augment import Augment
from .training.callbacks import *
from .training.optimizers import *

if TYPE_CHECKING:
    from . import functional, models
    from .nets.loading import load
    from .training.checkpoint import Checkpoint
    from .training.csv_logger import CSVLogger
else:  # a type checker takes all names where there is no list
    __all__ = [
        *layers.__all__,
        *optimizers.__all__,
        *callbacks.__all__,
        "Augment",
        "CSVLogger",
        "Checkpoint",
        "Conv3x3",
        "ConvolutionalNeuralNetwork",
        "MaxPool2",
        "Sequential",
        "Softmax",
        "functional",
        "get_num_threads",
        "load",
        "models",
        "schedules",
        "set_num_threads",
        "show_config",
    ]

_LAZY_MODULES = ("datasets", "functional", "models", "reference")
_LAZY_NAMES = {  # and the modules that they are in
    "CSVLogger": "training.csv_logger",
    "Checkpoint": "training.checkpoint",
    "load": "nets.loading",
}
_OPTIONAL_MODULES = {"plot": "plot", "report": "plot.report"}  # need matplotlib, so `dir` does not promise them


def show_config() -> None:
    """Print version, instruction-set level, vector width, OpenMP, threads, processor and versions."""
    from .backends.config import show_config

    show_config()


def __getattr__(name: str):
    # Not everybody needs these; what nobody asked for is not imported.
    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _OPTIONAL_MODULES:
        return importlib.import_module(f"{__name__}.{_OPTIONAL_MODULES[name]}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("cnn-c")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY_MODULES, *_LAZY_NAMES, "__version__"])
