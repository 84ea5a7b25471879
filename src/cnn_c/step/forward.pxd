# Forward: a block of images through a range of operations; what a block's prediction is.

from libc.string cimport memcpy

from ..simd cimport real
from .loss cimport softmax
from .program cimport FORWARD, Context, Image, Operation, Program, tensor, tick, tock


cdef inline Image next_image(const Program* p, const Image* first, Py_ssize_t i) noexcept nogil:
    # The i-th image of a block, without its sums.
    cdef Image image = first[0]
    image.i += i
    image.transient += i * p.transient
    image.persistent += i * p.persistent
    return image


cdef inline void forward_block(const Context* c, const Image* first, Py_ssize_t count, Py_ssize_t k,
                               Py_ssize_t end) noexcept nogil:
    # Operations k .. end on `count` images. Those between two that take the block run depth first. Where operation
    # `end` needs the whole batch, it looks at each image.
    cdef:
        const Program* p = c.program
        Py_ssize_t stop, i, q
        const Operation* o
        Image image
        long long began
        bint is_awaited = end < p.count and p.operations[end].whole_batch, is_seen = False
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
            o = p.operations + stop
            if stop < end and count > 1:
                o.kind.prefetch(o, c, i, count)
            elif stop == end and is_awaited:
                o.kind.add_moments(o, c, &image)
                is_seen = True
        k = stop
    if is_awaited and not is_seen:
        o = p.operations + end
        for i in range(count):
            image = next_image(p, first, i)
            o.kind.add_moments(o, c, &image)


cdef inline void write_outputs(const Context* c, const Image* first, Py_ssize_t count, bint probabilities,
                               real* out) noexcept nogil:
    # The last operation's outputs, or their softmax, of a block of images -> out: (n, classes)
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + p.count - 1
        Image image
        Py_ssize_t i
        const real* z
    for i in range(count):
        image = next_image(p, first, i)
        z = tensor(o.y, &image)
        if probabilities:
            softmax(p.classes, z, out + image.i * p.classes)
        else:
            memcpy(out + image.i * p.classes, z, p.classes * sizeof(real))
