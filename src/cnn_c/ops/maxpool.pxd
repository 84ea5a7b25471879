# Max pooling of one image, channels last, forward and backward, by one thread.
#
#   y[i, j, c]        = max over k, l of x[i*sh + k - ph, j*sw + l - pw, c]
#   argmax[i, j, c] = k * kw + l of the first maximum
#   dx                = dy put where its argmax points, or (ties) at every element equal to its window's maximum
#
# The lanes of a register are channels. The kernels are inlined with constants: the 2x2 window where that is the
# window, which is then four loads and three comparisons without a loop, and what is asked for.

from libc.string cimport memset

from ..arrays cimport read_sizes
from ..simd cimport (
    LANES, choice, first_lanes, flattened, iequals, iload, iselect, isplat, istore, ivec, lanes, lanes_of, real,
    registers, vec, vequals, vload_lanes, vselect, vstore_lanes, vtakes,
)
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, new_geometry, tensor


cdef struct Pool:  # cnn.backends.geometry.PoolGeometry, field by field
    Py_ssize_t h, w, c, kh, kw, sh, sw, ph, pw, oh, ow


cdef inline Pool pool_from(geometry) except *:
    cdef Pool g
    read_sizes(geometry, sizeof(Pool) // sizeof(Py_ssize_t), &g.h)
    return g


cdef inline bint pool_is_2x2(const Pool* g) noexcept nogil:
    return g.kh == 2 and g.kw == 2 and g.sh == 2 and g.sw == 2 and g.ph == 0 and g.pw == 0


cdef inline Pool constant_2x2(const Pool* g) noexcept nogil:
    cdef Pool p = g[0]
    p.kh = p.kw = p.sh = p.sw = 2
    p.ph = p.pw = 0
    return p


cdef inline Py_ssize_t first_inside(Py_ssize_t start) noexcept nogil:
    return -start if start < 0 else 0


cdef inline void forward_windows(Pool g, const bint with_argmax, const real* x, real* y,
                                 int* argmax) noexcept nogil:
    cdef:
        Py_ssize_t i, j, block, k, l, k0, k1, l0, l1, row, column, out
        const real* p
        vec best, value
        ivec position
        choice takes
        lanes live
    for block in range(registers(g.c)):
        live = lanes_of(g.c - block * LANES)
        out = block * LANES
        for i in range(g.oh):
            row = i * g.sh - g.ph
            k0 = first_inside(row) if g.ph else 0
            k1 = min(g.kh, g.h - row) if g.ph else g.kh
            for j in range(g.ow):
                column = j * g.sw - g.pw
                l0 = first_inside(column) if g.pw else 0
                l1 = min(g.kw, g.w - column) if g.pw else g.kw
                p = x + (row * g.w + column) * g.c + block * LANES
                best = vload_lanes(p + (k0 * g.w + l0) * g.c, live)
                position = isplat(<int>(k0 * g.kw + l0))
                for k in range(k0, k1):
                    for l in range(l0, l1):
                        value = vload_lanes(p + (k * g.w + l) * g.c, live)
                        takes = vtakes(value, best)
                        best = vselect(takes, value, best)
                        if with_argmax:
                            position = iselect(takes, isplat(<int>(k * g.kw + l)), position)
                vstore_lanes(y + out, best, live)
                if with_argmax:
                    istore(argmax + out, position, live)
                out += g.c


cdef inline flattened maxpool_forward(const Pool* g, const real* x, real* y, int* argmax) noexcept nogil:
    # x: (h, w, c) -> y, argmax: (oh, ow, c); argmax may be NULL
    if pool_is_2x2(g):
        if argmax != NULL: forward_windows(constant_2x2(g), True, x, y, argmax)
        else: forward_windows(constant_2x2(g), False, x, y, argmax)
    else:
        if argmax != NULL: forward_windows(g[0], True, x, y, argmax)
        else: forward_windows(g[0], False, x, y, argmax)


cdef inline void backward_windows(Pool g, const bint with_argmax, const real* dy, const int* argmax,
                                  const real* x, const real* y, real* dx) noexcept nogil:
    # With argmax, the position takes the gradient; else every element of x equal to the maximum, in y or found anew.
    cdef:
        Py_ssize_t i, j, block, k, l, k0, k1, l0, l1, row, column, at, out
        vec gradient, zero, maximum, share
        ivec position
        choice takes
        lanes live
        bint apart = g.sh >= g.kh and g.sw >= g.kw  # no element lies in two windows
    zero = maximum = vload_lanes(dy, first_lanes(0))
    position = isplat(0)
    if not (apart and g.oh * g.kh == g.h and g.ow * g.kw == g.w and g.ph == 0 and g.pw == 0):
        memset(dx, 0, g.h * g.w * g.c * sizeof(real))  # some lie in none, or in several
    for block in range(registers(g.c)):
        live = lanes_of(g.c - block * LANES)
        out = block * LANES
        for i in range(g.oh):
            row = i * g.sh - g.ph
            k0 = first_inside(row) if g.ph else 0
            k1 = min(g.kh, g.h - row) if g.ph else g.kh
            for j in range(g.ow):
                column = j * g.sw - g.pw
                l0 = first_inside(column) if g.pw else 0
                l1 = min(g.kw, g.w - column) if g.pw else g.kw
                gradient = vload_lanes(dy + out, live)
                if with_argmax:
                    position = iload(argmax + out, live)
                elif y != NULL:
                    maximum = vload_lanes(y + out, live)
                else:
                    at = ((row + k0) * g.w + column + l0) * g.c + block * LANES
                    maximum = vload_lanes(x + at, live)
                    for k in range(k0, k1):
                        for l in range(l0, l1):
                            at = ((row + k) * g.w + column + l) * g.c + block * LANES
                            share = vload_lanes(x + at, live)
                            maximum = vselect(vtakes(share, maximum), share, maximum)
                for k in range(k0, k1):
                    for l in range(l0, l1):
                        at = ((row + k) * g.w + column + l) * g.c + block * LANES
                        if with_argmax:
                            takes = iequals(position, <int>(k * g.kw + l))
                        else:
                            takes = vequals(vload_lanes(x + at, live), maximum)
                        share = vselect(takes, gradient, zero)
                        if not apart:
                            share = share + vload_lanes(dx + at, live)
                        vstore_lanes(dx + at, share, live)
                out += g.c


cdef inline flattened maxpool_backward(const Pool* g, const real* dy, const int* argmax, real* dx) noexcept nogil:
    # dy, argmax: (oh, ow, c) -> dx: (h, w, c)
    if pool_is_2x2(g):
        backward_windows(constant_2x2(g), True, dy, argmax, NULL, NULL, dx)
    else:
        backward_windows(g[0], True, dy, argmax, NULL, NULL, dx)


cdef inline flattened maxpool_backward_ties(const Pool* g, const real* dy, const real* x, const real* y,
                                            real* dx) noexcept nogil:
    # dy, y: (oh, ow, c), x: (h, w, c) -> dx: (h, w, c); y may be NULL
    if pool_is_2x2(g):
        if y != NULL: backward_windows(constant_2x2(g), False, dy, NULL, x, y, dx)
        else: backward_windows(constant_2x2(g), False, dy, NULL, x, NULL, dx)
    else:
        backward_windows(g[0], False, dy, NULL, x, y, dx)

# ---- as an operation of a plan ----

cdef inline int read_pool(Operation* o, object geometry) except -1:
    cdef Pool* g = <Pool*>new_geometry(o, sizeof(Pool))
    g[0] = pool_from(geometry)
    return 0


cdef inline void measure_pool(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const Pool* g = <const Pool*>o.geometry
    sizes.x, sizes.y = g.h * g.w * g.c, g.oh * g.ow * g.c
    if training and o.with_dx:
        sizes.dx, sizes.dy = sizes.x, sizes.y


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    measure_pool(o, training, sizes)
    sizes.argmax = sizes.y if training else 0


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    maxpool_forward(<const Pool*>o.geometry, tensor(o.x, image), tensor(o.y, image),
                    <int*>tensor(o.argmax, image) if c.training else NULL)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    maxpool_backward(<const Pool*>o.geometry, tensor(o.dy, image), <int*>tensor(o.argmax, image),
                     tensor(o.dx, image))


cdef inline void set_maxpool(OperationKind* row) noexcept:
    row.name = "maxpool"
    row.read, row.measure, row.forward, row.backward = read_pool, measure, forward, backward


cdef inline void forward_ties(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    maxpool_forward(<const Pool*>o.geometry, tensor(o.x, image), tensor(o.y, image), NULL)


cdef inline void backward_ties(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    maxpool_backward_ties(<const Pool*>o.geometry, tensor(o.dy, image), tensor(o.x, image), tensor(o.y, image),
                          tensor(o.dx, image))


cdef inline void set_maxpool_ties(OperationKind* row) noexcept:
    row.name = "maxpool, ties"
    row.read, row.measure, row.forward, row.backward = read_pool, measure_pool, forward_ties, backward_ties
