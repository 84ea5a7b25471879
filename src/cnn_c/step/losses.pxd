# The losses of a block of images, and of a whole batch where Python computes them.

from libc.string cimport memcpy

from ..simd cimport real
from .forward cimport next_image
from .loss cimport (
    BINARY_CROSS_ENTROPY, HUBER, SOFTMAX_CROSS_ENTROPY, Loss, binary_cross_entropy, cross_entropy, huber,
    soft_cross_entropy, softmax, squared_error,
)
from .program cimport Batch, Context, Image, Operation, Program, image_at, tensor


cdef inline Py_ssize_t largest(Py_ssize_t size, const real* a) noexcept nogil:
    # Where the largest of them is, the first of several.
    cdef Py_ssize_t j, best = 0
    for j in range(1, size):
        if a[j] > a[best]:
            best = j
    return best


cdef inline bint all_right(Py_ssize_t size, const real* z, const real* t) noexcept nogil:
    # Whether each output is positive where its target is above one half, and nowhere else.
    cdef Py_ssize_t j
    for j in range(size):
        if (z[j] > 0) != (2 * t[j] > 1):
            return False
    return True


cdef inline double scale_of_image(const Batch* batch, Py_ssize_t of) noexcept nogil:
    # What its loss counts in the mean over the batch; `of` is its number in the data set.
    return (batch.weights[of] if batch.weights != NULL else 1.0) / batch.total_weight


cdef inline double loss_of_image(const Context* c, Py_ssize_t of, const real* z, real* dz, bint* right) noexcept nogil:
    cdef:
        const Loss* rule = &c.batch.loss
        Py_ssize_t outputs = c.program.classes
        const real* t
        double scale = scale_of_image(c.batch, of), log_total
        real* p = c.worker.scratch
    if c.batch.labels != NULL:
        right[0] = largest(outputs, z) == c.batch.labels[of]
        log_total = softmax(outputs, z, p)
        return cross_entropy(outputs, z, c.batch.labels[of], rule.constant, log_total, scale, p, dz)
    t = c.batch.targets + of * outputs
    right[0] = False
    if rule.kind == SOFTMAX_CROSS_ENTROPY:
        right[0] = largest(outputs, z) == largest(outputs, t)
        log_total = softmax(outputs, z, p)
        return soft_cross_entropy(outputs, z, t, rule.constant, log_total, scale, p, dz)
    if rule.kind == BINARY_CROSS_ENTROPY:
        right[0] = all_right(outputs, z, t)
        return binary_cross_entropy(outputs, z, t, scale, dz)
    if rule.kind == HUBER:
        return huber(outputs, z, t, rule.constant, scale, dz)
    return squared_error(outputs, z, t, scale, dz)


cdef inline bint losses_of_block(const Context* c, const Image* first, Py_ssize_t count) noexcept nogil:
    # Losses, and gradients for the outputs, of the mean over the batch; False where a loss is not finite.
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + p.count - 1
        Py_ssize_t i
        Image image
        double loss
        bint finite = True, right
    for i in range(count):
        image = next_image(p, first, i)
        loss = loss_of_image(c, image_at(c.batch, image.i), tensor(o.y, &image), tensor(o.dy, &image), &right)
        c.batch.losses[image.i] = loss
        c.batch.correct[image.i] = right
        finite = finite and loss - loss == 0
    return finite


# ---- a loss in Python: all outputs lie in one array for it, and all gradients in another ----

cdef inline void collect_outputs(const Context* c, const Image* first, Py_ssize_t count) noexcept nogil:
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + p.count - 1
        Py_ssize_t i
        Image image
    for i in range(count):
        image = next_image(p, first, i)
        memcpy(c.batch.loss.outputs + image.i * p.classes, tensor(o.y, &image), p.classes * sizeof(real))


cdef inline void spread_gradients(const Context* c, const Image* first, Py_ssize_t count) noexcept nogil:
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + p.count - 1
        Py_ssize_t i
        Image image
    for i in range(count):
        image = next_image(p, first, i)
        memcpy(tensor(o.dy, &image), c.batch.loss.gradients + image.i * p.classes, p.classes * sizeof(real))
