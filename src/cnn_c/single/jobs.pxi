# The threads of single operations: a function fills in a Job and calls `share_out`, which gives every thread a run of
# items (images, mostly) and some scratch memory. Scratch is allocated before the first result is written. A part of
# kernels.pyx.

from cython.parallel cimport prange

from .augment cimport Warp
from .ops.conv_input_gradient cimport InputGradient
from .ops.conv_shape cimport Conv
from .ops.dense_forward cimport Dense
from .ops.elementwise cimport Elementwise
from .ops.maxpool cimport Pool
from .ops.padding cimport Padding
from .ops.pixel_packing cimport Packed
from .step.optimizer cimport Optimizer
from .step.program cimport FLOAT32, FLOAT64, UINT8, Batch, most_chunks

cdef enum:
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
    Packed packing
    Padding padding
    InputGradient input_gradient
    Pool pool
    Dense dense
    Elementwise elementwise
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
    int* argmax


cdef void share_out(const Job* job, Py_ssize_t items, int threads) noexcept nogil:
    # The parallel region of single operations. One thread opens none: that alone would cost half a microsecond.
    cdef Py_ssize_t part, parts = min(threads, items)
    if parts <= 1:
        job.work(job, 0, items, job.scratch)
        return
    for part in prange(parts, num_threads=<int>parts, schedule="static"):
        job.work(job, items * part // parts, items * (part + 1) // parts, job.scratch + part * job.scratch_size)


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
