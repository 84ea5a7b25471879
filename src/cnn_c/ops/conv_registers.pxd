# The convolution of an image with one channel whose weights all stay in registers.

from ..simd cimport (
    LANES, MAX_TILE, first_lanes, flattened, lanes, lanes_of, real, vec, vload_lanes, vmultiply_add, vstore_lanes,
)
from .conv_shape cimport Conv


cdef inline bint fits_in_registers(const Conv* c) noexcept nogil:
    # One input channel and a kernel whose weights all stay in registers; 3x4 and 5x6 are 3x3 and 5x5 for two pixels.
    if c.c_in > 1 or c.sh > 1 or c.c_out > LANES:
        return False
    if c.kh == 3:
        return c.kw == 3 and c.sw == 1 or c.kw == 4 and c.sw == 2
    return MAX_TILE == 14 and c.kh == 5 and (c.kw == 5 and c.sw == 1 or c.kw == 6 and c.sw == 2)


cdef inline void slide_weights(const int kh, const int kw, const int step, const Conv* c, const real* x,
                               Py_ssize_t x_width, const real* packed, const lanes* masks, lanes last,
                               Py_ssize_t row, Py_ssize_t end, Py_ssize_t y_width, real* y) noexcept nogil:
    # With two pixels in a register the outermost positions belong to one of them each.
    cdef:
        vec w[30]
        const real* xr
        real* yr
        Py_ssize_t i, _, y_step = c.c_out, groups = c.ow
        int k, l
        lanes live = lanes_of(c.c_out), left = live, right = live
        vec bias = vload_lanes(packed + kh * kw * c.c_out, live)
    if step > 1:
        left, right = masks[0], masks[kw - 1]
    for i in range(row, end):
        for k in range(kh):
            for l in range(kw):
                w[k * kw + l] = vload_lanes(packed + (k * kw + l) * y_step, live)
        xr = x + i * x_width
        yr = y + i * y_width
        for _ in range(groups - 1):
            vstore_lanes(yr, register_sum(kh, kw, xr, x_width, w, bias, left, right), live)
            xr += step
            yr += y_step
        vstore_lanes(yr, register_sum(kh, kw, xr, x_width, w, bias, left, right), last)


cdef inline vec register_sum(const int kh, const int kw, const real* x, Py_ssize_t x_width, const vec* w, vec bias,
                             lanes left, lanes right) noexcept nogil:
    # A chain of twelve multiply-adds runs beside those of the next outputs; of 5x5 every row has a sum of its own.
    cdef:
        vec total = bias
        vec zero = vload_lanes(x, first_lanes(0))
        vec sum
        int k, l
    for k in range(kh):
        sum = total if kh == 3 else zero
        for l in range(1, kw - 1):
            sum = sum + x[k * x_width + l] * w[k * kw + l]
        sum = vmultiply_add(sum, x[k * x_width], w[k * kw], left)
        sum = vmultiply_add(sum, x[k * x_width + kw - 1], w[k * kw + kw - 1], right)
        total = sum if kh == 3 else total + sum
    return total


cdef inline flattened run_in_registers(const Conv* c, const real* x, Py_ssize_t x_width, const real* packed,
                                       const lanes* masks, lanes last, Py_ssize_t row, Py_ssize_t end,
                                       Py_ssize_t y_width, real* y) noexcept nogil:
    # The rows of y from `row` up to `end`
    if c.kw == 3: slide_weights(3, 3, 1, c, x, x_width, packed, masks, last, row, end, y_width, y)
    elif c.kw == 4: slide_weights(3, 4, 2, c, x, x_width, packed, masks, last, row, end, y_width, y)
    elif c.kw == 5 and MAX_TILE == 14: slide_weights(5, 5, 1, c, x, x_width, packed, masks, last, row, end, y_width, y)
    elif c.kw == 6 and MAX_TILE == 14: slide_weights(5, 6, 2, c, x, x_width, packed, masks, last, row, end, y_width, y)
