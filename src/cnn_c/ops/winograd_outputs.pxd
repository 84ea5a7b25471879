# What becomes of the outputs of a tile of winograd_shape.pxd: they are stored, or, with 2x2 pooling, are a window whose
# maximum is.

from ..simd cimport LANES, flattened, istore, ivec, lanes, lanes_of, real, store, vec
from ..tile cimport channels_at_once
from .conv_pool_shape cimport window_maximum
from .winograd_shape cimport Position, Tiles, point_step, position_of, to_next_tile
from .winograd_transforms cimport output_tile


cdef struct Outputs:
    # Of an image. y: (oh, ow, c_out), of the pooled map if `pooled`, with y_width reals from a row to the next; argmax:
    # (oh, ow, c_out) of the pooled map, or NULL
    real* y
    Py_ssize_t y_width
    bint pooled, relu
    int* argmax


cdef inline void put_tile(const Tiles* s, Outputs to, Position at, Py_ssize_t o, const vec* values,
                          lanes live) noexcept nogil:
    # What of the tile lies within y.
    cdef real* y = to.y + 2 * at.i * to.y_width + 2 * at.j * s.c_out + o
    store(False, y, values[0], live)
    if 2 * at.j + 1 < s.ow:
        store(False, y + s.c_out, values[1], live)
    if 2 * at.i + 1 < s.oh:
        store(False, y + to.y_width, values[2], live)
        if 2 * at.j + 1 < s.ow:
            store(False, y + to.y_width + s.c_out, values[3], live)


cdef inline void put_window(const Tiles* s, Outputs to, Position at, Py_ssize_t o, const vec* values,
                            lanes live) noexcept nogil:
    cdef ivec code
    store(False, to.y + at.i * to.y_width + at.j * s.c_out + o,
          window_maximum(to.relu, values[0], values[1], values[2], values[3], &code), live)
    if to.argmax != NULL:
        istore(to.argmax + (at.i * s.across + at.j) * s.c_out + o, code, live)


cdef inline void put_either(const bint pooled, const Tiles* s, Py_ssize_t first, Py_ssize_t count, Py_ssize_t channel,
                            const real* m, Outputs to) noexcept nogil:
    # `to` is a copy, which no store can change.
    cdef:
        Py_ssize_t _, block, o, at_once = channels_at_once(s.c_out - channel), step = point_step(s.block * at_once)
        Position at = position_of(s, first)
        vec values[4]
    for _ in range(count):
        for block in range(at_once // LANES):
            o = channel + block * LANES
            output_tile(m + block * LANES, step, values)
            if pooled:
                put_window(s, to, at, o, values, lanes_of(s.c_out - o))
            else:
                put_tile(s, to, at, o, values, lanes_of(s.c_out - o))
        m += at_once
        to_next_tile(s, &at)


cdef inline flattened put_tiles(const Tiles* s, Py_ssize_t first, Py_ssize_t count, Py_ssize_t channel, const real* m,
                                const Outputs* to) noexcept nogil:
    # m: (POINTS, count, channels_at_once), from a channel on
    if to.pooled:
        put_either(True, s, first, count, channel, m, to[0])
    else:
        put_either(False, s, first, count, channel, m, to[0])
