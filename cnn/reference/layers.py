"""The general layers with the backend "numpy": a subclass of each that is registered.

In a net it is the net's backend that counts, "numpy" for `cnn.reference.Sequential`, not that of its layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..layers import *
from ..layers.registry import LAYERS, add_twin
from .twins import class_twin

if not TYPE_CHECKING:  # a type checker takes the originals: the twins have their signatures
    __all__ = [*LAYERS]
    for _name in __all__:
        globals()[_name] = class_twin(LAYERS[_name], "cnn.reference", backend="numpy")
        add_twin(globals()[_name], LAYERS[_name])
