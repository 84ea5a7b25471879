# Augmentation of a batch. A part of kernels.pyx.

from libc.stdint cimport uint64_t

from .augment cimport KNOTS, warp_image, warp_size
from .ops.load cimport load_image
from .random cimport stream


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
    job.scratch_size = rounded_up(warp_size(job.warp.h, job.warp.w, job.warp.c))
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
    # A cnn.training.augment.Warp
    cdef:
        Warp g
        double shift = warp.shift, rotate = warp.rotate, scale = warp.scale, shear = warp.shear
    g.h, g.w, g.c = warp.shape
    g.shift, g.rotate, g.scale, g.shear = shift, rotate, scale, shear
    g.elastic, g.noise = warp.elastic, warp.noise
    g.rows, g.columns = values(warp.rows, g.h * KNOTS), values(warp.columns, KNOTS * g.w)
    return g
