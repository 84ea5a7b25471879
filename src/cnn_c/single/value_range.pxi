# The range of the values in a batch of images, for a look at their scale before a prediction. A part of kernels.pyx.

from libc.math cimport INFINITY

from .simd cimport vec, vload, vmax, vmin, vsplat, vstore

cdef enum:
    LOOKED_AT = 8192  # values: less than a microsecond


def value_range(np.ndarray images not None):
    """The least and the largest of the first values, but for NaN; (inf, -inf) if there are none."""
    cdef:
        Py_ssize_t n = min(<Py_ssize_t>np.PyArray_SIZE(images), <Py_ssize_t>LOOKED_AT), i, whole = n // LANES
        const real* x = values(images, np.PyArray_SIZE(images))
        vec low = vsplat(<real>INFINITY), high = vsplat(<real>-INFINITY), value
        real lows[LANES]
        real highs[LANES]
    for i in range(whole):
        value = vload(x + i * LANES)
        low, high = vmin(low, value), vmax(value, high)  # which keep low and high where the value is NaN
    vstore(lows, low)
    vstore(highs, high)
    for i in range(whole * LANES, n):
        lows[0] = x[i] if x[i] < lows[0] else lows[0]
        highs[0] = x[i] if x[i] > highs[0] else highs[0]
    for i in range(1, LANES):
        lows[0] = lows[i] if lows[i] < lows[0] else lows[0]
        highs[0] = highs[i] if highs[i] > highs[0] else highs[0]
    return lows[0], highs[0]
