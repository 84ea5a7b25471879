"""Data sets of handwritten digits and others in their form: loaders, the IDX files they come in, digits drawn here.

Images are uint8 (N, height, width) as the files hold them, labels uint8 (N,). `mnist` is the module that the
tutorial's programs import.
"""

from . import mnist
from .digits import load_digits
from .fashion import load_fashion_mnist
from .folder import LabelledImages, load_folder, load_images
from .idx import load_idx, save_idx
from .mnist import load_mnist
from .mnist_files import Dataset
from .preparation import normalize, one_hot
from .shard import Shard, shard
from .strokes import load_strokes

__all__ = [
    "Dataset",
    "LabelledImages",
    "Shard",
    "load_digits",
    "load_fashion_mnist",
    "load_folder",
    "load_idx",
    "load_images",
    "load_mnist",
    "load_strokes",
    "mnist",
    "normalize",
    "one_hot",
    "save_idx",
    "shard",
]
