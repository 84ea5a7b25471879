# Batch normalisation with the 2x2 max pooling that follows it, and a ReLU between them if there is one, as one operation
# of a plan: forward a maximum for each window, without the map before it; backward one gradient a window, put where its
# maximum was, among the terms that all positions have.
#
#   y  = max over the window of v,   v = relu(slope * (x - mean) + shift)
#   dx = slope * (d - mean_dy - (x - mean) * along),   along = mean_dy_xhat * inverse
#
# with d = dy at the window's first maximum, if that passed the ReLU, else 0.

from ..arrays cimport as_tuple
from ..simd cimport (
    LANES, choice, iequals, ihas_bit, iload, istore, ivec, lanes, lanes_of, real, registers, vec, vload_lanes,
    vload_some, vselect, vsplat, vstore_some,
)
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, chunk_of, new_geometry, tensor
from .batchnorm cimport (
    ChannelValues, add_moments, channel_values, measure_normalisation, merge_gradient_moments, merge_moments,
    moments_of_chunk, update,
)
from .batchnorm_kernels cimport Norm, SUMS, add_lanes
from .conv_pool_shape cimport IDLE, window_maximum


cdef struct NormPool:
    Norm norm                     # what the functions of batchnorm.pxd read
    Py_ssize_t h, w               # of x; half of them, rounded down, is y


cdef inline int read(Operation* o, object geometry) except -1:
    cdef NormPool* g = <NormPool*>new_geometry(o, sizeof(NormPool))
    g.norm.positions, g.norm.c, g.norm.relu, g.norm.keep, g.h, g.w = as_tuple(geometry)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const NormPool* g = <const NormPool*>o.geometry
    measure_normalisation(o, training, sizes)
    sizes.y = sizes.argmax = (g.h // 2) * (g.w // 2) * g.norm.c
    sizes.dy = sizes.y if training else 0


cdef inline vec normalised(const bint full, const real* x, vec slope, vec shift, vec mean, lanes live) noexcept nogil:
    return (vload_some(full, x, live) - mean) * slope + shift


cdef inline void forward_block(const bint full, const NormPool* g, vec slope, vec shift, vec mean, lanes live,
                               const real* x, real* y, int* argmax) noexcept nogil:
    # LANES channels. x: (h, w, c), y and argmax: (h // 2, w // 2, c), from their first channel on
    cdef:
        Py_ssize_t i, j, c = g.norm.c, down = g.w * c
        const real* p
        ivec code
        vec best
    for i in range(g.h // 2):
        p = x + 2 * i * down
        for j in range(g.w // 2):
            best = window_maximum(g.norm.relu, normalised(full, p, slope, shift, mean, live),
                                  normalised(full, p + c, slope, shift, mean, live),
                                  normalised(full, p + down, slope, shift, mean, live),
                                  normalised(full, p + down + c, slope, shift, mean, live), &code)
            vstore_some(full, y, best, live)
            istore(argmax, code, live)
            p += 2 * c
            y += c
            argmax += c


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef:
        const NormPool* g = <const NormPool*>o.geometry
        ChannelValues v = channel_values(o, c)
        const real* x = tensor(o.x, image)
        real* y = tensor(o.y, image)
        int* argmax = <int*>tensor(o.argmax, image)
        Py_ssize_t block, k
        vec slope, shift, mean
        lanes live
    for block in range(registers(g.norm.c)):
        k = block * LANES
        live = lanes_of(g.norm.c - k)
        slope, shift, mean = vload_lanes(v.slope + k, live), vload_lanes(v.shift + k, live), vload_lanes(v.mean + k, live)
        if g.norm.c - k >= LANES:
            forward_block(True, g, slope, shift, mean, live, x + k, y + k, argmax + k)
        else:
            forward_block(False, g, slope, shift, mean, live, x + k, y + k, argmax + k)


# ---- backward ----

cdef inline vec passed(const bint full, const real* dy, ivec code, lanes live) noexcept nogil:
    # The gradient that goes back into a window.
    return vselect(ihas_bit(code, IDLE), vsplat(0), vload_some(full, dy, live))


cdef inline void gradients_of_block(const bint full, const NormPool* g, vec mean, vec inverse, lanes live,
                                    const real* x, const real* dy, const int* argmax, vec* along,
                                    vec* totals) noexcept nogil:
    cdef:
        Py_ssize_t i, j, t = 0, c = g.norm.c, down = g.w * c
        const real* p
        ivec code
        vec d, top, bottom, at_maximum
        choice right
    for i in range(g.h // 2):
        p = x + 2 * i * down
        for j in range(g.w // 2):
            code = iload(argmax, live)
            d = passed(full, dy, code, live)
            right = ihas_bit(code, 1)
            top = vselect(right, vload_some(full, p + c, live), vload_some(full, p, live))
            bottom = vselect(right, vload_some(full, p + down + c, live), vload_some(full, p + down, live))
            at_maximum = vselect(ihas_bit(code, 2), bottom, top)
            along[t] = along[t] + d * ((at_maximum - mean) * inverse)
            totals[t] = totals[t] + d
            t = (t + 1) % SUMS
            p += 2 * c
            dy += c
            argmax += c


cdef inline void add_gradient_moments(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef:
        const NormPool* g = <const NormPool*>o.geometry
        ChannelValues v = channel_values(o, c)
        double* sums = moments_of_chunk(o, c, chunk_of(c.batch, image.i)) + 2 * o.channels
        const real* x = tensor(o.x, image)
        const real* dy = tensor(o.dy, image)
        const int* argmax = <const int*>tensor(o.argmax, image)
        Py_ssize_t block, k, t, count
        vec along[SUMS]
        vec totals[SUMS]
        vec mean, inverse
        lanes live
    for block in range(registers(g.norm.c)):
        k = block * LANES
        count = min(LANES, g.norm.c - k)
        live = lanes_of(count)
        mean, inverse = vload_lanes(v.mean + k, live), vload_lanes(v.inverse + k, live)
        for t in range(SUMS):
            along[t] = totals[t] = vsplat(0)
        if count == LANES:
            gradients_of_block(True, g, mean, inverse, live, x + k, dy + k, argmax + k, along, totals)
        else:
            gradients_of_block(False, g, mean, inverse, live, x + k, dy + k, argmax + k, along, totals)
        add_lanes(along, count, sums + k)
        add_lanes(totals, count, sums + o.channels + k)


cdef inline void put(const bint full, vec d, vec slope, vec mean, vec along, vec mean_dy, lanes live, const real* x,
                     real* dx) noexcept nogil:
    vstore_some(full, dx, slope * (d - mean_dy - (vload_some(full, x, live) - mean) * along), live)


cdef inline void backward_block(const bint full, const NormPool* g, vec slope, vec mean, vec along, vec mean_dy,
                                lanes live, const real* x, const real* dy, const int* argmax,
                                real* dx) noexcept nogil:
    cdef:
        Py_ssize_t i, j, at, c = g.norm.c, down = g.w * c
        ivec code
        vec d, zero = vsplat(0)
    for i in range(g.h // 2):
        for j in range(g.w // 2):
            at = 2 * i * down + 2 * j * c
            code = iload(argmax, live)
            d = vload_some(full, dy, live)
            put(full, vselect(iequals(code, 0), d, zero), slope, mean, along, mean_dy, live, x + at, dx + at)
            put(full, vselect(iequals(code, 1), d, zero), slope, mean, along, mean_dy, live, x + at + c, dx + at + c)
            at += down
            put(full, vselect(iequals(code, 2), d, zero), slope, mean, along, mean_dy, live, x + at, dx + at)
            put(full, vselect(iequals(code, 3), d, zero), slope, mean, along, mean_dy, live, x + at + c, dx + at + c)
            dy += c
            argmax += c
        if g.w % 2:  # a column that is in no window
            at = (2 * i * g.w + g.w - 1) * c
            put(full, zero, slope, mean, along, mean_dy, live, x + at, dx + at)
            put(full, zero, slope, mean, along, mean_dy, live, x + at + down, dx + at + down)
    if g.h % 2:
        for j in range(g.w):
            at = ((g.h - 1) * g.w + j) * c
            put(full, zero, slope, mean, along, mean_dy, live, x + at, dx + at)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef:
        const NormPool* g = <const NormPool*>o.geometry
        ChannelValues v = channel_values(o, c)
        const real* x = tensor(o.x, image)
        const real* dy = tensor(o.dy, image)
        const int* argmax = <const int*>tensor(o.argmax, image)
        real* dx = tensor(o.dx, image)
        Py_ssize_t block, k
        vec slope, mean, along, mean_dy
        lanes live
    if not o.with_dx:
        return
    for block in range(registers(g.norm.c)):
        k = block * LANES
        live = lanes_of(g.norm.c - k)
        slope, mean = vload_lanes(v.slope + k, live), vload_lanes(v.mean + k, live)
        mean_dy = vload_lanes(v.correction + k, live)
        along = vload_lanes(v.inverse + k, live) * vload_lanes(v.mean_dy_xhat + k, live)
        if g.norm.c - k >= LANES:
            backward_block(True, g, slope, mean, along, mean_dy, live, x + k, dy + k, argmax + k, dx + k)
        else:
            backward_block(False, g, slope, mean, along, mean_dy, live, x + k, dy + k, argmax + k, dx + k)


cdef inline void set_batchnorm_pool(OperationKind* row) noexcept:
    row.name = "batchnorm+pool"
    row.read, row.measure, row.forward, row.backward, row.update = read, measure, forward, backward, update
    row.add_moments, row.merge_moments = add_moments, merge_moments
    row.add_gradient_moments, row.merge_gradient_moments = add_gradient_moments, merge_gradient_moments
