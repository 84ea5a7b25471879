# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The kernels over a batch: the only place with threads, and the only one that Python sees.

A. Every function takes C-contiguous arrays of this build's dtype, a geometry tuple and a number of threads. Python
   has checked them; `values` and `results` check dtype, layout and size once more, so that no call can leave an array.
B. Outputs are given by the caller. Scratch memory is allocated here, before the first result is written.
C. Images are shared out among threads one by one. What is summed over images is summed in chunks whose number
   depends on the batch alone, so that results are the same bits for any number of threads.
"""

cimport numpy as np
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy

from .activation cimport relu_backward as relu_backward_run, relu_forward as relu_forward_run
from .conv cimport (
    Conv, Frame, Grouped, bias_gradient, conv2d_forward as conv2d_forward_image,
    conv2d_weight_gradient as conv2d_weight_gradient_image, frame_size, framed, grouped, input_frame,
    output_gradient_frame, pack_weights, packed_size, turn_weights, turned, unpack_weight_gradient, weight_sums_size,
)
from .dense cimport (
    dense_forward as dense_forward_block, dense_input_gradient as dense_input_gradient_block,
    dense_weight_gradient as dense_weight_gradient_rows,
)
from .loss cimport cross_entropy, softmax as softmax_row, softmax_backward as softmax_backward_row
from .maxpool cimport (
    Pool, maxpool_backward as maxpool_backward_image, maxpool_backward_ties as maxpool_backward_ties_image,
    maxpool_forward as maxpool_forward_image,
)
from .simd cimport LANES, MAX_TILE, REAL_BITS, real, vec, vload, vstore

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
    CACHE_LINE = 64  # bytes
    CHUNKS = 16      # of a batch, in a sum over its images
    RUN = 4096       # elements of an elementwise operation that a thread takes at a time
    ROWS = 8 * 14    # of a weight matrix that a thread takes at a time: whole tiles
    IMAGES = 14 * 16  # images that a thread takes at a time through a dense layer: whole tiles, whole registers

cdef int REAL = np.NPY_FLOAT64 if REAL_BITS == 64 else np.NPY_FLOAT32


cdef void* checked(np.ndarray a, int typenum, Py_ssize_t size, bint writable) except NULL:
    if a.descr.type_num != typenum or not np.PyArray_ISCARRAY_RO(a) or np.PyArray_SIZE(a) != size:
        raise SystemError(f"a kernel was given {a.dtype} of {np.PyArray_SIZE(a)} elements where {size} elements of another kind were planned")
    if writable and not np.PyArray_ISWRITEABLE(a):
        raise SystemError("a kernel was given a read-only array for its result")
    return np.PyArray_DATA(a)


cdef inline const real* values(np.ndarray a, Py_ssize_t size) except NULL:
    return <const real*>checked(a, REAL, size, False)


cdef inline real* results(np.ndarray a, Py_ssize_t size) except NULL:
    return <real*>checked(a, REAL, size, True)


cdef inline Py_ssize_t count(np.ndarray a, Py_ssize_t size) except -1:
    # How many images of `size` elements an array holds, whatever its axes.
    if size < 1:
        raise SystemError("a kernel was given an empty image")
    return np.PyArray_SIZE(a) // size


cdef inline np.ndarray zeros(Py_ssize_t size):
    # Zeroed scratch memory for `size` reals; `aligned` finds the start of a cache line in it.
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


def conv2d_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b, np.ndarray y not None,
                   geometry, int threads):
    """x (n, h, w, c_in), w (kh, kw, c_in, c_out), b (c_out,) or None -> y (n, oh, ow, c_out)."""
    cdef:
        Conv g = conv_from(geometry)
        Grouped grouping = grouped(&g)
        Frame f = input_frame(&g)
        Py_ssize_t in_size = g.h * g.w * g.c_in, out_size = g.oh * g.ow * g.c_out, scratch_size = frame_size(&f)
        Py_ssize_t i, n = count(x, in_size)
        const real* xp = values(x, n * in_size)
        const real* wp = values(w, g.kh * g.kw * g.c_in * g.c_out)
        const real* bp = values(b, g.c_out) if b is not None else NULL
        real* yp = results(y, n * out_size)
        np.ndarray scratch = zeros(packed_size(&grouping) + threads * scratch_size)
        real* packed = aligned(scratch)
        real* frames = packed + packed_size(&grouping)
        real* frame
    with nogil:
        pack_weights(&grouping, wp, bp, packed)
        with parallel(num_threads=threads, use_threads_if=threads > 1):
            frame = frames + threadid() * scratch_size
            for i in prange(n, schedule="static"):
                conv2d_forward_image(&grouping, &f, framed(&f, xp + i * in_size, frame), packed,
                                     yp + i * out_size)


def conv2d_input_gradient(np.ndarray dy not None, np.ndarray w not None, np.ndarray dx not None,
                          geometry, int threads):
    """dy (n, oh, ow, c_out), w (kh, kw, c_in, c_out) -> dx (n, h, w, c_in)."""
    cdef:
        Conv g = conv_from(geometry), t = turned(&g)
        Grouped grouping = grouped(&t)
        Frame f = output_gradient_frame(&g)
        Py_ssize_t in_size = g.h * g.w * g.c_in, out_size = g.oh * g.ow * g.c_out, scratch_size = frame_size(&f)
        Py_ssize_t i, n = count(dy, out_size)
        Py_ssize_t w_size = g.kh * g.kw * g.c_in * g.c_out
        const real* dyp = values(dy, n * out_size)
        const real* wp = values(w, w_size)
        real* dxp = results(dx, n * in_size)
        np.ndarray scratch = zeros(w_size + packed_size(&grouping) + threads * scratch_size)
        real* turned_w = aligned(scratch)
        real* packed = turned_w + w_size
        real* frames = packed + packed_size(&grouping)
        real* frame
    with nogil:
        turn_weights(&g, wp, turned_w)
        pack_weights(&grouping, turned_w, NULL, packed)
        with parallel(num_threads=threads, use_threads_if=threads > 1):
            frame = frames + threadid() * scratch_size
            for i in prange(n, schedule="static"):
                conv2d_forward_image(&grouping, &f, framed(&f, dyp + i * out_size, frame), packed,
                                     dxp + i * in_size)


def conv2d_weight_gradient(np.ndarray dy not None, np.ndarray x not None, np.ndarray dw not None, np.ndarray db,
                           geometry, int threads):
    """dy (n, oh, ow, c_out), x (n, h, w, c_in) -> dw (kh, kw, c_in, c_out), db (c_out,) or None."""
    cdef:
        Conv g = conv_from(geometry)
        Grouped grouping = grouped(&g)
        Frame f = input_frame(&g)
        Py_ssize_t in_size = g.h * g.w * g.c_in, out_size = g.oh * g.ow * g.c_out, scratch_size = frame_size(&f)
        Py_ssize_t i, chunk, n = count(dy, out_size), chunks = min(max(n, 1), CHUNKS)
        Py_ssize_t w_size = weight_sums_size(&grouping), sums_size = w_size + g.c_out
        const real* dyp = values(dy, n * out_size)
        const real* xp = values(x, n * in_size)
        real* dwp = results(dw, g.kh * g.kw * g.c_in * g.c_out)
        real* dbp = results(db, g.c_out) if db is not None else NULL
        np.ndarray scratch = zeros(chunks * sums_size + threads * scratch_size)
        real* sums = aligned(scratch)
        real* frames = sums + chunks * sums_size
        real* frame
    with nogil:
        with parallel(num_threads=threads, use_threads_if=threads > 1):
            frame = frames + threadid() * scratch_size
            for chunk in prange(chunks, schedule="static"):
                for i in range(n * chunk // chunks, n * (chunk + 1) // chunks):
                    conv2d_weight_gradient_image(&grouping, &f, framed(&f, xp + i * in_size, frame),
                                                 dyp + i * out_size, sums + chunk * sums_size)
                    if dbp != NULL:
                        bias_gradient(g.oh * g.ow, g.c_out, dyp + i * out_size, sums + chunk * sums_size + w_size)
        for chunk in range(1, chunks):
            for i in range(sums_size):
                sums[i] += sums[chunk * sums_size + i]
        unpack_weight_gradient(&grouping, sums, dwp)
        if dbp != NULL:
            memcpy(dbp, sums + w_size, g.c_out * sizeof(real))


def maxpool2d_forward(np.ndarray x not None, np.ndarray y not None, np.ndarray switches, geometry,
                      int threads):
    """x (n, h, w, c) -> y and, unless None, int32 switches (n, oh, ow, c)."""
    cdef:
        Pool g = pool_from(geometry)
        Py_ssize_t in_size = g.h * g.w * g.c, out_size = g.oh * g.ow * g.c, i, n = count(x, in_size)
        const real* xp = values(x, n * in_size)
        real* yp = results(y, n * out_size)
        int* sp = <int*>checked(switches, np.NPY_INT32, n * out_size, True) if switches is not None else NULL
    for i in prange(n, nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        maxpool_forward_image(&g, xp + i * in_size, yp + i * out_size, sp + i * out_size if sp != NULL else NULL)


def maxpool2d_backward(np.ndarray dy not None, np.ndarray switches not None, np.ndarray dx not None,
                       geometry, int threads):
    """dy and int32 switches (n, oh, ow, c) -> dx (n, h, w, c)."""
    cdef:
        Pool g = pool_from(geometry)
        Py_ssize_t in_size = g.h * g.w * g.c, out_size = g.oh * g.ow * g.c, i, n = count(dy, out_size)
        const real* dyp = values(dy, n * out_size)
        const int* sp = <const int*>checked(switches, np.NPY_INT32, n * out_size, False)
        real* dxp = results(dx, n * in_size)
    for i in prange(n, nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        maxpool_backward_image(&g, dyp + i * out_size, sp + i * out_size, dxp + i * in_size)


def maxpool2d_backward_ties(np.ndarray dy not None, np.ndarray x not None, np.ndarray y not None,
                            np.ndarray dx not None, geometry, int threads):
    """dy and y (n, oh, ow, c), x (n, h, w, c) -> dx (n, h, w, c)."""
    cdef:
        Pool g = pool_from(geometry)
        Py_ssize_t in_size = g.h * g.w * g.c, out_size = g.oh * g.ow * g.c, i, n = count(dy, out_size)
        const real* dyp = values(dy, n * out_size)
        const real* xp = values(x, n * in_size)
        const real* yp = values(y, n * out_size)
        real* dxp = results(dx, n * in_size)
    for i in prange(n, nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        maxpool_backward_ties_image(&g, dyp + i * out_size, xp + i * in_size, yp + i * out_size, dxp + i * in_size)


cdef inline Py_ssize_t pieces_of(Py_ssize_t size, Py_ssize_t piece) noexcept nogil:
    return (size + piece - 1) // piece


cdef inline Py_ssize_t images_a_piece(Py_ssize_t n, int threads) noexcept nogil:
    # Whole tiles where there are many images, an equal share for each thread where there are few.
    return min(IMAGES, max(pieces_of(n, threads), 1))


def dense_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b, np.ndarray y not None, int threads):
    """x (n, inputs), w (inputs, units), b (units,) or None -> y (n, units)."""
    cdef:
        Py_ssize_t inputs = np.PyArray_DIM(w, 0), units = np.PyArray_DIM(w, 1), n = count(x, inputs)
        const real* xp = values(x, n * inputs)
        const real* wp = values(w, inputs * units)
        const real* bp = values(b, units) if b is not None else NULL
        real* yp = results(y, n * units)
        Py_ssize_t first, piece, share = images_a_piece(n, threads)
    for piece in prange(pieces_of(n, share), nogil=True, num_threads=threads, use_threads_if=threads > 1,
                        schedule="static"):
        first = piece * share
        dense_forward_block(min(share, n - first), inputs, units, xp + first * inputs, wp, bp, yp + first * units)


def dense_input_gradient(np.ndarray dy not None, np.ndarray w not None, np.ndarray dx not None, int threads):
    """dy (n, units), w (inputs, units) -> dx (n, inputs)."""
    cdef:
        Py_ssize_t inputs = np.PyArray_DIM(w, 0), units = np.PyArray_DIM(w, 1), n = count(dy, units)
        const real* dyp = values(dy, n * units)
        const real* wp = values(w, inputs * units)
        real* dxp = results(dx, n * inputs)
        Py_ssize_t first, piece, share = images_a_piece(n, threads), scratch_size = LANES * (units + MAX_TILE)
        np.ndarray scratch = zeros(threads * scratch_size)
        real* blocks = aligned(scratch)
        real* block
    with nogil, parallel(num_threads=threads, use_threads_if=threads > 1):
        block = blocks + threadid() * scratch_size
        for piece in prange(pieces_of(n, share), schedule="static"):
            first = piece * share
            dense_input_gradient_block(min(share, n - first), inputs, units, dyp + first * units, wp,
                                       dxp + first * inputs, block)


def dense_weight_gradient(np.ndarray dy not None, np.ndarray x not None, np.ndarray dw not None, np.ndarray db,
                          bint add, int threads):
    """dy (n, units), x (n, inputs) -> dw (inputs, units), db (units,) or None; with `add`, added to what is there."""
    cdef:
        Py_ssize_t inputs = np.PyArray_DIM(dw, 0), units = np.PyArray_DIM(dw, 1), n = count(dy, units)
        const real* dyp = values(dy, n * units)
        const real* xp = values(x, n * inputs)
        real* dwp = results(dw, inputs * units)
        real* dbp = results(db, units) if db is not None else NULL
        Py_ssize_t i, piece
    for piece in prange(pieces_of(inputs, ROWS), nogil=True, num_threads=threads, use_threads_if=threads > 1,
                        schedule="static"):
        dense_weight_gradient_rows(n, inputs, units, piece * ROWS, min(ROWS, inputs - piece * ROWS), add, xp, dyp,
                                   dwp)
    if dbp != NULL:
        if not add:
            for i in range(units):
                dbp[i] = 0
        bias_gradient(n, units, dyp, dbp)


def relu_forward(np.ndarray x not None, np.ndarray y not None, int threads):
    """y = max(x, 0), NaN stays NaN; any shape."""
    cdef:
        Py_ssize_t run, size = np.PyArray_SIZE(x)
        const real* xp = values(x, size)
        real* yp = results(y, size)
    for run in prange(pieces_of(size, RUN), nogil=True, num_threads=threads, use_threads_if=threads > 1,
                      schedule="static"):
        relu_forward_run(min(RUN, size - run * RUN), xp + run * RUN, yp + run * RUN)


def relu_backward(np.ndarray dy not None, np.ndarray y not None, np.ndarray dx not None, int threads):
    """dx = dy where y > 0, else 0; any shape."""
    cdef:
        Py_ssize_t run, size = np.PyArray_SIZE(dy)
        const real* dyp = values(dy, size)
        const real* yp = values(y, size)
        real* dxp = results(dx, size)
    for run in prange(pieces_of(size, RUN), nogil=True, num_threads=threads, use_threads_if=threads > 1,
                      schedule="static"):
        relu_backward_run(min(RUN, size - run * RUN), dyp + run * RUN, yp + run * RUN, dxp + run * RUN)


def softmax_backward(np.ndarray dp not None, np.ndarray p not None, np.ndarray dlogits not None):
    """Gradient dp for the probabilities p, both (n, classes) -> dlogits (n, classes), by the whole Jacobian."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(p, np.PyArray_NDIM(p) - 1), i, n = count(p, classes)
        const real* dpp = values(dp, n * classes)
        const real* pp = values(p, n * classes)
        real* dz = results(dlogits, n * classes)
    with nogil:
        for i in range(n):
            softmax_backward_row(classes, dpp + i * classes, pp + i * classes, dz + i * classes)


def softmax(np.ndarray logits not None, np.ndarray probabilities not None):
    """Logits (n, classes) -> probabilities (n, classes)."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(logits, np.PyArray_NDIM(logits) - 1), i, n = count(logits, classes)
        const real* z = values(logits, n * classes)
        real* p = results(probabilities, n * classes)
    with nogil:
        for i in range(n):
            softmax_row(classes, z + i * classes, p + i * classes)


def softmax_cross_entropy(np.ndarray logits not None, np.ndarray labels not None, np.ndarray probabilities not None,
                          np.ndarray dlogits not None):
    """Logits (n, classes), int64 labels (n,) below classes -> probabilities, dlogits; returns the mean loss."""
    cdef:
        Py_ssize_t classes = np.PyArray_DIM(logits, np.PyArray_NDIM(logits) - 1), i, n = count(logits, classes)
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


def fused_multiply_adds(Py_ssize_t rounds):
    """Run `rounds` x 12 multiply-adds of whole registers and return how many floating-point operations that is.

    Twelve independent sums, no memory: timed, it gives the core's peak, to which benchmarks hold the kernels.
    """
    cdef:
        vec sums[12]
        vec factor
        real ones[LANES]
        Py_ssize_t r
        int t
    for t in range(LANES):
        ones[t] = 0.5
    factor = vload(ones)
    with nogil:
        for t in range(12):
            sums[t] = factor
        for r in range(rounds):
            for t in range(12):
                sums[t] = sums[t] * factor + factor
        for t in range(1, 12):
            sums[0] = sums[0] + sums[t]
    vstore(ones, sums[0])
    return rounds * 12 * 2 * LANES if ones[0] == ones[0] else 0
