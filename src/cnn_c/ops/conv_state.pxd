# What the convolution of a plan keeps: its geometry, and in which forms its kernels take it.

from .conv_input_gradient cimport InputGradient
from .conv_shape cimport Conv
from .padding cimport Padding
from .pixel_packing cimport Packed


cdef struct ConvState:
    Conv conv
    Packed forward
    Padding x
    InputGradient input_gradient
