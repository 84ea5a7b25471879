# Batch normalisation with the 2x2 max pooling that follows it, and a ReLU between them if there is one, as one
# operation of a plan: forward a maximum for each window, without the map before it; backward one gradient a window, put
# where its maximum was, among the terms that all positions have.
#
#   y  = max over the window of v,   v = relu(slope * (x - mean) + shift)
#   dx = slope * (d - mean_dy - (x - mean) * along),   along = mean_dy_xhat * inverse
#
# with d = dy at the window's first maximum, if that passed the ReLU, else 0.

from libc.string cimport memset

from ..arrays cimport as_tuple
from ..simd cimport (
    LANES, choice, iequals, ihas_bit, iload, istore, ivec, lanes, lanes_of, real, registers, vec, vload_lanes, vselect,
    vsplat, vstore_lanes,
)
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, chunk_of, new_geometry, tensor
from .batchnorm cimport (
    ChannelValues, add_moments, channel_values, measure_normalisation, merge_gradient_moments, merge_moments,
    moments_of_chunk, update,
)
from .batchnorm_kernels cimport Norm
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


cdef inline vec normalised(const real* x, vec slope, vec shift, vec mean, lanes live) noexcept nogil:
    return (vload_lanes(x, live) - mean) * slope + shift


cdef inline void forward_row(const NormPool* g, vec slope, vec shift, vec mean, lanes live, const real* x, real* y,
                             int* argmax) noexcept nogil:
    # A row of windows of LANES channels. x: two rows (w, c), y and argmax: (w // 2, c), from their first channel on
    cdef:
        Py_ssize_t _, c = g.norm.c, down = g.w * g.norm.c
        ivec code
    for _ in range(g.w // 2):
        vstore_lanes(y, window_maximum(g.norm.relu, normalised(x, slope, shift, mean, live),
                                       normalised(x + c, slope, shift, mean, live),
                                       normalised(x + down, slope, shift, mean, live),
                                       normalised(x + down + c, slope, shift, mean, live), &code), live)
        istore(argmax, code, live)
        x += 2 * c
        y += c
        argmax += c


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    # Row by row, so that a row's second channels are still in the first cache.
    cdef:
        const NormPool* g = <const NormPool*>o.geometry
        ChannelValues v = channel_values(o, c)
        const real* x = tensor(o.x, image)
        real* y = tensor(o.y, image)
        int* argmax = <int*>tensor(o.argmax, image)
        Py_ssize_t _, block, k
        lanes live
    for _ in range(g.h // 2):
        for block in range(registers(g.norm.c)):
            k = block * LANES
            live = lanes_of(g.norm.c - k)
            forward_row(g, vload_lanes(v.slope + k, live), vload_lanes(v.shift + k, live),
                        vload_lanes(v.mean + k, live), live, x + k, y + k, argmax + k)
        x += 2 * g.w * g.norm.c
        y += g.w // 2 * g.norm.c
        argmax += g.w // 2 * g.norm.c


# ---- backward ----

cdef inline void add_gradients_of_row(const NormPool* g, vec mean, vec inverse, lanes live, const real* x,
                                      const real* dy, const int* argmax, real* along, real* total) noexcept nogil:
    # along, total: (channels,), to which those of a row of windows are added
    cdef:
        Py_ssize_t _, c = g.norm.c, down = g.w * g.norm.c
        ivec code
        vec d, top, bottom, at_maximum
        vec sum_along = vload_lanes(along, live), sum_ = vload_lanes(total, live)
        choice right
    for _ in range(g.w // 2):
        code = iload(argmax, live)
        d = vselect(ihas_bit(code, IDLE), vsplat(0), vload_lanes(dy, live))
        right = ihas_bit(code, 1)
        top = vselect(right, vload_lanes(x + c, live), vload_lanes(x, live))
        bottom = vselect(right, vload_lanes(x + down + c, live), vload_lanes(x + down, live))
        at_maximum = vselect(ihas_bit(code, 2), bottom, top)
        sum_along = sum_along + d * ((at_maximum - mean) * inverse)
        sum_ = sum_ + d
        x += 2 * c
        dy += c
        argmax += c
    vstore_lanes(along, sum_along, live)
    vstore_lanes(total, sum_, live)


cdef inline void add_gradient_moments(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef:
        const NormPool* g = <const NormPool*>o.geometry
        ChannelValues v = channel_values(o, c)
        double* sums = moments_of_chunk(o, c, chunk_of(c.batch, image.i)) + 2 * o.channels
        const real* x = tensor(o.x, image)
        const real* dy = tensor(o.dy, image)
        const int* argmax = <const int*>tensor(o.argmax, image)
        real* along = c.worker.scratch  # (2, channels): of this image
        Py_ssize_t _, block, k
        lanes live
    memset(along, 0, 2 * o.channels * sizeof(real))
    for _ in range(g.h // 2):
        for block in range(registers(g.norm.c)):
            k = block * LANES
            live = lanes_of(g.norm.c - k)
            add_gradients_of_row(g, vload_lanes(v.mean + k, live), vload_lanes(v.inverse + k, live), live, x + k,
                                 dy + k, argmax + k, along + k, along + o.channels + k)
        x += 2 * g.w * g.norm.c
        dy += g.w // 2 * g.norm.c
        argmax += g.w // 2 * g.norm.c
    for k in range(2 * o.channels):
        sums[k] += along[k]


cdef struct Backward:
    # Of LANES channels.
    vec slope, mean, along, mean_dy
    lanes live


cdef inline void put(const Backward* b, vec d, const real* x, real* dx) noexcept nogil:
    vstore_lanes(dx, b.slope * (d - b.mean_dy - (vload_lanes(x, b.live) - b.mean) * b.along), b.live)


cdef inline void backward_row(const NormPool* g, Backward b, const real* x, const real* dy, const int* argmax,
                              real* dx) noexcept nogil:
    # A row of windows: x, dx: two rows (w, c), dy and argmax: (w // 2, c)
    cdef:
        Py_ssize_t _, c = g.norm.c, down = g.w * g.norm.c
        ivec code
        vec d, zero = vsplat(0)
    for _ in range(g.w // 2):
        code = iload(argmax, b.live)
        d = vload_lanes(dy, b.live)
        put(&b, vselect(iequals(code, 0), d, zero), x, dx)
        put(&b, vselect(iequals(code, 1), d, zero), x + c, dx + c)
        put(&b, vselect(iequals(code, 2), d, zero), x + down, dx + down)
        put(&b, vselect(iequals(code, 3), d, zero), x + down + c, dx + down + c)
        x += 2 * c
        dx += 2 * c
        dy += c
        argmax += c
    if g.w % 2:  # a column that is in no window
        put(&b, zero, x, dx)
        put(&b, zero, x + down, dx + down)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef:
        const NormPool* g = <const NormPool*>o.geometry
        ChannelValues v = channel_values(o, c)
        const real* x = tensor(o.x, image)
        const real* dy = tensor(o.dy, image)
        const int* argmax = <const int*>tensor(o.argmax, image)
        real* dx = tensor(o.dx, image)
        Py_ssize_t i, j, block, k
        Backward b
    if not o.with_dx:
        return
    for i in range((g.h + 1) // 2):
        for block in range(registers(g.norm.c)):
            k = block * LANES
            b.live = lanes_of(g.norm.c - k)
            b.slope, b.mean = vload_lanes(v.slope + k, b.live), vload_lanes(v.mean + k, b.live)
            b.mean_dy = vload_lanes(v.correction + k, b.live)
            b.along = vload_lanes(v.inverse + k, b.live) * vload_lanes(v.mean_dy_xhat + k, b.live)
            if i < g.h // 2:
                backward_row(g, b, x + k, dy + k, argmax + k, dx + k)
            else:  # a row that is in no window
                for j in range(g.w):
                    put(&b, vsplat(0), x + k + j * g.norm.c, dx + k + j * g.norm.c)
        x += 2 * g.w * g.norm.c
        dx += 2 * g.w * g.norm.c
        dy += g.w // 2 * g.norm.c
        argmax += g.w // 2 * g.norm.c


cdef inline void set_batchnorm_pool(OperationKind* row) noexcept:
    row.name = "batchnorm+pool"
    row.read, row.measure, row.forward, row.backward, row.update = read, measure, forward, backward, update
    row.add_moments, row.merge_moments = add_moments, merge_moments
    row.add_gradient_moments, row.merge_gradient_moments = add_gradient_moments, merge_gradient_moments
