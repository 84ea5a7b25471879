# Pooling over a batch. A part of kernels.pyx.

from .ops.avgpool cimport avgpool_backward as avgpool_backward_image, avgpool_forward as avgpool_forward_image
from .ops.maxpool cimport (
    maxpool_backward as maxpool_backward_image, maxpool_backward_ties as maxpool_backward_ties_image,
    maxpool_forward as maxpool_forward_image, pool_from,
)


cdef inline Job pool_job(Work work, geometry) except *:
    cdef Job job
    job.work = work
    job.pool = pool_from(geometry)
    job.in_size = job.pool.h * job.pool.w * job.pool.c
    job.out_size = job.pool.oh * job.pool.ow * job.pool.c
    job.scratch, job.scratch_size = NULL, 0
    return job


def maxpool2d_forward(np.ndarray x not None, np.ndarray y not None, np.ndarray argmax, geometry, int threads):
    """x (n, h, w, c) -> y and, unless None, int32 argmax (n, oh, ow, c)."""
    cdef Job job = pool_job(maxpool2d_forward_images, geometry)
    cdef Py_ssize_t n = count(x, job.in_size)
    job.x, job.out = values(x, n * job.in_size), results(y, n * job.out_size)
    job.argmax = NULL
    if argmax is not None:
        job.argmax = <int*>checked(argmax, np.NPY_INT32, n * job.out_size, True)
    with nogil:
        share_out(&job, n, threads)


cdef void maxpool2d_forward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        maxpool_forward_image(&job.pool, job.x + i * job.in_size, job.out + i * job.out_size,
                              job.argmax + i * job.out_size if job.argmax != NULL else NULL)


def maxpool2d_backward(np.ndarray dy not None, np.ndarray argmax not None, np.ndarray dx not None, geometry,
                       int threads):
    """dy and int32 argmax (n, oh, ow, c) -> dx (n, h, w, c)."""
    cdef Job job = pool_job(maxpool2d_backward_images, geometry)
    cdef Py_ssize_t n = count(dy, job.out_size)
    job.dy, job.out = values(dy, n * job.out_size), results(dx, n * job.in_size)
    job.argmax = <int*>checked(argmax, np.NPY_INT32, n * job.out_size, False)
    with nogil:
        share_out(&job, n, threads)


cdef void maxpool2d_backward_images(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, stop):
        maxpool_backward_image(&job.pool, job.dy + i * job.out_size, job.argmax + i * job.out_size,
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
