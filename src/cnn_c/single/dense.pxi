# The dense layer over a batch. A part of kernels.pyx.

from .ops.dense_forward cimport dense_forward as dense_forward_block
from .ops.dense_gradient cimport (
    column_blocks, dense_input_gradient as dense_input_gradient_columns, dense_update, dense_update_bias,
)
from .step.optimizer cimport KEEP_GRADIENT


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
