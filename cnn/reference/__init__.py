"""The whole package in pure NumPy: the same names, to be read, and to check the compiled ones against."""

from typing import TYPE_CHECKING

from . import functional, layers, nets
from .functional import *
from .layers import *
from .nets import *
from .tutorial import Conv3x3 as Conv3x3
from .tutorial import MaxPool2 as MaxPool2
from .tutorial import Softmax as Softmax

if not TYPE_CHECKING:  # a type checker takes all names where there is no list
    __all__ = [*functional.__all__, *layers.__all__, *nets.__all__, "Conv3x3", "MaxPool2", "Softmax"]
