"""The operations as functions: each checks its arguments, then calls the compiled operations, `ops` in its module.

`cnn.reference` has the same functions in NumPy: their code with another `ops`. So none calls another of them. Arrays
are channels last; the parameters `w` decide the dtype (float32 or float64), and what meets them is converted to it.
"""

from typing import TYPE_CHECKING

from . import activation, convolution, dense, loss, pooling
from .activation import *
from .convolution import *
from .dense import *
from .loss import *
from .pooling import *

if not TYPE_CHECKING:  # a type checker takes all names where there is no list
    __all__ = [*activation.__all__, *convolution.__all__, *dense.__all__, *loss.__all__, *pooling.__all__]
