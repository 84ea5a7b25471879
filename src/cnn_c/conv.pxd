# Convolution of one image, channels last: forward, weight gradient, input gradient, each by one thread.
#
#   y[i, j, o]      = b[o] + sum over k, l, c of x[i*sh + k - ph, j*sw + l - pw, c] * w[k, l, c, o]
#   dw[k, l, c, o]  =        sum over i, j    of x[i*sh + k - ph, j*sw + l - pw, c] * dy[i, j, o]
#   dx              = the forward sum over dy, spread by the stride and padded, with w turned by half a circle
#
# The lanes of a register are output channels. In a row of x the positions (l, c) under the kernel lie side by side,
# so the sum over them is one loop of kw * c_in steps. Padding is a copy into a zeroed frame, which costs a few per
# cent and leaves no edge cases in the arithmetic.

from libc.string cimport memcpy

from .simd cimport LANES, MAX_TILE, first_lanes, lanes, lanes_of, real, registers, vec, vload_lanes, vstore_lanes
from .tile cimport Tile, run_tile


cdef struct Conv:  # cnn.geometry.ConvGeometry, field by field
    Py_ssize_t h, w, c_in, c_out, kh, kw, sh, sw, ph, pw, oh, ow


cdef struct Frame:
    # Where an image of h x w x c lies inside a zeroed one of rows x columns x c: its top left corner (negative if
    # cut off), and how far apart its rows and its columns are set.
    Py_ssize_t h, w, c, rows, columns, top, left, row_step, column_step


cdef inline Frame input_frame(const Conv* g) noexcept nogil:
    cdef Frame f
    f.h, f.w, f.c = g.h, g.w, g.c_in
    f.rows, f.columns = (g.oh - 1) * g.sh + g.kh, (g.ow - 1) * g.sw + g.kw
    f.top, f.left = g.ph, g.pw
    f.row_step = f.column_step = 1
    return f


cdef inline Frame output_gradient_frame(const Conv* g) noexcept nogil:
    cdef Frame f
    f.h, f.w, f.c = g.oh, g.ow, g.c_out
    f.rows, f.columns = g.h + g.kh - 1, g.w + g.kw - 1
    f.top, f.left = g.kh - 1 - g.ph, g.kw - 1 - g.pw
    f.row_step, f.column_step = g.sh, g.sw
    return f


cdef inline bint frame_is_image(const Frame* f) noexcept nogil:
    # Nothing to add in front, nothing beyond the image is read: the image serves as it is.
    return (f.top == 0 and f.left == 0 and f.rows <= f.h and f.columns <= f.w
            and f.row_step == 1 and f.column_step == 1)


cdef inline Py_ssize_t frame_size(const Frame* f) noexcept nogil:
    return 0 if frame_is_image(f) else f.rows * f.columns * f.c


cdef inline void fill_frame(const Frame* f, const real* image, real* frame) noexcept nogil:
    # The frame was zeroed once; every image overwrites the same places.
    cdef Py_ssize_t i, j, row, first, last
    first = 0 if f.left >= 0 else (-f.left + f.column_step - 1) // f.column_step
    last = 0 if f.left >= f.columns else min(f.w, (f.columns - 1 - f.left) // f.column_step + 1)
    if last <= first:
        return
    for i in range(f.h):
        row = f.top + i * f.row_step
        if row < 0 or row >= f.rows:
            continue
        if f.column_step == 1:
            memcpy(frame + (row * f.columns + f.left + first) * f.c, image + (i * f.w + first) * f.c,
                   (last - first) * f.c * sizeof(real))
        else:
            for j in range(first, last):
                memcpy(frame + (row * f.columns + f.left + j * f.column_step) * f.c, image + (i * f.w + j) * f.c,
                       f.c * sizeof(real))


cdef inline const real* framed(const Frame* f, const real* image, real* frame) noexcept nogil:
    if frame_is_image(f):
        return image
    fill_frame(f, image, frame)
    return frame


cdef inline Py_ssize_t framed_width(const Frame* f) noexcept nogil:
    return (f.w if frame_is_image(f) else f.columns) * f.c


cdef inline void conv2d_forward(const Conv* g, const real* x, Py_ssize_t x_width, const real* w, const real* b,
                                real* y) noexcept nogil:
    # x: (rows, x_width) reals of a framed image; w: (kh, kw, c_in, c_out); b: (c_out,) or NULL; y: (oh, ow, c_out)
    cdef:
        Tile tile
        vec zeros
        Py_ssize_t block, o, j, t
        int size
        lanes live
        Py_ssize_t tiles = (g.ow + MAX_TILE - 1) // MAX_TILE
    zeros = vload_lanes(w, first_lanes(0))
    tile.rows, tile.outer, tile.inner = g.oh, g.kh, g.kw * g.c_in
    tile.x_row, tile.x_tile, tile.x_outer, tile.x_inner = g.sh * x_width, g.sw * g.c_in, x_width, 1
    tile.v_row, tile.v_outer, tile.v_inner = 0, g.kw * g.c_in * g.c_out, g.c_out
    tile.start_row = tile.start_tile = 0
    tile.y_row, tile.y_tile = g.ow * g.c_out, g.c_out
    for block in range(registers(g.c_out)):
        o = block * LANES
        live = lanes_of(g.c_out - o)
        j = 0
        for t in range(tiles):  # of nearly equal widths: 26 columns are 13 and 13, not 14 and 12
            size = <int>((g.ow - j) // (tiles - t))
            run_tile(size, &tile, x + j * g.sw * g.c_in, w + o, b + o if b != NULL else <const real*>&zeros,
                     y + j * g.c_out + o, live)
            j += size


cdef inline void conv2d_weight_gradient(const Conv* g, const real* x, Py_ssize_t x_width, const real* dy,
                                        real* dw) noexcept nogil:
    # dw: (kh, kw, c_in, c_out), to which this image's gradient is added
    cdef:
        Tile tile
        Py_ssize_t block, o, k, t, width = g.kw * g.c_in
        Py_ssize_t tiles = (width + MAX_TILE - 1) // MAX_TILE
        int size
        lanes live
    tile.rows, tile.outer, tile.inner = g.kh, g.oh, g.ow
    tile.x_row, tile.x_tile, tile.x_outer, tile.x_inner = x_width, 1, g.sh * x_width, g.sw * g.c_in
    tile.v_row, tile.v_outer, tile.v_inner = 0, g.ow * g.c_out, g.c_out
    tile.start_row = tile.y_row = width * g.c_out
    tile.start_tile = tile.y_tile = g.c_out
    for block in range(registers(g.c_out)):
        o = block * LANES
        live = lanes_of(g.c_out - o)
        k = 0
        for t in range(tiles):
            size = <int>((width - k) // (tiles - t))
            run_tile(size, &tile, x + k, dy + o, dw + k * g.c_out + o, dw + k * g.c_out + o, live)
            k += size


cdef inline void bias_gradient(Py_ssize_t rows, Py_ssize_t channels, const real* dy, real* db) noexcept nogil:
    # db[o] += sum over rows of dy[row, o]. Four sums at a time hide the latency of an addition.
    cdef:
        vec s0, s1, s2, s3
        const real* p
        Py_ssize_t block, o, r
        lanes live
    for block in range(registers(channels)):
        o = block * LANES
        live = lanes_of(channels - o)
        p = dy + o
        s0 = vload_lanes(db + o, live)
        s1 = s2 = s3 = vload_lanes(p, first_lanes(0))
        for r in range(0, rows - 3, 4):
            s0 = s0 + vload_lanes(p, live)
            s1 = s1 + vload_lanes(p + channels, live)
            s2 = s2 + vload_lanes(p + 2 * channels, live)
            s3 = s3 + vload_lanes(p + 3 * channels, live)
            p += 4 * channels
        for r in range(rows % 4):
            s0 = s0 + vload_lanes(p, live)
            p += channels
        vstore_lanes(db + o, (s0 + s1) + (s2 + s3), live)


cdef inline Conv turned(const Conv* g) noexcept nogil:
    # The convolution that takes the framed dy to dx.
    cdef Conv t
    t.h, t.w, t.c_in, t.c_out = g.h + g.kh - 1, g.w + g.kw - 1, g.c_out, g.c_in
    t.kh, t.kw, t.sh, t.sw, t.ph, t.pw = g.kh, g.kw, 1, 1, 0, 0
    t.oh, t.ow = g.h, g.w
    return t


cdef inline void turn_weights(const Conv* g, const real* w, real* out) noexcept nogil:
    # out[k, l, o, c] = w[kh - 1 - k, kw - 1 - l, c, o]
    cdef Py_ssize_t k, c, o, positions = g.kh * g.kw
    for k in range(positions):
        for c in range(g.c_in):
            for o in range(g.c_out):
                out[(k * g.c_out + o) * g.c_in + c] = w[((positions - 1 - k) * g.c_in + c) * g.c_out + o]
