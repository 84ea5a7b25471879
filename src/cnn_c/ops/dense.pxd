# The dense layer, with a ReLU if one follows, as an operation of a plan. It takes a block of images as a matrix. Its
# weights are updated after the last image, shared out among the threads; with a batch of one image, on the way back.

from ..arrays cimport as_tuple
from ..simd cimport prefetch_far, real
from ..step.optimizer cimport update_run
from ..step.program cimport (
    FORWARD, MOST_CHUNKS, Context, Image, Operation, OperationKind, Phase, Place, Sizes, end_of_subtree, first_of_chunk,
    learned_size, new_geometry, tensor,
)
from .dense_forward cimport UNITS, Dense, dense_forward, dense_forward_image
from .dense_gradient cimport (
    column, column_blocks, dense_backward_image, dense_bias_sums, dense_input_gradient, dense_sums, dense_update,
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


cdef inline void rectify(const Operation* o, const Context* c, const Image* first, Py_ssize_t count) noexcept nogil:
    # dy of a block, in place, where the ReLU let x pass.
    cdef const Dense* g = <const Dense*>o.geometry
    cdef Py_ssize_t i
    cdef real* dy
    for i in range(count if g.relu else 0):
        dy = tensor(o.dy, first) + i * step_of(o.dy, c)
        relu_backward(NULL, g.units, dy, NULL, tensor(o.y, first) + i * step_of(o.y, c), dy)


cdef inline bint is_updated_at_once(const Operation* o, const Context* c) noexcept nogil:
    return c.batch.n == 1 and not o.frozen and not o.by_chunk


cdef inline void backward_columns(const Operation* o, const Context* c, const Image* first, Py_ssize_t count,
                                  Py_ssize_t block, Py_ssize_t stop) noexcept nogil:
    # Gradients for x of a block of images, and the update if it is at once: in blocks of columns from `block` on.
    cdef:
        const Dense* g = <const Dense*>o.geometry
        const real* dy = tensor(o.dy, first)
        real* dx = tensor(o.dx, first) if o.with_dx else NULL
    if is_updated_at_once(o, c):
        dense_backward_image(g, dy, tensor(o.x, first), c.optimizer, o.w, column(g, block),
                             min(column(g, stop), g.inputs), dx)
    elif dx != NULL:
        for block in range(block, stop):
            dense_input_gradient(g, block, count, dy, step_of(o.dy, c), c.program.parameters + o.w, dx,
                                 step_of(o.dx, c))


cdef inline void backward_block(const Operation* o, const Context* c, const Image* first,
                                Py_ssize_t count) noexcept nogil:
    rectify(o, c, first, count)
    backward_columns(o, c, first, count, 0, column_blocks(<const Dense*>o.geometry))


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


# ---- one image by several threads ----

cdef inline Py_ssize_t pieces(const Operation* o, const Context* c, Phase phase, int stage) noexcept nogil:
    # Forward: tiles of units. Backward: the ReLU, then blocks of columns.
    cdef const Dense* g = <const Dense*>o.geometry
    if phase == FORWARD:
        return (g.units + UNITS - 1) // UNITS if stage == 0 else 0
    if stage == 0:
        return g.relu
    return column_blocks(g) if o.with_dx or is_updated_at_once(o, c) else 0


cdef inline void forward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                Py_ssize_t stop) noexcept nogil:
    cdef const Dense* g = <const Dense*>o.geometry
    dense_forward_image(g, tensor(o.x, image), c.program.parameters + o.w, bias(o, c), UNITS * first,
                        min(UNITS * stop, g.units), tensor(o.y, image))


cdef inline void backward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                 Py_ssize_t stop) noexcept nogil:
    if stage == 0:
        rectify(o, c, image, 1)
    else:
        backward_columns(o, c, image, 1, first, stop)


cdef inline void set_dense(OperationKind* row) noexcept:
    row.name = "dense"
    row.read, row.measure = read, measure
    row.forward_block, row.backward_block, row.prefetch = forward_block, backward_block, prefetch
    row.pieces, row.forward_pieces, row.backward_pieces = pieces, forward_pieces, backward_pieces
    row.sum_chunks, row.update_share = sum_chunks, update_share
