# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The kernels over a batch: the only place with threads, and the only one that Python sees.

A. Every function takes C-contiguous arrays of this build's dtype, a geometry tuple and a number of threads. Python
   has checked them; `values` and `results` check dtype, layout and size once more.
B. A function fills in a Job and calls `share_out`, which gives every thread a run of items (images, mostly) and some
   scratch memory. Scratch is allocated before the first result is written. Whole steps have a team of their own: the
   `Runner` in runner.pxi, which is a part of this module.
C. What is summed over images is summed in chunks whose number depends on the batch alone, so that results are the
   same bits for any number of threads.
"""

cimport numpy as np
from cython.parallel cimport prange
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .activation cimport relu_backward as relu_backward_run, relu_forward as relu_forward_run
from .arrays cimport CACHE_LINE, aligned, checked, count, results, values, zeros
from .augment cimport KNOTS, Warp, warp_image, warp_size
from .avgpool cimport avgpool_backward as avgpool_backward_image, avgpool_forward as avgpool_forward_image
from .conv cimport (
    Conv, Frame, Grouped, bias_gradient, conv2d_forward as conv2d_forward_image,
    conv2d_weight_gradient as conv2d_weight_gradient_image, frame_size, framed, grouped, input_frame,
    output_gradient_frame, pack_weights, packed_size, turn_weights, turned, unpack_weight_gradient, weight_sums_size,
)
from .conv_pool_image cimport padded
from .dense cimport (
    Dense, column_blocks, dense_backward_image, dense_forward as dense_forward_block,
    dense_input_gradient as dense_input_gradient_columns, dense_update, dense_update_bias,
)
from .loss cimport cross_entropy, softmax as softmax_row, softmax_backward
from .maxpool cimport (
    Pool, maxpool_backward as maxpool_backward_image, maxpool_backward_ties as maxpool_backward_ties_image,
    maxpool_forward as maxpool_forward_image,
)
from .optimizer cimport ADAM, KEEP_GRADIENT, SGD, SGD_MOMENTUM, Optimizer, set_factors, update_run
from .program cimport FLOAT32, FLOAT64, UINT8, Batch
from .random cimport stream
from .simd cimport LANES, real, vec, vload, vstore
from .step_forward cimport load_image

np.import_array()

cdef extern from *:
    """
    #ifdef _OPENMP
    #define OPENMP_VERSION _OPENMP
    #else
    #define OPENMP_VERSION 0
    #endif
    """
    int OPENMP_VERSION

lanes = LANES
openmp = OPENMP_VERSION  # the year and month of the OpenMP standard that this was built for, 0 without OpenMP

cdef enum:
    CHUNKS = 16       # of a batch, in a sum over its images
    RUN = 4096        # reals of an elementwise operation in one item
    SMALL = 1 << 17   # multiply-adds, a few microseconds


# ---- threads ----

cdef struct Job

ctypedef void (*Work)(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil

cdef struct Job:
    Work work                      # does the items first .. stop
    real* scratch                  # scratch_size reals for each thread, one thread's after the other's
    Py_ssize_t scratch_size
    Conv conv
    Grouped grouped
    Frame frame
    Pool pool
    Dense dense
    Optimizer optimizer
    Batch batch
    Warp warp
    Py_ssize_t n, chunks           # images; parts of the batch
    bint with_bias
    Py_ssize_t in_size, out_size   # reals of an image
    const real* x
    const real* w
    const real* b
    const real* y
    const real* dy
    real* out
    real* packed
    int* switches


cdef void share_out(const Job* job, Py_ssize_t items, int threads) noexcept nogil:
    # The parallel region of single operations. One thread opens none: that alone would cost half a microsecond.
    cdef Py_ssize_t part, parts = min(threads, items)
    if parts <= 1:
        job.work(job, 0, items, job.scratch)
        return
    for part in prange(parts, num_threads=<int>parts, schedule="static"):
        job.work(job, items * part // parts, items * (part + 1) // parts, job.scratch + part * job.scratch_size)


# ---- what Python describes ----

cdef inline tuple as_tuple(geometry):
    # A named tuple is a tuple in memory; Cython's own conversion takes no subclass.
    if not isinstance(geometry, tuple):
        raise SystemError("a kernel was given no geometry")
    return <tuple>geometry


cdef inline Conv conv_from(geometry) except *:
    cdef Conv g
    g.h, g.w, g.c_in, g.c_out, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw, g.oh, g.ow = as_tuple(geometry)
    return g


cdef inline Pool pool_from(geometry) except *:
    cdef Pool g
    g.h, g.w, g.c, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw, g.oh, g.ow = as_tuple(geometry)
    return g


cdef void set_data(Batch* batch, np.ndarray x) except *:
    cdef int typenum = x.descr.type_num
    batch.data = checked(x, typenum, np.PyArray_SIZE(x), False)
    if typenum == np.NPY_UINT8:
        batch.data_kind = UINT8
    elif typenum == np.NPY_FLOAT32:
        batch.data_kind = FLOAT32
    elif typenum == np.NPY_FLOAT64:
        batch.data_kind = FLOAT64
    else:
        raise SystemError(f"a kernel was given images of {x.dtype}")


# ---- convolution ----

def conv2d_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b, np.ndarray y not None, geometry,
                   int threads):
    """x (n, h, w, c_in), w (kh, kw, c_in, c_out), b (c_out,) or None -> y (n, oh, ow, c_out)."""
    cdef:
        Job job
        Conv g = conv_from(geometry)
        Py_ssize_t n
        np.ndarray scratch
        const real* wp = values(w, g.kh * g.kw * g.c_in * g.c_out)
        const real* bp = values(b, g.c_out) if b is not None else NULL
    job.work = conv2d_forward_images
    job.grouped, job.frame = grouped(&g), input_frame(&g)
    job.in_size, job.out_size = g.h * g.w * g.c_in, g.oh * g.ow * g.c_out
    n = count(x, job.in_size)
    job.x, job.out = values(x, n * job.in_size), results(y, n * job.out_size)
    job.scratch_size = frame_size(&job.frame)
    scratch = zeros(packed_size(&job.grouped) + threads * job.scratch_size)
    job.packed = aligned(scratch)
    job.scratch = job.packed + packed_size(&job.grouped)
    with nogil:
        pack_weights(&job.grouped, wp, bp, job.packed)
        share_out(&job, n, threads)


cdef void conv2d_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        conv2d_forward_image(&job.grouped, &job.frame, framed(&job.frame, job.x + i * job.in_size, scratch),
                             job.packed, job.out + i * job.out_size)


def conv2d_input_gradient(np.ndarray dy not None, np.ndarray w not None, np.ndarray dx not None, geometry,
                          int threads):
    """dy (n, oh, ow, c_out), w (kh, kw, c_in, c_out) -> dx (n, h, w, c_in)."""
    cdef:
        Job job
        Conv g = conv_from(geometry), t = turned(&g)
        Py_ssize_t n, w_size = g.kh * g.kw * g.c_in * g.c_out
        np.ndarray scratch
        real* turned_w
        const real* wp = values(w, w_size)
    job.work = conv2d_forward_images  # over dy, with the weights turned
    job.grouped, job.frame = grouped(&t), output_gradient_frame(&g)
    job.in_size, job.out_size = g.oh * g.ow * g.c_out, g.h * g.w * g.c_in
    n = count(dy, job.in_size)
    job.x, job.out = values(dy, n * job.in_size), results(dx, n * job.out_size)
    job.scratch_size = frame_size(&job.frame)
    scratch = zeros(packed_size(&job.grouped) + threads * job.scratch_size + w_size)
    job.packed = aligned(scratch)
    job.scratch = job.packed + packed_size(&job.grouped)
    turned_w = job.scratch + threads * job.scratch_size
    with nogil:
        turn_weights(&g, wp, turned_w)
        pack_weights(&job.grouped, turned_w, NULL, job.packed)
        share_out(&job, n, threads)


def conv2d_weight_gradient(np.ndarray dy not None, np.ndarray x not None, np.ndarray dw not None, np.ndarray db,
                           geometry, int threads):
    """dy (n, oh, ow, c_out), x (n, h, w, c_in) -> dw (kh, kw, c_in, c_out), db (c_out,) or None."""
    conv2d_weights(dy, x, dw, db, geometry, 1, False, threads)


def conv2d_descend(np.ndarray dy not None, np.ndarray x not None, np.ndarray w not None, geometry,
                   double learning_rate, int threads):
    """One step of gradient descent on w (kh, kw, c_in, c_out), in place; dy (n, oh, ow, c_out), x (n, h, w, c_in)."""
    conv2d_weights(dy, x, w, None, geometry, -learning_rate, True, threads)


cdef conv2d_weights(np.ndarray dy, np.ndarray x, np.ndarray dw, np.ndarray db, geometry, double scale, bint add,
                    int threads):
    # dw = scale * the gradient, or added to what is there
    cdef:
        Job job
        Conv g = conv_from(geometry)
        Py_ssize_t i, chunk, w_size, sums_size
        np.ndarray scratch
        real* sums
        real* dwp = results(dw, g.kh * g.kw * g.c_in * g.c_out)
        real* dbp = results(db, g.c_out) if db is not None else NULL
    job.work = conv2d_weight_gradient_chunks
    job.conv, job.grouped, job.frame = g, grouped(&g), input_frame(&g)
    job.in_size, job.out_size = g.h * g.w * g.c_in, g.oh * g.ow * g.c_out
    job.n = count(dy, job.out_size)
    job.chunks = min(max(job.n, 1), CHUNKS)
    job.x, job.dy = values(x, job.n * job.in_size), values(dy, job.n * job.out_size)
    job.scratch_size = frame_size(&job.frame)
    job.with_bias = dbp != NULL
    w_size = weight_sums_size(&job.grouped)
    sums_size = w_size + g.c_out
    scratch = zeros(job.chunks * sums_size + threads * job.scratch_size)
    job.packed = sums = aligned(scratch)
    job.scratch = sums + job.chunks * sums_size
    with nogil:
        share_out(&job, job.chunks, threads)
        for chunk in range(1, job.chunks):
            for i in range(sums_size):
                sums[i] += sums[chunk * sums_size + i]
        unpack_weight_gradient(&job.grouped, sums, <real>scale, add, dwp)
        if dbp != NULL:
            memcpy(dbp, sums + w_size, g.c_out * sizeof(real))


cdef void conv2d_weight_gradient_chunks(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                        real* scratch) noexcept nogil:
    cdef:
        Py_ssize_t chunk, i, w_size = weight_sums_size(&job.grouped)
        real* sums
    for chunk in range(first, stop):
        sums = job.packed + chunk * (w_size + job.conv.c_out)
        for i in range(job.n * chunk // job.chunks, job.n * (chunk + 1) // job.chunks):
            conv2d_weight_gradient_image(&job.grouped, &job.frame,
                                         framed(&job.frame, job.x + i * job.in_size, scratch),
                                         job.dy + i * job.out_size, sums)
            if job.with_bias:
                bias_gradient(job.conv.oh * job.conv.ow, job.conv.c_out, job.dy + i * job.out_size, sums + w_size)


# ---- max pooling ----

cdef inline Job pool_job(Work work, geometry) except *:
    cdef Job job
    job.work = work
    job.pool = pool_from(geometry)
    job.in_size = job.pool.h * job.pool.w * job.pool.c
    job.out_size = job.pool.oh * job.pool.ow * job.pool.c
    job.scratch, job.scratch_size = NULL, 0
    return job


def maxpool2d_forward(np.ndarray x not None, np.ndarray y not None, np.ndarray switches, geometry, int threads):
    """x (n, h, w, c) -> y and, unless None, int32 switches (n, oh, ow, c)."""
    cdef Job job = pool_job(maxpool2d_forward_images, geometry)
    cdef Py_ssize_t n = count(x, job.in_size)
    job.x, job.out = values(x, n * job.in_size), results(y, n * job.out_size)
    job.switches = NULL
    if switches is not None:
        job.switches = <int*>checked(switches, np.NPY_INT32, n * job.out_size, True)
    with nogil:
        share_out(&job, n, threads)


cdef void maxpool2d_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        maxpool_forward_image(&job.pool, job.x + i * job.in_size, job.out + i * job.out_size,
                              job.switches + i * job.out_size if job.switches != NULL else NULL)


def maxpool2d_backward(np.ndarray dy not None, np.ndarray switches not None, np.ndarray dx not None, geometry,
                       int threads):
    """dy and int32 switches (n, oh, ow, c) -> dx (n, h, w, c)."""
    cdef Job job = pool_job(maxpool2d_backward_images, geometry)
    cdef Py_ssize_t n = count(dy, job.out_size)
    job.dy, job.out = values(dy, n * job.out_size), results(dx, n * job.in_size)
    job.switches = <int*>checked(switches, np.NPY_INT32, n * job.out_size, False)
    with nogil:
        share_out(&job, n, threads)


cdef void maxpool2d_backward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        maxpool_backward_image(&job.pool, job.dy + i * job.out_size, job.switches + i * job.out_size,
                               job.out + i * job.in_size)


def maxpool2d_backward_ties(np.ndarray dy not None, np.ndarray x not None, np.ndarray y,
                            np.ndarray dx not None, geometry, int threads):
    """dy and y (n, oh, ow, c), x (n, h, w, c) -> dx (n, h, w, c); without y the maxima are found once more."""
    cdef Job job = pool_job(maxpool2d_backward_ties_images, geometry)
    cdef Py_ssize_t n = count(dy, job.out_size)
    job.dy, job.out = values(dy, n * job.out_size), results(dx, n * job.in_size)
    job.x = values(x, n * job.in_size)
    job.y = values(y, n * job.out_size) if y is not None else NULL
    with nogil:
        share_out(&job, n, threads)


cdef void maxpool2d_backward_ties_images(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                         real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        maxpool_backward_ties_image(&job.pool, job.dy + i * job.out_size, job.x + i * job.in_size,
                                    job.y + i * job.out_size if job.y != NULL else NULL,
                                    job.out + i * job.in_size)


def avgpool2d_forward(np.ndarray x not None, np.ndarray y not None, geometry, int threads):
    """x (n, h, w, c) -> y (n, oh, ow, c)."""
    cdef Job job = pool_job(avgpool2d_forward_images, geometry)
    cdef Py_ssize_t n = count(x, job.in_size)
    job.x, job.out = values(x, n * job.in_size), results(y, n * job.out_size)
    with nogil:
        share_out(&job, n, threads)


cdef void avgpool2d_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        avgpool_forward_image(&job.pool, job.x + i * job.in_size, job.out + i * job.out_size)


def avgpool2d_backward(np.ndarray dy not None, np.ndarray dx not None, geometry, int threads):
    """dy (n, oh, ow, c) -> dx (n, h, w, c)."""
    cdef Job job = pool_job(avgpool2d_backward_images, geometry)
    cdef Py_ssize_t n = count(dy, job.out_size)
    job.dy, job.out = values(dy, n * job.out_size), results(dx, n * job.in_size)
    with nogil:
        share_out(&job, n, threads)


cdef void avgpool2d_backward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        avgpool_backward_image(&job.pool, job.dy + i * job.out_size, job.out + i * job.in_size)


# ---- augmentation ----

def augment(np.ndarray x not None, np.ndarray y not None, warp, uint64_t seed, int threads):
    """Images x (n, h, w, c) -> y (n, h, w, c), each warped by its own random numbers, as `Runner.train` does."""
    cdef Job job
    job.work = augment_images
    job.warp = warp_from(warp)
    job.in_size = job.warp.h * job.warp.w * job.warp.c
    job.n = count(x, job.in_size)
    set_data(&job.batch, x)
    job.batch.order, job.batch.seed = NULL, seed
    job.out = results(y, job.n * job.in_size)
    job.scratch_size = padded(warp_size(job.warp.h, job.warp.w, job.warp.c))
    scratch = zeros(threads * job.scratch_size + CACHE_LINE // sizeof(real))
    job.scratch = aligned(scratch)
    with nogil:
        share_out(&job, job.n, threads)


cdef void augment_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        load_image(job.in_size, &job.batch, i, 1, 0, scratch)
        warp_image(&job.warp, stream(job.batch.seed, i, 0), 1, 0, scratch, job.out + i * job.in_size)


cdef Warp warp_from(warp) except *:
    # A cnn.augment.Warp
    cdef:
        Warp g
        double shift = warp.shift, rotate = warp.rotate, scale = warp.scale, shear = warp.shear
    g.h, g.w, g.c = warp.shape
    g.shift, g.rotate, g.scale, g.shear = shift, rotate, scale, shear
    g.elastic, g.noise = warp.elastic, warp.noise
    g.rows, g.columns = values(warp.rows, g.h * KNOTS), values(warp.columns, KNOTS * g.w)
    return g


# ---- dense ----

cdef inline Job dense_job(Work work, np.ndarray w) except *:
    # w, or dw: (units, inputs)
    cdef Job job
    job.work = work
    job.dense.units, job.dense.inputs = np.PyArray_DIM(w, 0), np.PyArray_DIM(w, 1)
    job.dense.relu = False
    job.scratch, job.scratch_size = NULL, 0
    return job


cdef inline int worth(const Job* job, int threads) noexcept nogil:
    # A product of so few terms is done before a second thread has begun.
    return threads if job.n * job.dense.inputs * job.dense.units >= SMALL else 1


def dense_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b, np.ndarray y not None, int threads):
    """x (n, inputs), w (units, inputs), b (units,) or None -> y (n, units)."""
    cdef Job job = dense_job(dense_forward_images, w)
    job.n = count(x, job.dense.inputs)
    job.x, job.w = values(x, job.n * job.dense.inputs), values(w, job.dense.inputs * job.dense.units)
    job.b = values(b, job.dense.units) if b is not None else NULL
    job.out = results(y, job.n * job.dense.units)
    with nogil:
        share_out(&job, job.n, worth(&job, threads))


cdef void dense_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    dense_forward_block(&job.dense, stop - first, job.x + first * job.dense.inputs, job.dense.inputs, job.w, job.b,
                        job.out + first * job.dense.units, job.dense.units)


def dense_input_gradient(np.ndarray dy not None, np.ndarray w not None, np.ndarray dx not None, int threads):
    """dy (n, units), w (units, inputs) -> dx (n, inputs)."""
    cdef Job job = dense_job(dense_input_gradient_blocks, w)
    job.n = count(dy, job.dense.units)
    job.dy, job.w = values(dy, job.n * job.dense.units), values(w, job.dense.inputs * job.dense.units)
    job.out = results(dx, job.n * job.dense.inputs)
    with nogil:
        share_out(&job, column_blocks(&job.dense), worth(&job, threads))


cdef void dense_input_gradient_blocks(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t block
    for block in range(first, stop):
        dense_input_gradient_columns(&job.dense, block, job.n, job.dy, job.dense.units, job.w, job.out,
                                     job.dense.inputs)


def dense_weight_gradient(np.ndarray dy not None, np.ndarray x not None, np.ndarray dw not None, np.ndarray db,
                          int threads):
    """dy (n, units), x (n, inputs) -> dw (units, inputs), db (units,) or None."""
    cdef:
        Job job = dense_job(dense_update_blocks, dw)
        Optimizer keep_db
    job.n = count(dy, job.dense.units)
    job.dy, job.x = values(dy, job.n * job.dense.units), values(x, job.n * job.dense.inputs)
    job.optimizer.kind = keep_db.kind = KEEP_GRADIENT
    job.optimizer.first = job.optimizer.parameters = results(dw, job.dense.inputs * job.dense.units)
    keep_db.first = keep_db.parameters = results(db, job.dense.units) if db is not None else NULL
    with nogil:
        share_out(&job, column_blocks(&job.dense), worth(&job, threads))
        if keep_db.first != NULL:
            dense_update_bias(&job.dense, job.n, job.dy, job.dense.units, &keep_db, 0)


cdef void dense_update_blocks(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t block
    for block in range(first, stop):
        dense_update(&job.dense, block, 0, job.dense.units, job.n, job.dy, job.dense.units, job.x, job.dense.inputs,
                     &job.optimizer, 0)


# ---- elementwise ----

def relu_forward(np.ndarray x not None, np.ndarray y not None, int threads):
    """y = max(x, 0), NaN stays NaN; any shape."""
    cdef Job job
    job.work = relu_forward_runs
    job.n = np.PyArray_SIZE(x)
    job.x, job.out = values(x, job.n), results(y, job.n)
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void relu_forward_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    relu_forward_run(min(stop * RUN, job.n) - first * RUN, job.x + first * RUN, job.out + first * RUN)


def relu_backward(np.ndarray dy not None, np.ndarray y not None, np.ndarray dx not None, int threads):
    """dx = dy where y > 0, else 0; any shape."""
    cdef Job job
    job.work = relu_backward_runs
    job.n = np.PyArray_SIZE(dy)
    job.dy, job.y, job.out = values(dy, job.n), values(y, job.n), results(dx, job.n)
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void relu_backward_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    relu_backward_run(min(stop * RUN, job.n) - first * RUN, job.dy + first * RUN, job.y + first * RUN,
                      job.out + first * RUN)


# ---- optimiser ----

_OPTIMIZERS = {"sgd": SGD, "sgd_momentum": SGD_MOMENTUM, "adam": ADAM}


cdef Optimizer optimizer_from(rule) except *:
    # A cnn.optimizers.Rule
    cdef Optimizer o
    cdef double decay = rule.weight_decay, momentum = rule.momentum, beta2 = rule.beta2, epsilon = rule.epsilon
    o.kind, o.nesterov = _OPTIMIZERS[rule.kind], rule.nesterov
    o.decay, o.momentum, o.beta2, o.epsilon = <real>decay, <real>momentum, <real>beta2, <real>epsilon
    o.fresh, o.fresh2 = <real>(1 - momentum), <real>(1 - beta2)
    return o


def update(np.ndarray parameters not None, np.ndarray gradients not None, np.ndarray first, np.ndarray second, rule,
           np.ndarray factors not None, int threads):
    """One step of an optimiser on the parameters, in place; first and second are its states, or None."""
    cdef Job job
    job.work = update_runs
    job.n = np.PyArray_SIZE(parameters)
    job.x = values(gradients, job.n)
    job.optimizer = optimizer_from(rule)
    job.optimizer.parameters = results(parameters, job.n)
    job.optimizer.first = results(first, job.n) if first is not None else NULL
    job.optimizer.second = results(second, job.n) if second is not None else NULL
    set_factors(&job.optimizer, <double*>checked(factors, np.NPY_FLOAT64, 3, False))
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void update_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    update_run(&job.optimizer, min(stop * RUN, job.n) - first * RUN, job.x + first * RUN, first * RUN)


# ---- softmax and loss ----

def softmax(np.ndarray logits not None, np.ndarray probabilities not None):
    """Logits (n, classes) -> probabilities (n, classes)."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(logits, 1), i, n = count(logits, classes)
        const real* z = values(logits, n * classes)
        real* p = results(probabilities, n * classes)
    with nogil:
        for i in range(n):
            softmax_row(classes, z + i * classes, p + i * classes)


def softmax_cross_entropy(np.ndarray logits not None, np.ndarray labels not None, np.ndarray probabilities not None,
                          np.ndarray dlogits not None):
    """Logits (n, classes), int64 labels (n,) below classes -> probabilities, dlogits; returns the mean loss."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(logits, 1), i, n = count(logits, classes)
        const real* z = values(logits, n * classes)
        const np.int64_t* label = <const np.int64_t*>checked(labels, np.NPY_INT64, n, False)
        real* p = results(probabilities, n * classes)
        real* dz = results(dlogits, n * classes)
        np.int64_t of = 0
        double log_total, loss = 0
    with nogil:
        for i in range(n):
            of = label[i]  # once: somebody else might write there
            if not 0 <= of < classes:
                break
            log_total = softmax_row(classes, z + i * classes, p + i * classes)
            loss += cross_entropy(classes, z + i * classes, of, 0, log_total, 1.0 / n, p + i * classes,
                                  dz + i * classes)
    if not 0 <= of < classes:
        raise SystemError(f"a kernel was given label {of} for {classes} classes")
    return loss / n


def softmax_layer_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b not None,
                          np.ndarray kept not None, np.ndarray p not None, int threads):
    """x (n, inputs), w (units, inputs), b (units,) -> p = softmax(z) (n, units), z = x @ w.T + b; kept is (z, p)."""
    cdef:
        Job job = dense_job(dense_forward_images, w)
        Py_ssize_t i, size, units = job.dense.units
        real* pp
    job.n = count(x, job.dense.inputs)
    job.x, job.w = values(x, job.n * job.dense.inputs), values(w, job.dense.inputs * units)
    job.b = values(b, units)
    size = job.n * units
    job.out, pp = results(kept, 2 * size), results(p, size)
    with nogil:
        share_out(&job, job.n, worth(&job, threads))
        for i in range(job.n):
            softmax_row(units, job.out + i * units, job.out + size + i * units)
        memcpy(pp, job.out + size, size * sizeof(real))


def softmax_layer_backprop(np.ndarray dp not None, np.ndarray kept not None, np.ndarray x not None,
                           np.ndarray w not None, np.ndarray b not None, np.ndarray dx not None, double learning_rate,
                           int threads):
    """dp (n, units), kept (z, p), x (n, inputs) -> dx (n, inputs); then a step of gradient descent on w, b."""
    cdef:
        Job job = dense_job(softmax_layer_blocks, w)
        Py_ssize_t i, units = job.dense.units
        const real* dpp
        const real* pp
        np.ndarray scratch
        real* dz
    job.n = count(x, job.dense.inputs)
    dpp, pp = values(dp, job.n * units), values(kept, 2 * job.n * units) + job.n * units
    job.optimizer.kind, job.optimizer.rate, job.optimizer.decay = SGD, <real>learning_rate, 0
    job.optimizer.parameters = results(w, job.dense.inputs * units)
    job.w = job.optimizer.parameters
    job.x, job.out = values(x, job.n * job.dense.inputs), results(dx, job.n * job.dense.inputs)
    scratch = zeros(job.n * units)
    job.dy = dz = aligned(scratch)  # gradients for the logits
    with nogil:
        for i in range(job.n):
            softmax_backward(units, dpp + i * units, pp + i * units, dz + i * units)
        if job.n == 1:
            dense_backward_image(&job.dense, dz, job.x, &job.optimizer, 0, job.out)
        else:
            share_out(&job, column_blocks(&job.dense), worth(&job, threads))
    job.optimizer.parameters = results(b, units)
    with nogil:
        dense_update_bias(&job.dense, job.n, dz, units, &job.optimizer, 0)


cdef void softmax_layer_blocks(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    # A block of columns of w serves dx and is updated at once, while it is in the first cache.
    cdef Py_ssize_t block
    for block in range(first, stop):
        dense_input_gradient_blocks(job, block, block + 1, scratch)
        dense_update_blocks(job, block, block + 1, scratch)


# ---- the whole step ----

include "runner.pxi"


# ---- the yardstick ----

def fused_multiply_adds(Py_ssize_t rounds):
    """Run `rounds` x 12 multiply-adds of whole registers and return how many floating-point operations that is.

    Twelve independent sums, no memory: timed, it gives the core's peak, to which benchmarks hold the kernels.
    """
    cdef:
        vec sums[12]
        vec factor
        real ones[LANES]
        Py_ssize_t _
        int t
    for t in range(LANES):
        ones[t] = 0.5
    factor = vload(ones)
    with nogil:
        for t in range(12):
            sums[t] = factor
        for _ in range(rounds):
            for t in range(12):
                sums[t] = sums[t] * factor + factor
        for t in range(1, 12):
            sums[0] = sums[0] + sums[t]
    vstore(ones, sums[0])
    return rounds * 12 * 2 * LANES if ones[0] == ones[0] else 0
