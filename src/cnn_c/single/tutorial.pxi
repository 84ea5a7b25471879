# What the tutorial's layers need beside the single operations: gradient descent within the backward pass, softmax with
# its dense layer. A part of kernels.pyx.

from .ops.dense_gradient cimport dense_backward_image
from .step.loss cimport softmax_backward
from .step.optimizer cimport SGD


def conv2d_descend(np.ndarray dy not None, np.ndarray x not None, np.ndarray w not None, geometry,
                   double learning_rate, int threads):
    """One step of gradient descent on w (kh, kw, c_in, c_out), in place; dy (n, oh, ow, c_out), x (n, h, w, c_in)."""
    conv2d_weights(dy, x, w, None, geometry, -learning_rate, True, threads)


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
            dense_backward_image(&job.dense, dz, job.x, &job.optimizer, 0, 0, job.dense.inputs, job.out)
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
