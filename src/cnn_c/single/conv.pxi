# Convolution over a batch. Weight gradients are summed in chunks whose number depends on the batch alone. A part of
# kernels.pyx.

from libc.string cimport memcpy

from .ops.conv_forward cimport conv2d_forward as conv2d_forward_image
from .ops.conv_gradient cimport (
    bias_gradient, conv2d_weight_gradient as conv2d_weight_gradient_image, unpack_weight_gradient,
)
from .ops.conv_input_gradient cimport (
    conv2d_input_gradient as conv2d_input_gradient_image, gradient_memory_size, gradient_scratch_size,
    gradient_weights_size, input_gradient_of, pack_gradient_weights,
)
from .ops.conv_shape cimport conv_from, kernel_size
from .ops.padding cimport input_padding, padded, padded_size
from .ops.pixel_packing cimport pack_weights, packed, packed_size, transformed_size, weight_sums_size


def conv2d_forward(np.ndarray x not None, np.ndarray w not None, np.ndarray b, np.ndarray y not None, geometry,
                   int threads):
    """x (n, h, w, c_in), w (kh, kw, c_in / groups, c_out), b (c_out,) or None -> y (n, oh, ow, c_out)."""
    cdef:
        Job job
        Conv g = conv_from(geometry)
        Py_ssize_t n
        np.ndarray scratch
        const real* wp = values(w, kernel_size(&g))
        const real* bp = values(b, g.c_out) if b is not None else NULL
    job.work = conv2d_forward_images
    job.packing, job.padding = packed(&g), input_padding(&g)
    job.in_size, job.out_size = g.h * g.w * g.c_in, g.oh * g.ow * g.c_out
    n = count(x, job.in_size)
    job.x, job.out = values(x, n * job.in_size), results(y, n * job.out_size)
    job.scratch_size = padded_size(&job.padding) + transformed_size(&job.packing)
    scratch = zeros(packed_size(&job.packing) + threads * job.scratch_size)
    job.packed = aligned(scratch)
    job.scratch = job.packed + packed_size(&job.packing)
    with nogil:
        pack_weights(&job.packing, wp, bp, job.packed)
        share_out(&job, n, threads)


cdef void conv2d_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        conv2d_forward_image(&job.packing, &job.padding, padded(&job.padding, job.x + i * job.in_size, scratch),
                             job.packed, scratch + padded_size(&job.padding), job.out + i * job.out_size)


def conv2d_input_gradient(np.ndarray dy not None, np.ndarray w not None, np.ndarray dx not None, geometry,
                          int threads):
    """dy (n, oh, ow, c_out), w (kh, kw, c_in / groups, c_out) -> dx (n, h, w, c_in)."""
    cdef:
        Job job
        Conv g = conv_from(geometry)
        Py_ssize_t n
        np.ndarray scratch
        const real* wp = values(w, kernel_size(&g))
    job.work = conv2d_input_gradient_images
    job.input_gradient = input_gradient_of(&g)
    job.in_size, job.out_size = g.oh * g.ow * g.c_out, g.h * g.w * g.c_in
    n = count(dy, job.in_size)
    job.x, job.out = values(dy, n * job.in_size), results(dx, n * job.out_size)
    job.scratch_size = gradient_memory_size(&job.input_gradient) + gradient_scratch_size(&job.input_gradient)
    scratch = zeros(gradient_weights_size(&job.input_gradient) + threads * job.scratch_size)
    job.packed = aligned(scratch)
    job.scratch = job.packed + gradient_weights_size(&job.input_gradient)
    with nogil:
        pack_gradient_weights(&job.input_gradient, wp, job.packed)
        share_out(&job, n, threads)


cdef void conv2d_input_gradient_images(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                       real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        conv2d_input_gradient_image(&job.input_gradient, job.x + i * job.in_size, job.packed, scratch,
                                    scratch + gradient_memory_size(&job.input_gradient), job.out + i * job.out_size)


def conv2d_weight_gradient(np.ndarray dy not None, np.ndarray x not None, np.ndarray dw not None, np.ndarray db,
                           geometry, int threads):
    """dy (n, oh, ow, c_out), x (n, h, w, c_in) -> dw (kh, kw, c_in / groups, c_out), db (c_out,) or None."""
    conv2d_weights(dy, x, dw, db, geometry, 1, False, threads)


cdef conv2d_weights(np.ndarray dy, np.ndarray x, np.ndarray dw, np.ndarray db, geometry, double scale, bint add,
                    int threads):
    # dw = scale * the gradient, or added to what is there
    cdef:
        Job job
        Conv g = conv_from(geometry)
        Py_ssize_t i, chunk, w_size, sums_size
        np.ndarray scratch
        real* sums
        real* dwp = results(dw, kernel_size(&g))
        real* dbp = results(db, g.c_out) if db is not None else NULL
    job.work = conv2d_weight_gradient_chunks
    job.conv, job.packing, job.padding = g, packed(&g), input_padding(&g)
    job.in_size, job.out_size = g.h * g.w * g.c_in, g.oh * g.ow * g.c_out
    job.n = count(dy, job.out_size)
    job.chunks = min(max(job.n, 1), most_chunks(job.n))
    job.x, job.dy = values(x, job.n * job.in_size), values(dy, job.n * job.out_size)
    job.scratch_size = padded_size(&job.padding) + transformed_size(&job.packing)
    job.with_bias = dbp != NULL
    w_size = weight_sums_size(&job.packing)
    sums_size = w_size + g.c_out
    scratch = zeros(job.chunks * sums_size + threads * job.scratch_size)
    job.packed = sums = aligned(scratch)
    job.scratch = sums + job.chunks * sums_size
    with nogil:
        share_out(&job, job.chunks, threads)
        for chunk in range(1, job.chunks):
            for i in range(sums_size):
                sums[i] += sums[chunk * sums_size + i]
        unpack_weight_gradient(&job.packing, sums, <real>scale, add, dwp)
        if dbp != NULL:
            memcpy(dbp, sums + w_size, g.c_out * sizeof(real))


cdef void conv2d_weight_gradient_chunks(const Job* job, Py_ssize_t first, Py_ssize_t stop,
                                        real* scratch) noexcept nogil:
    cdef:
        Py_ssize_t chunk, i, w_size = weight_sums_size(&job.packing)
        real* sums
    for chunk in range(first, stop):
        sums = job.packed + chunk * (w_size + job.conv.c_out)
        for i in range(job.n * chunk // job.chunks, job.n * (chunk + 1) // job.chunks):
            conv2d_weight_gradient_image(&job.packing, &job.padding,
                                         padded(&job.padding, job.x + i * job.in_size, scratch),
                                         job.dy + i * job.out_size, scratch + padded_size(&job.padding), sums)
            if job.with_bias:
                bias_gradient(job.conv.oh * job.conv.ow, job.conv.c_out, job.dy + i * job.out_size, sums + w_size)
