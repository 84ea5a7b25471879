# Backward: a block of images down through a stretch of operations. Gradients of convolutions are added to the chunk's
# sums; a dense layer leaves its gradients in the rows of its images, for the update.

from .activation cimport relu_backward
from .avgpool cimport avgpool_backward
from .batchnorm cimport normalize_backward
from .conv cimport (
    bias_gradient, conv2d_forward, conv2d_weight_gradient, frame_size, framed, packed_size, weight_sums_size,
)
from .conv_pool cimport conv_pool_backward
from .conv_pool_image cimport conv_pool_image_weight_gradient
from .dense cimport column_blocks, dense_backward_image, dense_input_gradient
from .dropout cimport dropout
from .maxpool cimport maxpool_backward, maxpool_backward_ties
from .optimizer cimport Optimizer
from .program cimport (
    AVGPOOL, BACKWARD, BATCHNORM, CONV, CONV_POOL, CONV_POOL_IMAGE, COPY, DENSE, DROPOUT, MAXPOOL, MAXPOOL_TIES,
    RELU, RESCALE, Batch, Operation, Program, Worker, place, tick, tock,
)
from .random cimport stream
from .simd cimport real
from .step_forward cimport copy_rows


cdef inline void backward_image(const Program* p, const Operation* o, const Worker* me, const Batch* batch,
                                Py_ssize_t i, real* cell, real* row, real* sums) noexcept nogil:
    cdef:
        real* x = place(o.x, cell, row)
        real* y = place(o.y, cell, row)
        real* dy = place(o.dy, cell, row)
        real* dx = place(o.dx, cell, row) if o.with_dx else NULL
        real* own = me.own + o.own
        int* codes = <int*>(cell + o.codes)
        Py_ssize_t k
    if o.kind == CONV_POOL_IMAGE:
        conv_pool_image_weight_gradient(&o.conv_pool, dy, codes, cell + o.kept, sums)
    elif o.kind == CONV_POOL:
        conv_pool_backward(&o.conv_pool, dy, codes, x, own, sums, dx, o.frame_size, me.scratch)
    elif o.kind == CONV:
        conv2d_weight_gradient(&o.grouped, &o.frame, framed(&o.frame, x, own), dy, sums)
        bias_gradient(o.conv.oh * o.conv.ow, o.conv.c_out, dy, sums + weight_sums_size(&o.grouped))
        if dx != NULL:
            own += frame_size(&o.frame) + packed_size(&o.grouped)
            conv2d_forward(&o.turned, &o.turned_frame, framed(&o.turned_frame, dy, own),
                           own + frame_size(&o.turned_frame), dx)
    elif dx == NULL:
        return
    elif o.kind == MAXPOOL:
        maxpool_backward(&o.pool, dy, codes, dx)
    elif o.kind == MAXPOOL_TIES:
        maxpool_backward_ties(&o.pool, dy, x, y, dx)
    elif o.kind == AVGPOOL:
        avgpool_backward(&o.pool, dy, dx)
    elif o.kind == BATCHNORM:
        k = o.channels
        normalize_backward(&o.norm, own, own + 2 * k, own + 3 * k, own + 4 * k, own + 7 * k, x, dy, dx)
    elif o.kind == DROPOUT:
        dropout(&o.dropout, stream(batch.seed, batch.position + i, o.stream), o.out_size, dy, dx)
    elif o.kind == RELU:
        relu_backward(o.out_size, dy, y, dx)
    elif o.kind == RESCALE:
        for k in range(o.out_size):
            dx[k] = dy[k] * o.scale
    elif o.kind == COPY:
        copy_rows(o.rows, o.width, dy, o.y_pitch, dx, o.x_pitch)


cdef inline void backward_dense(const Program* p, const Operation* o, const Worker* me, const Optimizer* optimizer,
                                Py_ssize_t n, Py_ssize_t count, real* cells, real* rows) noexcept nogil:
    cdef:
        Py_ssize_t i, block
        real* dy
        real* dx = place(o.dx, cells, rows) if o.with_dx else NULL
    if o.dense.relu:
        for i in range(count):
            dy = place(o.dy, cells, rows + i * p.row)
            relu_backward(o.out_size, dy, place(o.y, cells, rows + i * p.row), dy)
    dy = place(o.dy, cells, rows)
    if n == 1:
        dense_backward_image(&o.dense, dy, place(o.x, cells, rows), optimizer, o.w, dx)
    elif dx != NULL:
        for block in range(column_blocks(&o.dense)):
            dense_input_gradient(&o.dense, block, count, dy, p.row, p.parameters + o.w, dx,
                                 p.row if o.dx.in_row else p.cell)


cdef inline void backward_block(const Program* p, const Worker* me, const Optimizer* optimizer, const Batch* batch,
                                Py_ssize_t chunks, Py_ssize_t first, Py_ssize_t count, real* cells, real* rows,
                                Py_ssize_t low, Py_ssize_t k) noexcept nogil:
    # Operations k - 1 .. low. With a single image the weights of dense layers are updated on the way.
    cdef:
        Py_ssize_t start, i, q, n = batch.n
        long long began
        real* cell
        real* row
        real* sums
        const Operation* o
    while k > low:
        o = p.operations + k - 1
        if o.kind == DENSE:
            k -= 1
            began = tick(p)
            backward_dense(p, o, me, optimizer, n, count, cells, rows)
            tock(p, k, BACKWARD, began)
            continue
        start = k - 1
        while start > low and p.operations[start - 1].kind != DENSE:
            start -= 1
        for i in range(count):
            cell = cells + i * p.cell
            row = rows + i * p.row
            sums = p.all_sums + ((first + i + 1) * chunks - 1) // n * p.sums
            for q in range(k - 1, start - 1, -1):
                began = tick(p)
                backward_image(p, p.operations + q, me, batch, first + i, cell, row, sums + p.operations[q].sums)
                tock(p, q, BACKWARD, began)
        k = start
