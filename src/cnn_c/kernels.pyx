# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The kernels over a batch: the only place with threads, and the only one that Python sees.

A. Every function takes C-contiguous arrays of this build's dtype, a geometry tuple and a number of threads. Python
   has checked them; `values` and `results` check dtype, layout and size once more, so that no call can leave an array.
B. A function fills in a Job and calls `share_out`, which gives every thread a run of items (images, mostly) and some
   scratch memory. Scratch is allocated before the first result is written.
C. What is summed over images is summed in chunks whose number depends on the batch alone, so that results are the
   same bits for any number of threads.
"""

cimport numpy as np
from cython.parallel cimport prange
from libc.string cimport memcpy

from .activation cimport relu_backward as relu_backward_run, relu_forward as relu_forward_run
from .conv cimport (
    Conv, Frame, Grouped, bias_gradient, conv2d_forward as conv2d_forward_image,
    conv2d_weight_gradient as conv2d_weight_gradient_image, frame_size, framed, grouped, input_frame,
    output_gradient_frame, pack_weights, packed_size, turn_weights, turned, unpack_weight_gradient, weight_sums_size,
)
from .dense cimport (
    dense_forward as dense_forward_units, dense_input_gradient as dense_input_gradient_rows,
    dense_weight_gradient as dense_weight_gradient_rows,
)
from .loss cimport cross_entropy, softmax as softmax_row, softmax_backward
from .maxpool cimport (
    Pool, maxpool_backward as maxpool_backward_image, maxpool_backward_ties as maxpool_backward_ties_image,
    maxpool_forward as maxpool_forward_image,
)
from .optimizer cimport sgd_run
from .simd cimport LANES, MAX_TILE, REAL_BITS, real, registers, vec, vload, vstore
from .softmax_layer cimport (
    softmax_layer_backward, softmax_layer_forward as softmax_layer_forward_image, softmax_layer_update,
)

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
    Py_ssize_t n, chunks           # images; parts of the batch
    bint with_bias
    Py_ssize_t in_size, out_size   # reals of an image; inputs and units of a dense layer
    const real* x
    const real* w
    const real* b
    const real* y
    const real* dy
    real* out
    real* packed
    real* in_place                 # weights that are updated
    real step, momentum, decay
    bint nesterov
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


# ---- dense ----

cdef inline Job dense_job(Work work, np.ndarray w) except *:
    # w, or dw: (inputs, units)
    cdef Job job
    job.work = work
    job.in_size, job.out_size = np.PyArray_DIM(w, 0), np.PyArray_DIM(w, 1)
    job.scratch, job.scratch_size = NULL, 0
    return job


cdef inline int worth(const Job* job, int threads) noexcept nogil:
    # A product of so few terms is done before a second thread has begun.
    return threads if job.n * job.in_size * job.out_size >= SMALL else 1


def dense_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b, np.ndarray y not None, int threads):
    """x (n, inputs), w (inputs, units), b (units,) or None -> y (n, units)."""
    cdef Job job = dense_job(dense_forward_share, w)
    job.n = count(x, job.in_size)
    job.x, job.w = values(x, job.n * job.in_size), values(w, job.in_size * job.out_size)
    job.b = values(b, job.out_size) if b is not None else NULL
    job.out = results(y, job.n * job.out_size)
    with nogil:
        share_out(&job, registers(job.out_size), worth(&job, threads))


cdef void dense_forward_share(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    # A thread reads its columns of w alone: w is larger than what all images bring, and just updated.
    dense_forward_units(job.n, job.in_size, job.out_size, first, stop, job.x, job.w, job.b, job.out)


def dense_input_gradient(np.ndarray dy not None, np.ndarray w not None, np.ndarray dx not None, int threads):
    """dy (n, units), w (inputs, units) -> dx (n, inputs)."""
    cdef Job job = dense_job(dense_input_gradient_share, w)
    cdef np.ndarray scratch
    job.n = count(dy, job.out_size)
    job.dy, job.w = values(dy, job.n * job.out_size), values(w, job.in_size * job.out_size)
    job.out = results(dx, job.n * job.in_size)
    job.scratch_size = LANES * (job.out_size + MAX_TILE)
    scratch = zeros(threads * job.scratch_size)
    job.scratch = aligned(scratch)
    with nogil:
        share_out(&job, (job.in_size + MAX_TILE - 1) // MAX_TILE, worth(&job, threads))


cdef void dense_input_gradient_share(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t row = first * MAX_TILE
    dense_input_gradient_rows(job.n, job.in_size, job.out_size, row, min(stop * MAX_TILE, job.in_size) - row, job.dy,
                              job.w, job.out, scratch)


def dense_weight_gradient(np.ndarray dy not None, np.ndarray x not None, np.ndarray dw not None, np.ndarray db,
                          int threads):
    """dy (n, units), x (n, inputs) -> dw (inputs, units), db (units,) or None."""
    cdef Job job = dense_job(dense_weight_gradient_share, dw)
    cdef Py_ssize_t u
    cdef real* dbp
    job.n = count(dy, job.out_size)
    job.dy, job.x = values(dy, job.n * job.out_size), values(x, job.n * job.in_size)
    job.out = results(dw, job.in_size * job.out_size)
    dbp = results(db, job.out_size) if db is not None else NULL
    with nogil:
        share_out(&job, (job.in_size + MAX_TILE - 1) // MAX_TILE, worth(&job, threads))  # tiles of weight rows
        if dbp != NULL:
            for u in range(job.out_size):
                dbp[u] = 0
            bias_gradient(job.n, job.out_size, job.dy, dbp)


cdef void dense_weight_gradient_share(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                      real* scratch) noexcept nogil:
    cdef Py_ssize_t row = first * MAX_TILE
    dense_weight_gradient_rows(job.n, job.in_size, job.out_size, row, min(stop * MAX_TILE, job.in_size) - row, job.x,
                               job.dy, job.out)


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

def sgd(np.ndarray parameters not None, np.ndarray gradients not None, np.ndarray velocities, double learning_rate,
        double momentum, bint nesterov, double weight_decay, int threads):
    """One step of gradient descent on the parameters, in place; without momentum, velocities may be None."""
    cdef Job job
    job.work = sgd_runs
    job.n = np.PyArray_SIZE(parameters)
    job.x, job.in_place = values(gradients, job.n), results(parameters, job.n)
    job.out = results(velocities, job.n) if velocities is not None else NULL
    job.step, job.momentum, job.decay = <real>learning_rate, <real>momentum, <real>weight_decay
    job.nesterov = nesterov
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void sgd_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    sgd_run(min(stop * RUN, job.n) - first * RUN, job.step, job.momentum, job.nesterov, job.decay,
            job.x + first * RUN, job.out + first * RUN if job.out != NULL else NULL, job.in_place + first * RUN)


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
            loss += cross_entropy(classes, z + i * classes, label[i], log_total, 1.0 / n, p + i * classes,
                                  dz + i * classes)
    return loss / n


def softmax_layer_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b not None, np.ndarray p not None,
                          int threads):
    """x (n, inputs), w (units, inputs), b (units,) -> p = softmax(x @ w.T + b), (n, units)."""
    cdef Job job
    job.work = softmax_layer_forward_images
    job.out_size, job.in_size = np.PyArray_DIM(w, 0), np.PyArray_DIM(w, 1)
    job.n = count(x, job.in_size)
    job.x, job.w, job.b = values(x, job.n * job.in_size), values(w, job.in_size * job.out_size), values(b, job.out_size)
    job.out = results(p, job.n * job.out_size)
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, job.n, threads)


cdef void softmax_layer_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                       real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        softmax_layer_forward_image(job.in_size, job.out_size, job.x + i * job.in_size, job.w, job.b,
                                    job.out + i * job.out_size)


def softmax_layer_backprop(np.ndarray dp not None, np.ndarray p not None, np.ndarray x not None,
                           np.ndarray w not None, np.ndarray b not None, np.ndarray dx not None, double learning_rate,
                           int threads):
    """dp, p (n, units), x (n, inputs) -> dx (n, inputs); then one step of gradient descent on w and b, in place."""
    cdef:
        Job job
        Py_ssize_t i, u
        const real* dpp
        const real* pp
        real* bp
        real* wp
        np.ndarray scratch
    job.out_size, job.in_size = np.PyArray_DIM(w, 0), np.PyArray_DIM(w, 1)
    job.n = count(x, job.in_size)
    dpp, pp = values(dp, job.n * job.out_size), values(p, job.n * job.out_size)
    wp, bp = results(w, job.in_size * job.out_size), results(b, job.out_size)
    scratch = zeros(job.n * job.out_size)
    job.packed = aligned(scratch)  # gradients for the logits
    job.x, job.out = values(x, job.n * job.in_size), results(dx, job.n * job.in_size)
    job.in_place = wp
    job.step = <real>-learning_rate
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        for i in range(job.n):
            softmax_backward(job.out_size, dpp + i * job.out_size, pp + i * job.out_size,
                             job.packed + i * job.out_size)
        job.work = softmax_layer_backward_images
        share_out(&job, job.n, threads)
        for i in range(job.n):
            for u in range(job.out_size):
                bp[u] += job.step * job.packed[i * job.out_size + u]
        if job.n > 1:  # one image's update rode along
            job.work = softmax_layer_update_units
            share_out(&job, job.out_size, threads)


cdef void softmax_layer_backward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                        real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        softmax_layer_backward(job.n == 1, job.in_size, job.out_size, job.packed + i * job.out_size, job.step,
                               job.x + i * job.in_size, job.in_place, job.out + i * job.in_size)


cdef void softmax_layer_update_units(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i, u
    for u in range(first, stop):
        for i in range(job.n):
            softmax_layer_update(job.in_size, job.step * job.packed[i * job.out_size + u], job.x + i * job.in_size,
                                 job.in_place + u * job.in_size)


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
