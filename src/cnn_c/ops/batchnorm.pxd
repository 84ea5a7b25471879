# Batch normalisation as an operation of a plan. What it needs of the whole batch, forward its moments and backward the
# means of its gradients, is summed chunk by chunk and merged by every thread once all have met at a barrier. In a
# prediction, or frozen, it takes the running statistics and needs no other image.

from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from ..arrays cimport as_tuple
from ..simd cimport real
from ..step.optimizer cimport update_run
from ..step.program cimport (
    Context, Image, Operation, OperationKind, Sizes, chunk_of, first_of_chunk, new_geometry, tensor, workspace,
)
from .batchnorm_kernels cimport (
    Norm, add_gradients, add_image, add_squares, merge_moments as merge_two, normalize, normalize_backward,
    scale_gradient,
)
from .folding cimport channel_scales


cdef struct ChannelValues:
    # A thread's workspace, each (channels,). While a batch trains, mean and variance are the batch's.
    real* slope         # y = slope * (x - mean) + shift
    real* shift
    real* mean
    real* inverse       # 1 / standard deviation
    real* mean_dy_xhat
    real* mean_dy
    real* variance      # unbiased, for the running statistics
    real* correction    # forward: the mean's rounding error; backward: mean_dy with that error taken out


cdef enum:
    CHANNEL_VALUES = 8


cdef inline ChannelValues channel_values(const Operation* o, const Context* c) noexcept nogil:
    cdef ChannelValues v
    cdef real* start = workspace(o, c)
    cdef Py_ssize_t n = o.channels
    v.slope, v.shift, v.mean, v.inverse = start, start + n, start + 2 * n, start + 3 * n
    v.mean_dy_xhat, v.mean_dy, v.variance, v.correction = start + 4 * n, start + 5 * n, start + 6 * n, start + 7 * n
    return v


cdef inline int read(Operation* o, object geometry) except -1:
    cdef Norm* g = <Norm*>new_geometry(o, sizeof(Norm))
    g.positions, g.c, g.relu, g.keep = as_tuple(geometry)
    return 0


cdef inline void measure_normalisation(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const Norm* g = <const Norm*>o.geometry
    sizes.w = sizes.channels = g.c  # gamma; beta is in the place of the bias
    sizes.x = sizes.y = g.positions * g.c
    sizes.workspace = CHANNEL_VALUES * g.c
    if training:
        sizes.dy, sizes.dx = sizes.y, sizes.x if o.with_dx else 0
    if o.whole_batch:
        sizes.scratch, sizes.moments = 2 * g.c, 4 * g.c


cdef inline void prepare(const Operation* o, const Context* c) noexcept nogil:
    # From the running statistics: for predictions, and for a step in which the layer is frozen.
    cdef ChannelValues v = channel_values(o, c)
    if not o.whole_batch:
        channel_scales(o, c, v.slope)
        memcpy(v.shift, c.program.parameters + o.gamma + o.channels, o.channels * sizeof(real))
        memcpy(v.mean, c.program.statistics + o.statistics, o.channels * sizeof(real))


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef ChannelValues v = channel_values(o, c)
    normalize(<const Norm*>o.geometry, v.slope, v.shift, v.mean, tensor(o.x, image), tensor(o.y, image))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef ChannelValues v = channel_values(o, c)
    cdef const Norm* g = <const Norm*>o.geometry
    if o.with_dx and o.whole_batch:
        normalize_backward(g, v.slope, v.shift, v.mean, v.inverse, v.mean_dy_xhat, v.correction, tensor(o.x, image),
                           tensor(o.dy, image), tensor(o.dx, image))
    elif o.with_dx:
        scale_gradient(g, v.slope, tensor(o.y, image), tensor(o.dy, image), tensor(o.dx, image))


# ---- sums over the batch ----

cdef inline double values_of_chunk(const Operation* o, const Context* c, Py_ssize_t chunk) noexcept nogil:
    # Of one channel.
    cdef const Norm* g = <const Norm*>o.geometry
    return <double>(first_of_chunk(c.batch, chunk + 1) - first_of_chunk(c.batch, chunk)) * g.positions


cdef inline double* moments_of_chunk(const Operation* o, const Context* c, Py_ssize_t chunk) noexcept nogil:
    # (4, channels): mean, sum of squared distances from it; sums of dy * xhat, of dy
    return c.program.all_moments + chunk * c.program.moments + o.moments


cdef inline void add_moments(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    # The moments of the chunk's images so far, and those of this one, whose x is still in the cache.
    cdef:
        const Norm* g = <const Norm*>o.geometry
        double* to = moments_of_chunk(o, c, chunk_of(c.batch, image.i))
        Py_ssize_t k, before = image.i - first_of_chunk(c.batch, chunk_of(c.batch, image.i))
        double* own = c.worker.merged if before > 0 else to
    if before == 0:
        memset(to, 0, 4 * o.channels * sizeof(double))
    else:
        memset(own, 0, 2 * o.channels * sizeof(double))
    add_image(g, tensor(o.x, image), own)
    for k in range(o.channels):
        own[k] /= g.positions
    add_squares(g, tensor(o.x, image), own, own + o.channels)
    if before > 0:
        merge_two(g, <double>before * g.positions, to, g.positions, own)


cdef inline void merge_moments(const Operation* o, const Context* c) noexcept nogil:
    cdef:
        const Norm* g = <const Norm*>o.geometry
        const real* gamma = c.program.parameters + o.w
        ChannelValues v = channel_values(o, c)
        double* merged = c.worker.merged
        Py_ssize_t chunk, k, channels = o.channels
        double count = values_of_chunk(o, c, 0), more, inverse, rest
    memcpy(merged, moments_of_chunk(o, c, 0), 2 * channels * sizeof(double))
    for chunk in range(1, c.batch.chunks):
        more = values_of_chunk(o, c, chunk)
        merge_two(g, count, merged, more, moments_of_chunk(o, c, chunk))
        count += more
    for k in range(channels):
        inverse = 1 / sqrt(merged[channels + k] / count + o.epsilon)
        v.mean[k], v.inverse[k] = <real>merged[k], <real>inverse
        rest = merged[k] - v.mean[k]
        v.slope[k], v.shift[k] = <real>(gamma[k] * inverse), <real>(gamma[channels + k] - rest * gamma[k] * inverse)
        v.correction[k] = <real>rest
        v.variance[k] = <real>(merged[channels + k] / max(count - 1, 1.0))


cdef inline void add_gradient_moments(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef ChannelValues v = channel_values(o, c)
    add_gradients(<const Norm*>o.geometry, v.slope, v.shift, v.mean, v.inverse, tensor(o.x, image),
                  tensor(o.dy, image), moments_of_chunk(o, c, chunk_of(c.batch, image.i)) + 2 * o.channels)


cdef inline void merge_gradient_moments(const Operation* o, const Context* c) noexcept nogil:
    # Where the mean is large, its rounding error moves each xhat by the same amount. What that adds is taken away here,
    # or the sum of dx over the batch, times the next layer's mean, would be most of a weight's gradient.
    cdef:
        const Norm* g = <const Norm*>o.geometry
        ChannelValues v = channel_values(o, c)
        Py_ssize_t chunk, k, channels = o.channels
        const double* sums
        double mean_dy_xhat, mean_dy, moved, count = <double>c.batch.n * g.positions
    for k in range(channels):
        mean_dy_xhat = mean_dy = 0
        for chunk in range(c.batch.chunks):
            sums = moments_of_chunk(o, c, chunk) + 2 * channels
            mean_dy_xhat += sums[k]
            mean_dy += sums[channels + k]
        moved = <double>v.correction[k] * v.inverse[k]
        mean_dy /= count
        mean_dy_xhat = mean_dy_xhat / count - moved * mean_dy
        v.mean_dy_xhat[k], v.mean_dy[k] = <real>mean_dy_xhat, <real>mean_dy
        v.correction[k] = <real>(mean_dy - moved * mean_dy_xhat)


cdef inline void update(const Operation* o, const Context* c) noexcept nogil:
    cdef:
        const Norm* g = <const Norm*>o.geometry
        ChannelValues v = channel_values(o, c)
        Py_ssize_t k, channels = o.channels
        real* gradients = c.worker.scratch
        real* running = c.program.statistics + o.statistics
        real keep = <real>g.keep, count = <real>(c.batch.n * g.positions)
    for k in range(channels):
        gradients[k], gradients[channels + k] = v.mean_dy_xhat[k] * count, v.mean_dy[k] * count
    update_run(c.optimizer, 2 * channels, gradients, o.w)
    for k in range(channels):
        running[k] = keep * running[k] + (1 - keep) * v.mean[k]
        running[channels + k] = keep * running[channels + k] + (1 - keep) * v.variance[k]


cdef inline void set_batchnorm(OperationKind* row) noexcept:
    row.name = "batchnorm"
    row.read, row.measure, row.prepare = read, measure_normalisation, prepare
    row.forward, row.backward = forward, backward
    row.add_moments, row.merge_moments = add_moments, merge_moments
    row.add_gradient_moments, row.merge_gradient_moments = add_gradient_moments, merge_gradient_moments
    row.update = update
