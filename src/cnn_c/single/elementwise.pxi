# Elementwise functions over arrays of any shape, and one step of an optimiser. A part of kernels.pyx.

from .ops.elementwise cimport set_function
from .step.optimizer cimport optimizer_from, set_step_scalars, update_run


def elementwise_forward(np.ndarray x not None, np.ndarray y not None, function, int threads):
    """y = f(x), of any shape; `function` is a cnn.backends.calls.Elementwise."""
    cdef Job job
    job.work = elementwise_forward_runs
    set_function(&job.elementwise, function)
    job.n = np.PyArray_SIZE(x)
    job.x, job.out = values(x, job.n), results(y, job.n)
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void elementwise_forward_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t start = first * RUN
    job.elementwise.forward(&job.elementwise, min(stop * RUN, job.n) - start, job.x + start, job.out + start)


def elementwise_backward(np.ndarray dy not None, np.ndarray kept not None, np.ndarray dx not None, function,
                         int threads):
    """dx = dy * f'(x), of any shape; kept is x or y, whichever the function's derivative takes."""
    cdef Job job
    job.work = elementwise_backward_runs
    set_function(&job.elementwise, function)
    job.n = np.PyArray_SIZE(dy)
    job.dy, job.out = values(dy, job.n), results(dx, job.n)
    job.x = job.y = values(kept, job.n)
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void elementwise_backward_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    cdef Py_ssize_t start = first * RUN
    job.elementwise.backward(&job.elementwise, min(stop * RUN, job.n) - start, job.dy + start, job.x + start,
                             job.y + start, job.out + start)


def update(np.ndarray parameters not None, np.ndarray gradients not None, np.ndarray first, np.ndarray second, rule,
           np.ndarray scalars not None, int threads):
    """One step of an optimiser on the parameters, in place; first and second are its states, or None."""
    cdef Job job
    job.work = update_runs
    job.n = np.PyArray_SIZE(parameters)
    job.x = values(gradients, job.n)
    job.optimizer = optimizer_from(rule)
    job.optimizer.parameters = results(parameters, job.n)
    job.optimizer.first = results(first, job.n) if first is not None else NULL
    job.optimizer.second = results(second, job.n) if second is not None else NULL
    set_step_scalars(&job.optimizer, <double*>checked(scalars, np.NPY_FLOAT64, 3, False))
    job.scratch, job.scratch_size = NULL, 0
    with nogil:
        share_out(&job, (job.n + RUN - 1) // RUN, threads)


cdef void update_runs(const Job* job, Py_ssize_t first, Py_ssize_t stop, real* scratch) noexcept nogil:
    update_run(&job.optimizer, min(stop * RUN, job.n) - first * RUN, job.x + first * RUN, first * RUN)
