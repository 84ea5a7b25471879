# Max pooling of one image, channels last, forward and backward, by one thread.
#
#   y[i, j, c]        = max over k, l of x[i*sh + k - ph, j*sw + l - pw, c]
#   switches[i, j, c] = k * kw + l of the first maximum
#   dx                = dy put where its switch points, or (ties) at every element equal to its window's y
#
# The lanes of a register are channels. The kernels are inlined with a constant 2x2 window where that is the window,
# which is then four loads, three comparisons and no loop.

from libc.string cimport memset

from .simd cimport (
    LANES, first_lanes, flattened, iequals, iload, iselect, isplat, istore, ivec, lanes, lanes_of, real, registers, vec,
    vequals, vload_lanes, vselect, vstore_lanes, vtakes,
)


cdef struct Pool:  # cnn.geometry.PoolGeometry, field by field
    Py_ssize_t h, w, c, kh, kw, sh, sw, ph, pw, oh, ow


cdef inline bint pool_is_2x2(const Pool* g) noexcept nogil:
    return g.kh == 2 and g.kw == 2 and g.sh == 2 and g.sw == 2 and g.ph == 0 and g.pw == 0


cdef inline Pool constant_2x2(const Pool* g) noexcept nogil:
    cdef Pool p = g[0]
    p.kh = p.kw = p.sh = p.sw = 2
    p.ph = p.pw = 0
    return p


cdef inline Py_ssize_t first_inside(Py_ssize_t start) noexcept nogil:
    return -start if start < 0 else 0


cdef inline void maxpool_forward_window(Pool g, const real* x, real* y, int* switches) noexcept nogil:
    cdef:
        Py_ssize_t i, j, block, c, k, l, k0, k1, l0, l1, row, column
        const real* p
        vec best, value
        ivec winner, takes
        lanes live
    for i in range(g.oh):
        row = i * g.sh - g.ph
        k0 = first_inside(row) if g.ph else 0
        k1 = min(g.kh, g.h - row) if g.ph else g.kh
        for j in range(g.ow):
            column = j * g.sw - g.pw
            l0 = first_inside(column) if g.pw else 0
            l1 = min(g.kw, g.w - column) if g.pw else g.kw
            p = x + (row * g.w + column) * g.c
            for block in range(registers(g.c)):
                c = block * LANES
                live = lanes_of(g.c - c)
                best = vload_lanes(p + (k0 * g.w + l0) * g.c + c, live)
                winner = isplat(<int>(k0 * g.kw + l0))
                for k in range(k0, k1):
                    for l in range(l0, l1):
                        value = vload_lanes(p + (k * g.w + l) * g.c + c, live)
                        takes = vtakes(value, best)
                        best = vselect(takes, value, best)
                        winner = iselect(takes, isplat(<int>(k * g.kw + l)), winner)
                vstore_lanes(y + c, best, live)
                if switches != NULL:
                    istore(switches + c, winner, live)
            y += g.c
            if switches != NULL:
                switches += g.c


cdef inline flattened maxpool_forward(const Pool* g, const real* x, real* y, int* switches) noexcept nogil:
    # x: (h, w, c) -> y, switches: (oh, ow, c); switches may be NULL
    if pool_is_2x2(g):
        maxpool_forward_window(constant_2x2(g), x, y, switches)
    else:
        maxpool_forward_window(g[0], x, y, switches)


cdef inline void maxpool_backward_window(Pool g, const real* dy, const int* switches, const real* x, const real* y,
                                         real* dx) noexcept nogil:
    # With switches, the winner takes the gradient; with x and y, every element equal to the maximum.
    cdef:
        Py_ssize_t i, j, block, c, k, l, k0, k1, l0, l1, row, column, corner, at
        vec gradient, zero, maximum, share
        bint apart
        ivec winner, takes
        lanes live
    zero = maximum = vload_lanes(dy, first_lanes(0))
    winner = isplat(0)
    # Windows that do not overlap are written once; zeros first where an element may lie in no window, or in two.
    apart = g.sh >= g.kh and g.sw >= g.kw
    if not apart or g.oh * g.sh != g.h or g.ow * g.sw != g.w or g.sh != g.kh or g.sw != g.kw:
        memset(dx, 0, g.h * g.w * g.c * sizeof(real))
    for i in range(g.oh):
        row = i * g.sh - g.ph
        k0 = first_inside(row) if g.ph else 0
        k1 = min(g.kh, g.h - row) if g.ph else g.kh
        for j in range(g.ow):
            column = j * g.sw - g.pw
            l0 = first_inside(column) if g.pw else 0
            l1 = min(g.kw, g.w - column) if g.pw else g.kw
            corner = (row * g.w + column) * g.c
            for block in range(registers(g.c)):
                c = block * LANES
                live = lanes_of(g.c - c)
                gradient = vload_lanes(dy + c, live)
                if switches != NULL:
                    winner = iload(switches + c, live)
                else:
                    maximum = vload_lanes(y + c, live)
                for k in range(k0, k1):
                    for l in range(l0, l1):
                        at = corner + (k * g.w + l) * g.c + c
                        if switches != NULL:
                            takes = iequals(winner, <int>(k * g.kw + l))
                        else:
                            takes = vequals(vload_lanes(x + at, live), maximum)
                        share = vselect(takes, gradient, zero)
                        if not apart:
                            share = share + vload_lanes(dx + at, live)
                        vstore_lanes(dx + at, share, live)
            dy += g.c
            if switches != NULL:
                switches += g.c
            else:
                y += g.c


cdef inline flattened maxpool_backward(const Pool* g, const real* dy, const int* switches, real* dx) noexcept nogil:
    # dy, switches: (oh, ow, c) -> dx: (h, w, c)
    if pool_is_2x2(g):
        maxpool_backward_window(constant_2x2(g), dy, switches, NULL, NULL, dx)
    else:
        maxpool_backward_window(g[0], dy, switches, NULL, NULL, dx)


cdef inline flattened maxpool_backward_ties(const Pool* g, const real* dy, const real* x, const real* y,
                                       real* dx) noexcept nogil:
    # dy, y: (oh, ow, c), x: (h, w, c) -> dx: (h, w, c)
    if pool_is_2x2(g):
        maxpool_backward_window(constant_2x2(g), dy, NULL, x, y, dx)
    else:
        maxpool_backward_window(g[0], dy, NULL, x, y, dx)
