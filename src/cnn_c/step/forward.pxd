# Forward: a block of images through a range of operations; the loss of a block; a block's prediction.

from libc.string cimport memcpy

from ..simd cimport real
from .loss cimport cross_entropy, softmax
from .program cimport (
    FORWARD, Context, Image, Operation, Program, image_at, tensor, tick, tock,
)


cdef inline Image next_image(const Program* p, const Image* first, Py_ssize_t i) noexcept nogil:
    # The i-th image of a block, without its sums.
    cdef Image image = first[0]
    image.i += i
    image.transient += i * p.transient
    image.persistent += i * p.persistent
    return image


cdef inline void forward_block(const Context* c, const Image* first, Py_ssize_t count, Py_ssize_t k,
                               Py_ssize_t end) noexcept nogil:
    # Operations k .. end on `count` images. Those between two that take the block run depth first.
    cdef:
        const Program* p = c.program
        Py_ssize_t stop, i, q
        const Operation* o
        Image image
        long long began
    while k < end:
        o = p.operations + k
        if o.kind.forward_block != NULL:
            began = tick(p)
            o.kind.forward_block(o, c, first, count)
            tock(p, k, FORWARD, began)
            k += 1
            continue
        stop = k
        while stop < end and p.operations[stop].kind.forward_block == NULL:
            stop += 1
        for i in range(count):
            image = next_image(p, first, i)
            for q in range(k, stop):
                began = tick(p)
                o = p.operations + q
                o.kind.forward(o, c, &image)
                tock(p, q, FORWARD, began)
            if stop < end and count > 1:
                o = p.operations + stop
                o.kind.prefetch(o, c, i, count)
        k = stop


cdef inline bint losses_of_block(const Context* c, const Image* first, Py_ssize_t count) noexcept nogil:
    # Loss and gradient for the logits, both of the mean over the batch; False where a loss is not finite.
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + p.count - 1
        Py_ssize_t i, j, label, best
        Image image
        const real* z
        real* dz
        double loss, scale = 1.0 / c.batch.n
        bint finite = True
    for i in range(count):
        image = next_image(p, first, i)
        label = c.batch.labels[image_at(c.batch, image.i)]
        z, dz = tensor(o.y, &image), tensor(o.dy, &image)
        best = 0
        for j in range(1, p.classes):
            if z[j] > z[best]:
                best = j
        loss = softmax(p.classes, z, c.worker.scratch)
        loss = cross_entropy(p.classes, z, label, c.batch.label_smoothing, loss, scale, c.worker.scratch, dz)
        c.batch.losses[image.i] = loss
        c.batch.correct[image.i] = best == label
        finite = finite and loss - loss == 0
    return finite


cdef inline void predict_block(const Context* c, bint probabilities, Py_ssize_t i, Py_ssize_t count,
                               real* out) noexcept nogil:
    # Logits, or probabilities, of images i .. i + count -> out: (n, classes)
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + p.count - 1
        Image first, image
        Py_ssize_t k
        const real* z
    first.i, first.transient, first.persistent, first.sums = i, c.worker.transient, c.worker.persistent, NULL
    forward_block(c, &first, count, 0, p.count)
    for k in range(count):
        image = next_image(p, &first, k)
        z = tensor(o.y, &image)
        if probabilities:
            softmax(p.classes, z, out + image.i * p.classes)
        else:
            memcpy(out + image.i * p.classes, z, p.classes * sizeof(real))
