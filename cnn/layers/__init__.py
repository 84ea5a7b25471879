"""The layers, a file a family: constructor, shape rule, meaning in NumPy, and what each becomes in a plan.

`registry` lists them. The tutorial's own layers are in `tutorial`.
"""

from . import registry
from .activation import *  # noqa: F403
from .base import Layer, layer_names
from .batchnorm import *  # noqa: F403
from .convolution import *  # noqa: F403
from .dense import *  # noqa: F403
from .dropout import *  # noqa: F403
from .pooling import *  # noqa: F403
from .reshape import *  # noqa: F403

__all__ = ["Layer", "layer_names", *registry.LAYERS]
