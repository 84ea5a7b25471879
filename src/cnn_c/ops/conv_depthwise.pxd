# Depthwise convolution, every channel by itself, of one image, by one thread; with the weights flipped, its input
# gradient too.
#
#   y[i, j, o] = b[o] + sum over k, l of x[i*sh + k*dilation_h - ph, j*sw + l*dilation_w - pw, o] * w[k, l, o]
#
# The lanes of a register are channels, of x as of y. There are few products for each number that is read, so the image
# is not copied into a padded one: the sums go over what lies inside of it.

from ..simd cimport LANES, USUAL_CASES, flattened, lanes, lanes_of, load, real, registers, store, vec
from .conv_shape cimport Conv

cdef struct Span:  # from `first` up to `stop`, which is no less
    Py_ssize_t first, stop


cdef inline Span inside(Py_ssize_t at, Py_ssize_t step, Py_ssize_t size, Py_ssize_t count) noexcept nogil:
    # The n of 0 .. count for which at + n * step is one of 0 .. size. Few others are beside them: no division.
    cdef Span s
    s.first, s.stop = 0, count
    while s.first < count and at + s.first * step < 0:
        s.first += 1
    while s.stop > s.first and at + (s.stop - 1) * step >= size:
        s.stop -= 1
    return s


cdef inline Span both(Span a, Span b) noexcept nogil:
    cdef Span s
    s.first = max(a.first, b.first)
    s.stop = max(s.first, min(a.stop, b.stop))
    return s


cdef inline Span columns_of(const Conv* c, Py_ssize_t l) noexcept nogil:
    # The outputs of a row for which column l of the kernel is in the image.
    return inside(l * c.dilation_w - c.pw, c.sw, c.w, c.ow)


cdef inline flattened depthwise_forward(const Conv* c, const real* x, const real* w, const real* bias,
                                        real* y) noexcept nogil:
    # x: (h, w, c_out), w: (kh, kw, c_out), y: (oh, ow, c_out). Row by row: one of all channels is in the first cache.
    cdef:
        Py_ssize_t i, block, o, top
        Span rows, middle = both(columns_of(c, 0), columns_of(c, c.kw - 1))
        lanes all_lanes = lanes_of(LANES)
        const real* row
        real* to
    for i in range(c.oh):
        top = i * c.sh - c.ph
        rows = inside(top, c.dilation_h, c.h, c.kh)
        row, to = x + top * c.w * c.c_in, y + i * c.ow * c.c_out
        for block in range(registers(c.c_out)):
            o = block * LANES
            if c.c_out - o >= LANES:
                forward_row(True, c, rows, middle, all_lanes, row + o, w + o, bias + o, to + o)
            else:
                forward_row(False, c, rows, middle, lanes_of(c.c_out - o), row + o, w + o, bias + o, to + o)


cdef inline void forward_row(const bint whole, const Conv* c, Span rows, Span middle, lanes live, const real* x,
                             const real* w, const real* bias, real* y) noexcept nogil:
    # x: the row of the image under the kernel's first one. In the middle all of the kernel's columns are in the image.
    cdef Py_ssize_t j
    for j in range(middle.first):
        outputs(1, whole, c, rows, j, live, x, w, bias, y)
    if USUAL_CASES and c.kw == 3 and c.dilation_w == 1 and c.sw == 1:
        middle_of_row(3, 1, whole, c, rows, middle, live, x, w, bias, y)
    elif USUAL_CASES and c.kw == 3 and c.dilation_w == 1 and c.sw == 2:
        middle_of_row(3, 2, whole, c, rows, middle, live, x, w, bias, y)
    elif USUAL_CASES and c.kw == 5 and c.dilation_w == 1 and c.sw == 1:
        middle_of_row(5, 1, whole, c, rows, middle, live, x, w, bias, y)
    else:
        j = middle.first
        while j + 8 <= middle.stop:
            outputs(8, whole, c, rows, j, live, x, w, bias, y)
            j += 8
        while j < middle.stop:
            outputs(1, whole, c, rows, j, live, x, w, bias, y)
            j += 1
    for j in range(middle.stop, c.ow):
        outputs(1, whole, c, rows, j, live, x, w, bias, y)


cdef inline void outputs(const int size, const bint whole, const Conv* c, Span rows, Py_ssize_t j, lanes live,
                         const real* x, const real* w, const real* bias, real* y) noexcept nogil:
    # `size` of a row from y[j] on, which have the same columns of the kernel in the image. (What a store may change, as
    # far as the compiler knows, is read before the loops.)
    cdef:
        vec sums[8]
        vec weight
        Span columns = inside(j * c.sw - c.pw, c.dilation_w, c.w, c.kw)
        Py_ssize_t _, l, channels = c.c_out, x_down = c.dilation_h * c.w * channels, x_across = c.dilation_w * channels
        Py_ssize_t x_step = c.sw * channels, w_down = c.kw * channels, count = columns.stop - columns.first
        int t
    x += rows.first * x_down + (j * c.sw - c.pw) * channels + columns.first * x_across
    w += rows.first * w_down + columns.first * channels
    for t in range(size):
        sums[t] = load(whole, bias, live)
    for _ in range(rows.stop - rows.first):
        for l in range(count):
            weight = load(whole, w + l * channels, live)
            for t in range(size):
                sums[t] = sums[t] + load(whole, x + l * x_across + t * x_step, live) * weight
        x += x_down
        w += w_down
    for t in range(size):
        store(whole, y + (j + t) * channels, sums[t], live)


cdef inline void middle_of_row(const int kw, const int step, const bint whole, const Conv* c, Span rows, Span middle,
                               lanes live, const real* x, const real* w, const real* bias, real* y) noexcept nogil:
    # For the usual kernels and strides. Twelve sums, three weights and a pixel fill sixteen registers.
    cdef:
        Py_ssize_t j = middle.first, channels = c.c_out, x_down = c.dilation_h * c.w * channels
        Py_ssize_t lines = rows.stop - rows.first, left = middle.stop - j
    x += rows.first * x_down + (j * step - c.pw) * channels
    w += rows.first * kw * channels
    y += j * channels
    while left > 0:
        if kw == 3 and step == 1 and left >= 12:
            neighbours(12, kw, step, whole, lines, channels, x_down, live, x, w, bias, y)
            j = 12
        elif step == 1 and left >= 8:
            neighbours(8, kw, step, whole, lines, channels, x_down, live, x, w, bias, y)
            j = 8
        elif left >= 4:
            neighbours(4, kw, step, whole, lines, channels, x_down, live, x, w, bias, y)
            j = 4
        elif left >= 2:
            neighbours(2, kw, step, whole, lines, channels, x_down, live, x, w, bias, y)
            j = 2
        else:
            neighbours(1, kw, step, whole, lines, channels, x_down, live, x, w, bias, y)
            j = 1
        left -= j
        x += j * step * channels
        y += j * channels


cdef inline void neighbours(const int size, const int kw, const int step, const bint whole, Py_ssize_t lines,
                            Py_ssize_t channels, Py_ssize_t x_down, lanes live, const real* x, const real* w,
                            const real* bias, real* y) noexcept nogil:
    # `size` outputs, over so many lines of the kernel. The weights of one stay in registers, a pixel is loaded once.
    cdef:
        vec sums[12]
        vec weights[5]
        vec value
        Py_ssize_t _
        const real* p
        int i, t, l
    for t in range(size):
        sums[t] = load(whole, bias, live)
    for _ in range(lines):
        p = x
        for l in range(kw):
            weights[l] = load(whole, w, live)
            w += channels
        for i in range((size - 1) * step + kw):
            value = load(whole, p, live)
            p += channels
            for t in range(size):
                if 0 <= i - t * step < kw:
                    sums[t] = sums[t] + value * weights[i - t * step]
        x += x_down
    for t in range(size):
        store(whole, y, sums[t], live)
        y += channels
