"""Small convolutional networks, trained on a CPU at the speed the silicon allows."""

from . import functional
from .threads import get_num_threads, set_num_threads
