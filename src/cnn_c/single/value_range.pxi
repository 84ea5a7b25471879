# The range of the values in a batch of images, for a look at their scale before a prediction. A part of kernels.pyx.

from libc.math cimport INFINITY

cdef enum:
    LOOKED_AT = 8192  # values: a microsecond
    ABREAST = 16      # minima and maxima, which the compiler keeps in registers


def value_range(np.ndarray images not None):
    """The least and the largest of the first values, but for NaN; (inf, -inf) if there are none."""
    cdef:
        Py_ssize_t n = min(<Py_ssize_t>np.PyArray_SIZE(images), <Py_ssize_t>LOOKED_AT), i, k
        const real* x = values(images, np.PyArray_SIZE(images))
        real low[ABREAST]
        real high[ABREAST]
        real value
    for k in range(ABREAST):
        low[k], high[k] = <real>INFINITY, <real>-INFINITY
    for i in range(n // ABREAST):
        for k in range(ABREAST):
            value = x[i * ABREAST + k]
            low[k] = value if value < low[k] else low[k]
            high[k] = value if value > high[k] else high[k]
    for i in range(n // ABREAST * ABREAST, n):
        low[0] = x[i] if x[i] < low[0] else low[0]
        high[0] = x[i] if x[i] > high[0] else high[0]
    for k in range(1, ABREAST):
        low[0] = low[k] if low[k] < low[0] else low[0]
        high[0] = high[k] if high[k] > high[0] else high[0]
    return low[0], high[0]
