"""The layers, a file a family: constructor, shape rule, meaning in NumPy, and what each becomes in a plan.

`registry` lists them. The tutorial's own layers are in `tutorial`.
"""

from typing import TYPE_CHECKING

from . import registry
from .activation import *
from .base import Layer as Layer
from .batchnorm import *
from .convolution import *
from .dense import *
from .dropout import *
from .layernorm import *
from .pooling import *
from .reshape import *
from .residual import *

if not TYPE_CHECKING:  # a type checker takes all names where there is no list
    __all__ = ["Layer", *registry.LAYERS]
