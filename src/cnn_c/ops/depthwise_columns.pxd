# Which lines and columns of an image meet which places of the kernel of a depthwise convolution, see
# conv_depthwise.pxd. The columns pass in rounds, each of which takes `step` columns of x and ends `up` columns of y.

from ..simd cimport LANES
from .conv_shape cimport Conv
from .padding cimport Padding

cdef struct Columns:
    int step, up
    Py_ssize_t w, ow                  # how many columns x has, and y
    Py_ssize_t column, out            # the first ones of round 0, which may lie outside
    Py_ssize_t first, stop            # rounds
    Py_ssize_t main, main_stop        # those whose columns all lie inside
    Py_ssize_t x_row, x_pixel, y_row, y_pixel  # strides, in reals
    Py_ssize_t x_first, y_first       # where `column` and `out` of a row are


cdef inline bint slides(const Conv* c, const Padding* f) noexcept nogil:
    # The usual kernels and strides, with whole registers of channels.
    cdef Py_ssize_t step = max(c.sw, f.column_step)
    if c.c_out < LANES or (c.kw != 3 and c.kw != 5 and (c.kw != 7 or step > 1)):
        return False
    return step == 1 or (step == 2 and c.dilation_w == 1)


cdef inline int open_outputs(const int kw, const int step) noexcept nogil:
    # How many outputs of a row are begun and not ended.
    return kw if step == 1 else (kw + 1) // 2


cdef inline Columns columns_of(const Conv* c, const Padding* f, Py_ssize_t r) noexcept nogil:
    # Of the columns r, r + dilation, ... of x, which meet no others of the kernel's neighbours.
    cdef:
        Columns s
        Py_ssize_t d = c.dilation_w, pw = (c.pw + r) // d, y_at = c.pw + r - pw * d
    s.step, s.up = <int>c.sw, <int>f.column_step
    s.w, s.ow = max(f.w - r + d - 1, 0) // d, max(c.ow - y_at + d - 1, 0) // d
    s.column = 0 if s.step == 1 else c.kw - 2 - pw
    s.out = pw - c.kw + 1 if s.step == 1 else 0
    s.first = min(-s.column // s.step, -s.out // s.up)
    s.stop = (s.ow - 1 - s.out) // s.up + 1
    s.main = max((-s.column + s.step - 1) // s.step, (-s.out + s.up - 1) // s.up)
    s.main_stop = min((s.w - s.column) // s.step, (s.ow - s.out) // s.up)
    if s.main_stop <= s.main:
        s.main = s.main_stop = s.stop
    s.x_pixel = s.y_pixel = d * c.c_out
    s.x_row, s.y_row = f.w * c.c_out, c.ow * c.c_out
    s.x_first, s.y_first = r * c.c_out + s.column * s.x_pixel, y_at * c.c_out + s.out * s.y_pixel
    return s


cdef inline bint is_inside(Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    return <size_t>at < <size_t>size


cdef inline int position(const int kw, const int i, const int n, const int step, const int up) noexcept nogil:
    # Where in the kernel column i of a round meets the n-th output that is not ended, if that is one of 0 .. kw - 1.
    return i * up + kw - step - n * step


cdef struct Meeting:
    # The places first, first + step, ... of the kernel, `count` of them, that meet the image: its line `at`, and so on.
    Py_ssize_t first, step, count, at, at_step


cdef inline Meeting meeting(Py_ssize_t top, Py_ssize_t dilation, Py_ssize_t up, Py_ssize_t size,
                            Py_ssize_t places) noexcept nogil:
    cdef Meeting m
    cdef Py_ssize_t k, at = top
    m.first = m.step = m.count = m.at = m.at_step = 0
    for k in range(places):
        if 0 <= at < size * up and (up == 1 or at % up == 0):
            if m.count == 0:
                m.first, m.at = k, at // up
            elif m.count == 1:
                m.step, m.at_step = k - m.first, at // up - m.at
            m.count += 1
        at += dilation
    return m


cdef struct Pair:
    # Two rows of y with 3x3 weights, and the lines of x that they meet, from `line` on. The first one and the last one
    # may lie outside.
    bint exists, lacks_first, lacks_last
    Py_ssize_t line


cdef inline int meets(const int step, const int up) noexcept nogil:
    # How many lines: line d meets row r at d * up + up - 1 - r * step of the kernel.
    return 3 + step if up == 1 else 2


cdef inline Pair pair_of(const Conv* c, const Padding* f, Py_ssize_t i) noexcept nogil:
    # Rows i and i + 1.
    cdef:
        Pair p
        Py_ssize_t up = f.row_step, top = i * c.sh - c.ph + up - 1, last
    p.line = top // up
    last = p.line + meets(<int>c.sh, <int>up) - 1
    p.lacks_first, p.lacks_last = p.line < 0, last >= f.h
    p.exists = (slides(c, f) and c.kh == 3 and c.kw == 3 and c.sh == c.sw and up == f.column_step
                and c.dilation_h == 1 and c.dilation_w == 1 and i + 1 < c.oh and top % up == 0 and p.line >= -1
                and last <= f.h)
    return p
