# Padding: an image is copied into a larger one of zeros, which costs a few per cent and leaves no edge cases in the
# arithmetic of a convolution. Where there is nothing to add, the image serves as it is.

from libc.string cimport memcpy

from ..simd cimport real
from .conv_shape cimport Conv, dilated_kh, dilated_kw, flipped, is_depthwise
from .pixel_packing cimport Packed, packed
from .winograd_shape cimport takes_winograd, takes_winograd_gradient


cdef struct Padding:
    # Where an image of h x w x c lies inside a zeroed one of rows x columns x c: its top left corner (negative if
    # cut off), and how far apart its rows and its columns are set. No rows: the image serves as it is.
    Py_ssize_t h, w, c, rows, columns, top, left, row_step, column_step


cdef inline Py_ssize_t padded_columns(const Conv* g) noexcept nogil:
    # All that the kernel passes over, groups of pixels that stick out at the end of a row included.
    cdef Packed s = packed(g)
    return (s.conv.ow - 1) * s.conv.sw + dilated_kw(&s.conv)


cdef inline Padding padding_of(const Conv* g, Py_ssize_t h, Py_ssize_t w, Py_ssize_t row_step,
                               Py_ssize_t column_step) noexcept nogil:
    # Of an image of h x w pixels which, set apart, is what g convolves.
    cdef Padding f
    f.h, f.w, f.c = h, w, g.c_in
    f.row_step, f.column_step = row_step, column_step
    if is_depthwise(g):  # its kernels leave out what is beyond the image
        f.rows = f.columns = f.top = f.left = 0
    else:
        f.rows, f.columns = (g.oh - 1) * g.sh + dilated_kh(g), padded_columns(g)
        f.top, f.left = g.ph, g.pw
    if takes_winograd(g) or takes_winograd_gradient(g):  # whole tiles
        f.rows, f.columns = f.rows + g.oh % 2, f.columns + g.ow % 2
    return f


cdef inline Padding input_padding(const Conv* g) noexcept nogil:
    return padding_of(g, g.h, g.w, 1, 1)


cdef inline Padding gradient_padding(const Conv* g) noexcept nogil:
    cdef Conv t = flipped(g)
    return padding_of(&t, g.oh, g.ow, g.sh, g.sw)


cdef inline bint is_image(const Padding* f) noexcept nogil:
    # Nothing to add in front, nothing beyond the image is read: the image serves as it is.
    return f.rows == 0 or (f.top == 0 and f.left == 0 and f.rows <= f.h and f.columns <= f.w
                           and f.row_step == 1 and f.column_step == 1)


cdef inline Py_ssize_t padded_size(const Padding* f) noexcept nogil:
    return 0 if is_image(f) else f.rows * f.columns * f.c


cdef inline Py_ssize_t rows_to_fill(const Padding* f) noexcept nogil:
    return 0 if is_image(f) else f.h


cdef inline void fill_padded(const Padding* f, const real* image, Py_ssize_t start, Py_ssize_t stop,
                             real* memory) noexcept nogil:
    # Rows start .. stop of the image. The memory was zeroed once; every image overwrites the same places.
    cdef Py_ssize_t i, j, row, first, last
    first = 0 if f.left >= 0 else (-f.left + f.column_step - 1) // f.column_step
    last = 0 if f.left >= f.columns else min(f.w, (f.columns - 1 - f.left) // f.column_step + 1)
    if last <= first:
        return
    for i in range(start, stop):
        row = f.top + i * f.row_step
        if row < 0 or row >= f.rows:
            continue
        if f.column_step == 1:
            memcpy(memory + (row * f.columns + f.left + first) * f.c, image + (i * f.w + first) * f.c,
                   (last - first) * f.c * sizeof(real))
        else:
            for j in range(first, last):
                memcpy(memory + (row * f.columns + f.left + j * f.column_step) * f.c, image + (i * f.w + j) * f.c,
                       f.c * sizeof(real))


cdef inline const real* padded(const Padding* f, const real* image, real* memory) noexcept nogil:
    if is_image(f):
        return image
    fill_padded(f, image, 0, f.h, memory)
    return memory


cdef inline Py_ssize_t padded_width(const Padding* f) noexcept nogil:
    return (f.w if is_image(f) else f.columns) * f.c
