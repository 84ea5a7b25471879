# The weight gradient of a depthwise convolution, of one image, by one thread.
#
#   dw[k, l, o] = sum over i, j of x[i*sh + k*dilation_h - ph, j*sw + l*dilation_w - pw, o] * dy[i, j, o]
#
# As in conv_depthwise.pxd, the lanes are channels, and the sums go over what lies inside of the image.

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


cdef inline Span outputs_of(const Conv* c, Py_ssize_t l) noexcept nogil:
    # The outputs of a row for which column l of the kernel is in the image.
    return inside(l * c.dilation_w - c.pw, c.sw, c.w, c.ow)


cdef inline flattened depthwise_weight_gradient(const Conv* c, const real* x, const real* dy,
                                                real* sums) noexcept nogil:
    # sums: (kh, kw, c_out), to which this image's gradient is added. Of every row of dy, the kernel in pieces of up to
    # three rows and three columns, each sum of which has a register.
    cdef:
        Py_ssize_t i, k, l, top
        Span rows
    for i in range(c.oh):
        top = i * c.sh - c.ph
        rows = inside(top, c.dilation_h, c.h, c.kh)
        l = 0
        while l < c.kw:
            k = rows.first
            while k < rows.stop:
                if USUAL_CASES and rows.stop - k >= 3:
                    gradient_row(3, c, k, l, x + top * c.w * c.c_in, dy + i * c.ow * c.c_out, sums)
                    k += 3
                elif USUAL_CASES and rows.stop - k == 2:
                    gradient_row(2, c, k, l, x + top * c.w * c.c_in, dy + i * c.ow * c.c_out, sums)
                    k += 2
                else:
                    gradient_row(1, c, k, l, x + top * c.w * c.c_in, dy + i * c.ow * c.c_out, sums)
                    k += 1
            l += 3


cdef inline void gradient_row(const int down, const Conv* c, Py_ssize_t k, Py_ssize_t l, const real* x, const real* dy,
                              real* sums) noexcept nogil:
    cdef:
        Py_ssize_t across = min(c.kw - l, <Py_ssize_t>3)
        Span middle = both(outputs_of(c, l), outputs_of(c, l + across - 1))
    x += (k * c.dilation_h * c.w + l * c.dilation_w - c.pw) * c.c_in
    sums += (k * c.kw + l) * c.c_out
    if across == 3: gradient_piece(down, 3, c, l, middle, x, dy, sums)
    elif across == 2: gradient_piece(down, 2, c, l, middle, x, dy, sums)
    else: gradient_piece(down, 1, c, l, middle, x, dy, sums)


cdef inline void gradient_piece(const int down, const int across, const Conv* c, Py_ssize_t l, Span middle,
                                const real* x, const real* dy, real* sums) noexcept nogil:
    # All channels; x: the pixel under the piece's first position, for the first output of the row.
    cdef Py_ssize_t block, o
    cdef lanes all_lanes = lanes_of(LANES)
    for block in range(registers(c.c_out)):
        o = block * LANES
        if c.c_out - o >= LANES:
            add_row(down, across, True, c, l, middle, all_lanes, x + o, dy + o, sums + o)
        else:
            add_row(down, across, False, c, l, middle, lanes_of(c.c_out - o), x + o, dy + o, sums + o)


cdef inline void add_row(const int down, const int across, const bint whole, const Conv* c, Py_ssize_t l, Span middle,
                         lanes live, const real* x, const real* dy, real* to) noexcept nogil:
    # In the middle all columns of the piece are in the image.
    cdef:
        vec sums[9]
        Span left, right
        int d, a
    left.first, left.stop, right.first, right.stop = 0, middle.first, middle.stop, c.ow
    for d in range(down):
        for a in range(across):
            sums[d * across + a] = load(whole, to + (d * c.kw + a) * c.c_out, live)
    add_products(down, across, whole, True, c, l, left, live, x, dy, sums)
    add_products(down, across, whole, False, c, l, middle, live, x, dy, sums)
    add_products(down, across, whole, True, c, l, right, live, x, dy, sums)
    for d in range(down):
        for a in range(across):
            store(whole, to + (d * c.kw + a) * c.c_out, sums[d * across + a], live)


cdef inline void add_products(const int down, const int across, const bint whole, const bint at_border, const Conv* c,
                              Py_ssize_t l, Span outputs, lanes live, const real* x, const real* dy,
                              vec* sums) noexcept nogil:
    # sums[d, a, :] += sum over these outputs of a row of dy * x; at the border, of columns that are in the image
    cdef:
        const real* lines[3]
        vec value
        Py_ssize_t j, channels = c.c_out, x_across = c.dilation_w * channels, x_step = c.sw * channels
        int d, a
    dy += outputs.first * channels
    for d in range(down):
        lines[d] = x + outputs.first * x_step + d * c.dilation_h * c.w * channels
    for j in range(outputs.first, outputs.stop):
        value = load(whole, dy, live)
        dy += channels
        for a in range(across):
            if at_border and not 0 <= j * c.sw + (l + a) * c.dilation_w - c.pw < c.w:
                continue
            for d in range(down):
                sums[d * across + a] = sums[d * across + a] + load(whole, lines[d] + a * x_across, live) * value
        for d in range(down):
            lines[d] += x_step
