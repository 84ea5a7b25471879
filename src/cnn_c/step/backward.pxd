# Backward: a block of images down through a range of operations. Gradients for the parameters of operations on single
# images are added to the chunk's sums; operations on blocks leave theirs in persistent memory, for the update.

from .forward cimport next_image
from .program cimport BACKWARD, Context, Image, Operation, Program, chunk_of, tick, tock


cdef inline void backward_block(const Context* c, const Image* first, Py_ssize_t count, Py_ssize_t low,
                                Py_ssize_t k) noexcept nogil:
    # Operations k - 1 .. low. Where the one below needs the whole batch and learns, it looks at each image.
    cdef:
        const Program* p = c.program
        Py_ssize_t start, i, q
        const Operation* o
        Image image
        long long began
        bint is_awaited = low > p.lowest and p.operations[low - 1].whole_batch, is_seen = False
    while k > low:
        o = p.operations + k - 1
        if o.kind.backward_block != NULL:
            k -= 1
            began = tick(p)
            o.kind.backward_block(o, c, first, count)
            tock(p, k, BACKWARD, began)
            continue
        start = k - 1
        while start > low and p.operations[start - 1].kind.backward_block == NULL:
            start -= 1
        for i in range(count):
            image = next_image(p, first, i)
            image.sums = p.all_sums + chunk_of(c.batch, image.i) * p.sums
            for q in range(k - 1, start - 1, -1):
                began = tick(p)
                o = p.operations + q
                o.kind.backward(o, c, &image)
                tock(p, q, BACKWARD, began)
            if start == low and is_awaited:
                o = p.operations + low - 1
                o.kind.add_gradient_moments(o, c, &image)
                is_seen = True
        k = start
    if is_awaited and not is_seen:
        o = p.operations + low - 1
        for i in range(count):
            image = next_image(p, first, i)
            o.kind.add_gradient_moments(o, c, &image)
