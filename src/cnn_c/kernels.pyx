# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The kernels over a batch: the only place with threads, and the only one that Python sees.

A. Every function takes C-contiguous arrays of this build's dtype, a geometry tuple and a number of threads. Python
   has checked them; `values` and `results` check dtype, layout and size once more, so that no call can leave an array.
B. A function fills in a Job and calls `share_out`, which gives every thread a run of items (images, mostly) and some
   scratch memory. Scratch is allocated before the first result is written. A `Runner` owns all memory of a plan and
   runs whole steps in one parallel region: images are shared out, then weights, with a barrier after each.
C. What is summed over images is summed in chunks whose number depends on the batch alone, so that results are the
   same bits for any number of threads.
"""

cimport numpy as np
from libc.stdint cimport int64_t, uint8_t, uint64_t
from cpython.exc cimport PyErr_Occurred
from cython.parallel cimport parallel, prange, threadid
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .activation cimport relu_backward as relu_backward_run, relu_forward as relu_forward_run
from .augment cimport KNOTS, Warp, warp_image, warp_size
from .avgpool cimport avgpool_backward as avgpool_backward_image, avgpool_forward as avgpool_forward_image
from .conv cimport (
    Conv, Frame, Grouped, bias_gradient, conv2d_forward as conv2d_forward_image,
    conv2d_weight_gradient as conv2d_weight_gradient_image, frame_size, framed, grouped, input_frame,
    output_gradient_frame, pack_weights, packed_size, turn_weights, turned, unpack_weight_gradient, weight_sums_size,
)
from .conv_pool cimport conv_pool_sums_size
from .conv_pool_image cimport conv_pool_image_sums_size, padded
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
from .program cimport (
    AVGPOOL, BATCHNORM, CONV, CONV_POOL, CONV_POOL_IMAGE, COPY, DENSE, DROPOUT, FLOAT32, FLOAT64, LOAD, MAXPOOL,
    MAXPOOL_TIES, RELU, RESCALE, UINT8, Batch, Operation, Program, Worker, backward_block, cells_from, forward_block,
    last_norm, load_image, losses_of_block, measure, measure_gradients, merge_sums, next_norm, now, predict_block,
    prepare, scratch_size, set_own, set_own_size, take_gradients, take_moments, update as apply_update,
)
from .random cimport stream
from .simd cimport LANES, REAL_BITS, flush_subnormals, real, restore_mode, vec, vload, vstore

np.import_array()

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define OPENMP_VERSION _OPENMP
    static int team_size(void) { return omp_get_num_threads(); }
    /* Of the parallel region that the caller is in. */
    static void barrier(int parts) { if (parts > 1) { _Pragma("omp barrier") } }
    #else
    #define OPENMP_VERSION 0
    static int team_size(void) { return 1; }
    static void barrier(int parts) { (void)parts; }
    #endif
    """
    int OPENMP_VERSION
    int check_signals "PyErr_CheckSignals"() noexcept  # the exception waits until all threads are done
    int team_size() noexcept nogil
    void barrier(int parts) noexcept nogil

lanes = LANES
openmp = OPENMP_VERSION  # the year and month of the OpenMP standard that this was built for, 0 without OpenMP

cdef enum:
    CACHE_LINE = 64   # bytes
    CHUNKS = 16       # of a batch, in a sum over its images
    RUN = 4096        # reals of an elementwise operation in one item
    SMALL = 1 << 17   # multiply-adds, a few microseconds

cdef int REAL = np.NPY_FLOAT64 if REAL_BITS == 64 else np.NPY_FLOAT32


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
    # The only parallel region. One thread opens none: that alone would cost half a microsecond.
    cdef Py_ssize_t part, parts = min(threads, items)
    if parts <= 1:
        job.work(job, 0, items, job.scratch)
        return
    for part in prange(parts, num_threads=<int>parts, schedule="static"):
        job.work(job, items * part // parts, items * (part + 1) // parts, job.scratch + part * job.scratch_size)


# ---- arrays ----

cdef void* checked(np.ndarray a, int typenum, Py_ssize_t size, bint writable) except NULL:
    if a.descr.type_num != typenum or not np.PyArray_ISCARRAY_RO(a) or np.PyArray_SIZE(a) != size:
        raise SystemError(f"a kernel was given {a.dtype} of {np.PyArray_SIZE(a)} elements where {size} were planned")
    if writable and not np.PyArray_ISWRITEABLE(a):
        raise SystemError("a kernel was given a read-only array for its result")
    return np.PyArray_DATA(a)


cdef inline const real* values(np.ndarray a, Py_ssize_t size) except NULL:
    return <const real*>checked(a, REAL, size, False)


cdef inline real* results(np.ndarray a, Py_ssize_t size) except NULL:
    return <real*>checked(a, REAL, size, True)


cdef inline Py_ssize_t count(np.ndarray a, Py_ssize_t size) except -1:
    # How many images of `size` reals an array holds, whatever its axes.
    if size < 1:
        raise SystemError("a kernel was given an empty image")
    return np.PyArray_SIZE(a) // size


cdef inline np.ndarray zeros(Py_ssize_t size):
    # Zeroed scratch memory for `size` reals from the cache line on that `aligned` finds.
    cdef np.npy_intp shape = size + CACHE_LINE // sizeof(real)
    return np.PyArray_ZEROS(1, &shape, REAL, 0)


cdef inline real* aligned(np.ndarray scratch) noexcept:
    cdef size_t address = <size_t>np.PyArray_DATA(scratch)
    return <real*>((address + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE)


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
    job.optimizer.first = results(dw, job.dense.inputs * job.dense.units)
    keep_db.first = results(db, job.dense.units) if db is not None else NULL
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
        double log_total, loss = 0
    for i in range(n):
        if not 0 <= label[i] < classes:
            raise SystemError(f"a kernel was given label {label[i]} for {classes} classes")
    with nogil:
        for i in range(n):
            log_total = softmax_row(classes, z + i * classes, p + i * classes)
            loss += cross_entropy(classes, z + i * classes, label[i], 0, log_total, 1.0 / n, p + i * classes,
                                  dz + i * classes)
    return loss / n


def softmax_layer_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b not None, np.ndarray p not None,
                          int threads):
    """x (n, inputs), w (units, inputs), b (units,) -> p = softmax(x @ w.T + b), (n, units)."""
    cdef Py_ssize_t i, units = np.PyArray_DIM(w, 0), n
    cdef real* pp
    dense_forward(x, w, b, p, threads)
    n, pp = count(p, units), results(p, np.PyArray_SIZE(p))
    with nogil:
        for i in range(n):
            softmax_row(units, pp + i * units, pp + i * units)


def softmax_layer_backprop(np.ndarray dp not None, np.ndarray p not None, np.ndarray x not None,
                           np.ndarray w not None, np.ndarray b not None, np.ndarray dx not None, double learning_rate,
                           int threads):
    """dp, p (n, units), x (n, inputs) -> dx (n, inputs); then one step of gradient descent on w and b, in place."""
    cdef:
        Job job = dense_job(softmax_layer_blocks, w)
        Py_ssize_t i, units = job.dense.units
        const real* dpp
        const real* pp
        np.ndarray scratch
        real* dz
    job.n = count(x, job.dense.inputs)
    dpp, pp = values(dp, job.n * units), values(p, job.n * units)
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

_KINDS = {"load": LOAD, "conv": CONV, "conv+pool": CONV_POOL, "image conv+pool": CONV_POOL_IMAGE, "maxpool": MAXPOOL,
          "maxpool, ties": MAXPOOL_TIES, "avgpool": AVGPOOL, "batchnorm": BATCHNORM, "dropout": DROPOUT, "relu": RELU,
          "rescale": RESCALE, "copy": COPY, "dense": DENSE}

cdef enum:
    CHECKED_AFTER = 50_000_000  # nanoseconds in which a step may go on without a look at signals


cdef struct Steps:
    # Some steps of training, as all threads see them.
    const Program* program
    Worker* workers
    Optimizer optimizer
    Batch batch
    Py_ssize_t batch_size, images, steps
    const double* factors            # three of each step
    double* losses                   # of each image
    uint8_t* right
    int not_finite, interrupted      # flags, written before a barrier and read after it
    Py_ssize_t done


cdef class Runner:
    """A plan and the memory that it wants: trains and predicts in one call, on a net's flat parameters.

    Not for two threads of Python at a time. With `profile` and one thread it adds up in `nanoseconds`, (operations, 3),
    what forward, backward and update of each operation take.
    """

    cdef:
        Program program
        Worker* workers
        list memory
        readonly int threads       # that it has memory for
        readonly Py_ssize_t bytes  # that it holds
        readonly np.ndarray nanoseconds
        Py_ssize_t image_size, batch_size

    def __cinit__(self):
        self.program.operations = NULL
        self.workers = NULL

    def __init__(self, plan, int threads, bint training, bint profile=False):
        cdef:
            Py_ssize_t i, own = 0, scratch = 0, channels = 0, norms = 0
            np.npy_intp shape[2]
            Program* p = &self.program
            Operation* o
        self.threads = threads
        self.memory, self.bytes = [], 0
        p.count, p.lowest = len(plan.operations), plan.lowest
        p.cell, p.row, p.block, p.chunks, p.classes = plan.cell, plan.row, plan.block, plan.chunks, plan.classes
        self.batch_size, self.image_size = plan.batch_size, plan.image_size
        p.operations = <Operation*>calloc(p.count, sizeof(Operation))
        self.workers = <Worker*>calloc(threads, sizeof(Worker))
        if p.operations == NULL or self.workers == NULL:
            raise MemoryError
        p.sums = p.moments = 0
        for i in range(p.count):
            o = p.operations + i
            set_operation(o, plan.operations[i])
            o.own, o.sums, o.moments = own, p.sums, p.moments
            own += set_own_size(o, training)
            if training:
                p.sums += o.sums_size
                p.moments += 4 * o.channels if o.kind == BATCHNORM else 0
            scratch = max(scratch, scratch_size(o))
            channels = max(channels, o.channels)
            norms += training and o.kind == BATCHNORM
        scratch = padded(max(scratch, p.classes))
        shape[0], shape[1] = p.count, 3
        self.nanoseconds = np.PyArray_ZEROS(2, shape, np.NPY_INT64, 0)
        p.nanoseconds = <int64_t*>np.PyArray_DATA(self.nanoseconds) if profile else NULL
        p.no_bias = self.allocate(padded(channels))
        p.all_sums = self.allocate(p.chunks * p.sums)
        p.rows = self.allocate(plan.batch_size * p.row if training else 0)
        p.cells = self.allocate(plan.batch_size * p.cell) if norms else NULL
        p.all_moments = self.allocate_doubles(p.chunks * p.moments)
        for i in range(threads):
            self.workers[i].cells = self.allocate(0 if norms else p.block * p.cell)
            self.workers[i].merged = self.allocate_doubles(2 * channels if norms else 0)
            self.workers[i].rows = self.allocate(0 if training else p.block * p.row)
            self.workers[i].own = self.allocate(own)
            self.workers[i].scratch = self.allocate(scratch)
            set_own(p, self.workers + i)

    def __dealloc__(self):
        free(self.program.operations)
        free(self.workers)

    cdef real* allocate(self, Py_ssize_t size) except NULL:
        cdef np.ndarray array = zeros(size + CACHE_LINE // sizeof(real))
        self.memory.append(array)
        self.bytes += size * sizeof(real)
        return aligned(array)

    cdef double* allocate_doubles(self, Py_ssize_t size) except NULL:
        return <double*>self.allocate(size * (sizeof(double) // sizeof(real)))

    def train(self, np.ndarray parameters not None, np.ndarray statistics not None, np.ndarray first,
              np.ndarray second, rule, np.ndarray factors not None, noise, np.ndarray x not None,
              np.ndarray labels not None, np.ndarray order not None, np.ndarray losses not None,
              np.ndarray right not None, int threads):
        """As many steps as there are rows of factors, on the images of x and labels that the int64 `order` names.

        Fills the loss and whether it was right (uint8) of every image. Returns the number of steps done; it is less
        than all where a loss was not finite, and the parameters are then as before that step.
        """
        cdef:
            Steps s
            Warp warp
            Py_ssize_t size = np.PyArray_SIZE(parameters)
            int team
        s.program, s.workers = &self.program, self.workers
        s.optimizer = optimizer_from(rule)
        s.optimizer.parameters = self.program.parameters = results(parameters, size)
        s.optimizer.first = results(first, size) if first is not None else NULL
        s.optimizer.second = results(second, size) if second is not None else NULL
        self.program.statistics = results(statistics, np.PyArray_SIZE(statistics))
        s.images, s.steps, s.batch_size = np.PyArray_SIZE(order), np.PyArray_SIZE(factors) // 3, self.batch_size
        if (s.images + s.batch_size - 1) // s.batch_size != s.steps:
            raise SystemError(f"{s.images} images are not {s.steps} steps of {s.batch_size}")
        s.factors = <double*>checked(factors, np.NPY_FLOAT64, 3 * s.steps, False)
        set_data(&s.batch, x)
        s.batch.seed, s.batch.position, s.batch.smoothing = noise.seed, noise.first, noise.label_smoothing
        s.batch.warp = NULL
        if noise.warp is not None:
            warp = warp_from(noise.warp)
            s.batch.warp = &warp
            if warp.h * warp.w * warp.c != self.image_size:
                raise SystemError("a kernel was given an augmentation of other images")
        s.batch.order = <int64_t*>checked(order, np.NPY_INT64, s.images, False)
        s.batch.labels = <int64_t*>checked(labels, np.NPY_INT64, count(x, self.image_size), False)
        s.losses = <double*>checked(losses, np.NPY_FLOAT64, s.images, True)
        s.right = <uint8_t*>checked(right, np.NPY_UINT8, s.images, True)
        s.not_finite = s.interrupted = 0
        s.done = 0
        team = <int>min(threads, self.threads, self.program.chunks)
        with nogil:
            if team == 1:
                run_steps(&s, 0, 1)
            else:
                with parallel(num_threads=team):
                    run_steps(&s, threadid(), team_size())
        if s.interrupted:
            raise_pending()
        return s.done

    def predict(self, np.ndarray parameters not None, np.ndarray statistics not None, np.ndarray x not None,
                np.ndarray out not None, bint probabilities, int threads):
        """Probabilities, or logits, (n, classes) of images x (n, ...), into out."""
        cdef:
            Batch batch
            Py_ssize_t n = count(x, self.image_size), part, parts
            real* to = results(out, n * self.program.classes)
        self.program.parameters = results(parameters, np.PyArray_SIZE(parameters))
        self.program.statistics = results(statistics, np.PyArray_SIZE(statistics))
        set_data(&batch, x)
        batch.n, batch.order, batch.warp = n, NULL, NULL
        parts = min(threads, self.threads, n)
        with nogil:
            if parts <= 1:
                predict_images(&self.program, self.workers, &batch, probabilities, 0, n, to)
            else:
                for part in prange(parts, num_threads=<int>parts, schedule="static"):
                    predict_images(&self.program, self.workers + part, &batch, probabilities, n * part // parts,
                                   n * (part + 1) // parts, to)


cdef void run_steps(Steps* s, int part, int parts) noexcept nogil:
    # One thread's share of all steps.
    cdef:
        Py_ssize_t step, chunks
        Worker* me = s.workers + part
        Batch batch
        Optimizer optimizer = s.optimizer
        unsigned long long mode = flush_subnormals()
        long long checked_at = now()
    for step in range(s.steps):
        batch = s.batch
        batch.order += step * s.batch_size
        batch.losses = s.losses + step * s.batch_size
        batch.right = s.right + step * s.batch_size
        batch.position += step * s.batch_size
        batch.n = min(s.batch_size, s.images - step * s.batch_size)
        chunks = min(batch.n, s.program.chunks)
        set_factors(&optimizer, s.factors + 3 * step)
        train_images(s, me, &batch, &optimizer, chunks, part, parts, &checked_at)
        barrier(parts)
        if s.not_finite or s.interrupted:
            break
        apply_update(s.program, me, &optimizer, batch.n, chunks, part, parts)
        if part == 0:
            s.done += 1
        barrier(parts)
    restore_mode(mode)


cdef void train_images(Steps* s, Worker* me, const Batch* batch, const Optimizer* optimizer, Py_ssize_t chunks,
                       int part, int parts, long long* checked_at) noexcept nogil:
    # Forward and back for this thread's chunks of images. All threads meet at every normalisation, both ways: between
    # two of them, images pass a stretch of operations; in the last stretch, which mostly is the only one, they turn.
    cdef:
        const Program* p = s.program
        const Operation* norm
        Py_ssize_t low = chunks * part // parts, high = chunks * (part + 1) // parts, chunk
        Py_ssize_t start = 0, end = next_norm(p, 0)
    memset(p.all_sums + low * p.sums, 0, (high - low) * p.sums * sizeof(real))
    prepare(p, me, True)
    while end < p.count:
        pass_stretch(s, me, batch, optimizer, chunks, low, high, start, end, True, False, part, checked_at)
        norm = p.operations + end
        for chunk in range(low, high):
            measure(p, norm, batch.n, chunks, chunk)
        barrier(parts)
        take_moments(p, norm, me, batch.n, chunks)
        start, end = end, next_norm(p, end + 1)
    pass_stretch(s, me, batch, optimizer, chunks, low, high, start, end, True, True, part, checked_at)
    while start > 0:
        norm = p.operations + start
        for chunk in range(low, high):
            measure_gradients(p, norm, me, batch.n, chunks, chunk)
        barrier(parts)
        take_gradients(p, norm, me, batch.n, chunks)
        start, end = last_norm(p, start), start + 1
        pass_stretch(s, me, batch, optimizer, chunks, low, high, start, end, False, True, part, checked_at)
    merge_sums(p, chunks, parts, part, 0, p.sums)


cdef void pass_stretch(Steps* s, Worker* me, const Batch* batch, const Optimizer* optimizer, Py_ssize_t chunks,
                       Py_ssize_t low, Py_ssize_t high, Py_ssize_t start, Py_ssize_t end, bint forward,
                       bint backward, int part, long long* checked_at) noexcept nogil:
    # The images of chunks low .. high, a block at a time: operations start .. end forward, and back down to the one
    # above start, which is a normalisation and waits. If both, the loss lies between. With a batch of one, weights are
    # updated on the way back: where the loss is not finite it does not go back, and it is interrupted before it begins.
    cdef:
        const Program* p = s.program
        Py_ssize_t first = batch.n * low // chunks, stop = batch.n * high // chunks, n
        Py_ssize_t lowest = start + 1 if start > 0 else p.lowest
        real* rows
        real* cells
        bint finite = not s.not_finite
        bint may_stop = part == 0 and (batch.n > 1 or (forward and start == 0))
    while first < stop and not s.interrupted:
        if may_stop and now() - checked_at[0] > CHECKED_AFTER:
            with gil:
                if check_signals() != 0:
                    s.interrupted = 1
            checked_at[0] = now()
            if s.interrupted:
                break
        n = min(p.block, stop - first)
        rows = p.rows + first * p.row
        cells = cells_from(p, me, first)
        if forward:
            forward_block(p, me, batch, first, n, True, cells, rows, start, end)
            if backward:
                finite = losses_of_block(p, me, batch, first, n, cells, rows)
        if not finite:
            s.not_finite = 1
        elif backward:
            backward_block(p, me, optimizer, batch, chunks, first, n, cells, rows, lowest, end)
        first += n


cdef void predict_images(const Program* p, const Worker* me, const Batch* batch, bint probabilities, Py_ssize_t first,
                         Py_ssize_t stop, real* out) noexcept nogil:
    cdef unsigned long long mode = flush_subnormals()
    prepare(p, me, False)
    while first < stop:
        predict_block(p, me, batch, probabilities, first, min(p.block, stop - first), out)
        first += p.block
    restore_mode(mode)


cdef int raise_pending() except -1:
    return -1 if PyErr_Occurred() != NULL else 0


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


cdef void set_operation(Operation* o, given) except *:
    # A cnn.plan.Operation, with the sizes that depend on the level.
    cdef double scale = given.scale, offset = given.offset
    cdef Conv turned_conv
    o.kind = _KINDS[given.kind]
    o.with_dx = given.with_dx
    o.x.in_row, o.x.at = given.x
    o.y.in_row, o.y.at = given.y
    o.dx.in_row, o.dx.at = given.dx
    o.dy.in_row, o.dy.at = given.dy
    o.out_size, o.frame_size = given.out_size, given.frame_size
    o.gamma, o.statistics = given.gamma, given.statistics
    o.norm.epsilon = given.epsilon
    o.kept, o.codes = given.kept, given.codes
    o.w, o.b, o.w_size, o.channels = given.w, given.b, given.w_size, given.channels
    o.scale, o.offset = <real>scale, <real>offset
    if o.kind == CONV:
        o.conv = conv_from(given.geometry)
        o.grouped, o.frame = grouped(&o.conv), input_frame(&o.conv)
        turned_conv = turned(&o.conv)
        o.turned, o.turned_frame = grouped(&turned_conv), output_gradient_frame(&o.conv)
        o.sums_size = weight_sums_size(&o.grouped) + o.channels
    elif o.kind == CONV_POOL or o.kind == CONV_POOL_IMAGE:
        o.conv_pool.h, o.conv_pool.w, o.conv_pool.c_in, o.conv_pool.c_out, o.conv_pool.kh, o.conv_pool.kw, \
            o.conv_pool.ph, o.conv_pool.pw, o.conv_pool.oh, o.conv_pool.ow, o.conv_pool.x_pitch, \
            o.conv_pool.y_pitch, o.conv_pool.relu = as_tuple(given.geometry)
        if o.kind == CONV_POOL_IMAGE:
            o.sums_size = conv_pool_image_sums_size(&o.conv_pool)
        else:
            o.sums_size = conv_pool_sums_size(&o.conv_pool)
    elif o.kind == LOAD and given.geometry:
        o.in_h, o.in_w, o.in_c = as_tuple(given.geometry)
    elif o.kind == BATCHNORM:
        o.norm.positions, o.norm.c, o.norm.relu, o.norm.keep = as_tuple(given.geometry)
    elif o.kind == DROPOUT:
        set_dropout(o, given)
    elif o.kind == MAXPOOL or o.kind == MAXPOOL_TIES or o.kind == AVGPOOL:
        o.pool = pool_from(given.geometry)
    elif o.kind == DENSE:
        o.dense.inputs, o.dense.units, o.dense.relu = as_tuple(given.geometry)
    elif o.kind == COPY:
        o.rows, o.width, o.x_pitch, o.y_pitch = as_tuple(given.geometry)
    o.sums_size = padded(o.sums_size)


cdef void set_dropout(Operation* o, given) except *:
    cdef double rate = given.geometry.rate
    o.dropout.threshold = given.geometry.threshold
    o.dropout.scale = <real>(1 / (1 - rate))
    o.stream = given.geometry.stream


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
