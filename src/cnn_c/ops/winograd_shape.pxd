# Convolutions of 3x3, stride 1, with many channels by Winograd's algorithm F(2x2, 3x3) (Lavin and Gray, 2015): 16
# multiplications give 2 x 2 outputs, where the sums written out take 36.
#
#   Y = A^T (sum over c of (G w[:, :, c, o] G^T) * (B^T d[:, :, c] B)) A
#
#        1  0 -1  0         1    0    0         1  0
#   B^T: 0  1  1  0    G:  1/2  1/2  1/2    A:  1  1      d: 4 x 4 pixels of the padded image, two pixels apart
#        0 -1  1  0        1/2 -1/2  1/2        1 -1      Y: 2 x 2 outputs, a tile
#        0 -1  0  1         0    0    1         0  1      *: element by element, of 16 points
#
# Over all tiles the sum over c is a matrix product for each point, (tiles, c_in) by (c_in, c_out), and the transforms
# only add. A block of tiles passes all points while it is in the caches. Small whole numbers stay exact; where an
# output is not finite, neither are the others of its tile.

from ..simd cimport LANES, LINE, rounded_up
from .conv_shape cimport Conv, is_plain


cdef enum:
    POINTS = 16
    BLOCK_ROOM = 32768          # reals of a block of transformed tiles, in the second cache
    GRADIENT_ROOM = 98304       # the same, of x and of dy: sums are loaded and stored once a block
    SMALLEST_BLOCK = 12         # tiles


cdef struct Tiles:
    # The tiles of an image, and how many of them a block has at most.
    Py_ssize_t down, across, oh, ow, c_in, c_out, block


cdef struct Position:
    # Row and column of a tile, counted in tiles.
    Py_ssize_t i, j


cdef inline bint is_tiled(const Conv* c) noexcept nogil:
    # Every window holds a pixel: the output of padding alone would not be an exact zero.
    return (is_plain(c) and c.kh == 3 and c.kw == 3 and c.sh == 1 and c.sw == 1 and 0 <= c.ph <= 2 and 0 <= c.pw <= 2
            and c.oh - c.ph <= c.h and c.ow - c.pw <= c.w)


cdef inline bint takes_winograd(const Conv* c) noexcept nogil:
    # With fewer channels or outputs the transforms take more time than the products save.
    return is_tiled(c) and c.c_in >= 32 and c.c_out >= 16 and c.oh * c.ow >= 36


cdef inline bint takes_winograd_gradient(const Conv* c) noexcept nogil:
    # There are as many sums as transformed weights: an image has to add a lot to each.
    return is_tiled(c) and min(c.c_in, c.c_out) >= 32 and c.oh * c.ow >= 144


cdef inline Tiles tiles_of(const Conv* c, Py_ssize_t most) noexcept nogil:
    # In nearly equal blocks of at most so many tiles.
    cdef Tiles s
    cdef Py_ssize_t count, blocks
    s.down, s.across, s.oh, s.ow, s.c_in, s.c_out = (c.oh + 1) // 2, (c.ow + 1) // 2, c.oh, c.ow, c.c_in, c.c_out
    count = s.down * s.across
    blocks = (count + most - 1) // most
    s.block = (count + blocks - 1) // blocks
    return s


cdef inline Position position_of(const Tiles* s, Py_ssize_t tile) noexcept nogil:
    cdef Position at
    at.i, at.j = tile // s.across, tile % s.across
    return at


cdef inline void to_next_tile(const Tiles* s, Position* at) noexcept nogil:
    at.j += 1
    if at.j == s.across:
        at.i, at.j = at.i + 1, 0


cdef inline Py_ssize_t point_step(Py_ssize_t size) noexcept nogil:
    # Reals from one point to the next, of so many each. With a power of two, all would share few lines of the caches.
    return rounded_up(size) + LINE


cdef inline Py_ssize_t points_size(const Conv* c) noexcept nogil:
    # Of transformed weights, or of the sums of their gradient: (POINTS, c_in, c_out).
    return POINTS * point_step(c.c_in * c.c_out)


cdef inline Tiles forward_tiles(const Conv* c) noexcept nogil:
    return tiles_of(c, max(BLOCK_ROOM // (POINTS * (c.c_in + 2 * LANES)), <Py_ssize_t>SMALLEST_BLOCK))


cdef inline Tiles gradient_tiles(const Conv* c) noexcept nogil:
    return tiles_of(c, max(GRADIENT_ROOM // (POINTS * (c.c_in + c.c_out)), <Py_ssize_t>SMALLEST_BLOCK))


cdef inline Py_ssize_t forward_block_size(const Conv* c) noexcept nogil:
    # Scratch memory of a thread: a block of x, and one of two registers of channels of y.
    cdef Tiles s = forward_tiles(c)
    return POINTS * (point_step(s.block * s.c_in) + point_step(s.block * 2 * LANES))


cdef inline Py_ssize_t gradient_block_size(const Conv* c) noexcept nogil:
    # The same, of x and of dy.
    cdef Tiles s = gradient_tiles(c)
    return POINTS * (point_step(s.block * s.c_in) + point_step(s.block * s.c_out))
