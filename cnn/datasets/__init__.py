"""Data sets of handwritten digits: loaders, and the reader of the IDX files that they come in.

Images are uint8 (N, height, width) as the files hold them, labels uint8 (N,). `mnist` is the module that the
tutorial's programs import.
"""

from . import mnist
from .idx import read_idx
from .mnist import Dataset, load_mnist

__all__ = ["Dataset", "load_mnist", "mnist", "read_idx"]
