"""What each operation of ONNX is as a layer here: a function for each, from its node to the tensor that it gives."""

from . import activations, arithmetic, layers, shapes
from .table import NODES as NODES

__all__ = ["NODES", "activations", "arithmetic", "layers", "shapes"]  # the modules fill the table
