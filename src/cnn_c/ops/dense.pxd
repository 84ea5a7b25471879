# The dense layer, with a ReLU if one follows, as an operation of a plan. It takes a block of images as a matrix. Its
# weights are updated after the last image, shared out among the threads; with a batch of one image, on the way back.

from ..arrays cimport as_tuple
from ..simd cimport prefetch_far, real
from ..step.optimizer cimport update_run
from ..step.program cimport (
    MOST_CHUNKS, Context, Image, Operation, OperationKind, Place, Sizes, end_of_subtree, first_of_chunk, learned_size,
    new_geometry, tensor,
)
from .dense_forward cimport Dense, dense_forward
from .dense_gradient cimport (
    column_blocks, dense_backward_image, dense_bias_sums, dense_input_gradient, dense_sums, dense_update,
    dense_update_bias,
)
from .elementwise cimport relu_backward
from .folding cimport bias


cdef inline int read(Operation* o, object geometry) except -1:
    cdef Dense* g = <Dense*>new_geometry(o, sizeof(Dense))
    g.inputs, g.units, g.relu = as_tuple(geometry)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const Dense* g = <const Dense*>o.geometry
    sizes.w, sizes.channels = g.inputs * g.units, g.units
    sizes.x, sizes.y = g.inputs, g.units
    if training:
        sizes.dy, sizes.dx = g.units, g.inputs if o.with_dx else 0
        sizes.sums = learned_size(o) if o.by_chunk else 0


cdef inline Py_ssize_t step_of(Place p, const Context* c) noexcept nogil:
    # Reals from one image to the next.
    return c.program.persistent if p.persistent else c.program.transient


cdef inline void forward_block(const Operation* o, const Context* c, const Image* first,
                               Py_ssize_t count) noexcept nogil:
    dense_forward(<const Dense*>o.geometry, count, tensor(o.x, first), step_of(o.x, c), c.program.parameters + o.w,
                  bias(o, c), tensor(o.y, first), step_of(o.y, c))


cdef inline void backward_block(const Operation* o, const Context* c, const Image* first,
                                Py_ssize_t count) noexcept nogil:
    cdef:
        const Dense* g = <const Dense*>o.geometry
        Py_ssize_t i, block
        real* dy = tensor(o.dy, first)
        real* dx = tensor(o.dx, first) if o.with_dx else NULL
        real* gradient
    if g.relu:
        for i in range(count):
            gradient = dy + i * step_of(o.dy, c)
            relu_backward(NULL, g.units, gradient, NULL, tensor(o.y, first) + i * step_of(o.y, c), gradient)
    if c.batch.n == 1 and not o.frozen and not o.by_chunk:
        dense_backward_image(g, dy, tensor(o.x, first), c.optimizer, o.w, dx)
    elif dx != NULL:
        for block in range(column_blocks(g)):
            dense_input_gradient(g, block, count, dy, step_of(o.dy, c), c.program.parameters + o.w, dx,
                                 step_of(o.dx, c))


cdef inline void prefetch(const Operation* o, const Context* c, Py_ssize_t i, Py_ssize_t count) noexcept nogil:
    # The i-th of `count` parts of the weights, towards the second cache: another core may have updated them, and brings
    # them in while this one goes on with the next image.
    cdef Py_ssize_t at
    for at in range(o.w + o.w_size * i // count, o.w + o.w_size * (i + 1) // count, 16):
        prefetch_far(c.program.parameters + at)


cdef inline void sum_chunks(const Operation* o, const Context* c, Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # Tiles as in `update_share`, which see all of this process's chunks one after the other. What lies in one subtree
    # of the sum over all chunks is added up, in the place of the first of these.
    cdef:
        const Dense* g = <const Dense*>o.geometry
        Py_ssize_t groups = (g.units + 3) // 4, items = groups * column_blocks(g), item, end = 0
        Py_ssize_t first = c.batch.first_chunk, step = c.program.persistent, chunk
        Py_ssize_t starts[MOST_CHUNKS + 1]
        const real* dy = c.program.all_persistent + o.dy.at
        const real* x = c.program.all_persistent + o.x.at
        real* sums
    while first < c.batch.first_chunk + c.batch.own_chunks:
        end = end_of_subtree(c.batch, first)
        for chunk in range(first, end + 1):
            starts[chunk - first] = first_of_chunk(c.batch, chunk)
        sums = c.program.all_sums + first * c.program.sums + o.sums
        for item in range(items * part // parts, items * (part + 1) // parts):
            dense_sums(g, item // groups, item % groups * 4, starts, end - first, dy, x, step, sums)
        if o.b >= 0 and part == parts - 1:
            dense_bias_sums(g, starts, end - first, dy, step, sums + o.w_size)
        first = end


cdef inline void update_summed(const Operation* o, const Context* c, Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # From the sums of all processes.
    cdef Py_ssize_t at = learned_size(o) * part // parts, end = learned_size(o) * (part + 1) // parts
    update_run(c.optimizer, end - at, c.program.all_sums + o.sums + at, o.w + at)


cdef inline void update_share(const Operation* o, const Context* c, Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # Tiles of four units in one block of columns, shared out evenly.
    cdef:
        const Dense* g = <const Dense*>o.geometry
        Py_ssize_t groups = (g.units + 3) // 4, items = groups * column_blocks(g), block, last
        Py_ssize_t item = items * part // parts, stop = items * (part + 1) // parts, step = c.program.persistent
        const real* dy = c.program.all_persistent + o.dy.at
        const real* x = c.program.all_persistent + o.x.at
    if o.by_chunk:
        update_summed(o, c, part, parts)
        return
    while item < stop and c.batch.n > 1:
        block = item // groups
        last = min(stop, (block + 1) * groups)
        dense_update(g, block, (item - block * groups) * 4, min((last - block * groups) * 4, g.units), c.batch.n, dy,
                     step, x, step, c.optimizer, o.w)
        item = last
    if o.b >= 0 and part == parts - 1:
        dense_update_bias(g, c.batch.n, dy, step, c.optimizer, o.b)


cdef inline void set_dense(OperationKind* row) noexcept:
    row.name = "dense"
    row.read, row.measure = read, measure
    row.forward_block, row.backward_block, row.prefetch = forward_block, backward_block, prefetch
    row.sum_chunks, row.update_share = sum_chunks, update_share
