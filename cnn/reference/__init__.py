"""The whole package in pure NumPy: the same names, to be read, and to check the compiled ones against."""

from typing import TYPE_CHECKING

from . import functional, layers, nets
from .functional import *
from .layers import *
from .nets import *
from .tutorial import Conv3x3, MaxPool2, Softmax

if not TYPE_CHECKING:
    __all__ = [*functional.__all__, *layers.__all__, *nets.__all__, "Conv3x3", "MaxPool2", "Softmax"]
