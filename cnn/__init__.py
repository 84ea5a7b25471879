"""Small convolutional networks for handwritten digits, trained on a CPU at the speed the silicon allows.

The tutorial's layers are `Conv3x3`, `MaxPool2`, `Softmax`; the general ones go into a `Sequential`. The kernels are
functions in `cnn.functional`, and everything once more in pure NumPy in `cnn.reference`.
"""

import importlib
from typing import TYPE_CHECKING

from . import losses as losses
from . import schedules as schedules
from .backends.threads import get_num_threads as get_num_threads
from .backends.threads import set_num_threads as set_num_threads
from .layers import *
from .layers.tutorial import Conv3x3 as Conv3x3
from .layers.tutorial import MaxPool2 as MaxPool2
from .layers.tutorial import Softmax as Softmax
from .nets.sequential import Sequential as Sequential
from .nets.two_conv import ConvolutionalNeuralNetwork as ConvolutionalNeuralNetwork
from .training.augment import Augment as Augment
from .training.callbacks import *
from .training.optimizer import Optimizer as Optimizer
from .training.optimizers import *
from .training.scale import ScaleWarning as ScaleWarning


def show_config() -> None:
    """Print version, instruction-set level, vector width, OpenMP, threads, processor and versions."""
    from .backends.config import show_config

    show_config()


if TYPE_CHECKING:  # a type checker takes all names where there is no list; "as" says that a name is for others
    from . import datasets as datasets
    from . import export as export
    from . import functional as functional
    from . import models as models
    from . import plot as plot
    from . import reference as reference
    from . import sklearn as sklearn
    from .layers.checking import check_layer as check_layer
    from .nets.importing import from_onnx as from_onnx
    from .nets.importing import from_torch as from_torch
    from .nets.loading import load as load
    from .nets.recognition import recognise as recognise
    from .plot import report as report
    from .training.average import ExponentialAverage as ExponentialAverage
    from .training.checkpoint import Checkpoint as Checkpoint
    from .training.csv_logger import CSVLogger as CSVLogger
    from .training.plateau import ReduceLROnPlateau as ReduceLROnPlateau
    from .training.pruning import OptunaPruning as OptunaPruning
    from .training.rate_finder import LearningRateFinder as LearningRateFinder
    from .training.time_limit import TimeLimit as TimeLimit

    __version__: str
else:
    from . import layers
    from .training import callbacks, optimizers

    __all__ = [
        *layers.__all__,
        *optimizers.__all__,
        *callbacks.__all__,
        "Augment",
        "CSVLogger",
        "Checkpoint",
        "Conv3x3",
        "ConvolutionalNeuralNetwork",
        "ExponentialAverage",
        "LearningRateFinder",
        "MaxPool2",
        "Optimizer",
        "OptunaPruning",
        "ReduceLROnPlateau",
        "ScaleWarning",
        "Sequential",
        "Softmax",
        "TimeLimit",
        "check_layer",
        "export",
        "from_onnx",
        "from_torch",
        "functional",
        "get_num_threads",
        "load",
        "losses",
        "models",
        "recognise",
        "schedules",
        "set_num_threads",
        "show_config",
    ]

    _LAZY_MODULES = ("datasets", "export", "functional", "models", "reference")
    _LAZY_NAMES = {  # and the modules that they are in
        "CSVLogger": "training.csv_logger",
        "Checkpoint": "training.checkpoint",
        "ExponentialAverage": "training.average",
        "LearningRateFinder": "training.rate_finder",
        "OptunaPruning": "training.pruning",
        "ReduceLROnPlateau": "training.plateau",
        "TimeLimit": "training.time_limit",
        "check_layer": "layers.checking",
        "from_onnx": "nets.importing",
        "from_torch": "nets.importing",
        "load": "nets.loading",
        "recognise": "nets.recognition",
    }
    _OPTIONAL_MODULES = {  # need matplotlib or scikit-learn, so `dir` does not promise them
        "plot": "plot",
        "report": "plot.report",
        "sklearn": "sklearn",
    }

    def __getattr__(name: str):  # with which a type checker would take any name
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
        from .backends.foreign import NAMES

        meant = f": {NAMES[name]}" if name in NAMES else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{meant}")

    def __dir__() -> list[str]:
        return sorted([*globals(), *_LAZY_MODULES, *_LAZY_NAMES, "__version__"])
