# Forward: an image, or a block of images, through a stretch of operations; the loss of a block; a block's prediction.

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from .activation cimport relu_forward
from .augment cimport warp_image
from .avgpool cimport avgpool_forward
from .batchnorm cimport normalize
from .conv cimport conv2d_forward, frame_size, framed
from .conv_pool cimport conv_pool_forward
from .conv_pool_image cimport conv_pool_image_forward, split_planes
from .dense cimport dense_forward
from .dropout cimport dropout
from .loss cimport cross_entropy, softmax
from .maxpool cimport maxpool_forward
from .program cimport (
    AVGPOOL, BATCHNORM, CONV, CONV_POOL, CONV_POOL_IMAGE, COPY, DENSE, DROPOUT, FLOAT32, FORWARD, LOAD, MAXPOOL,
    MAXPOOL_TIES, RELU, RESCALE, UINT8, Batch, Operation, Program, Worker, image_at, place, tick, tock,
)
from .random cimport stream
from .simd cimport LANES, lanes_of, prefetch_far, real, registers, vload_lanes, vstore_lanes
from .step_weights cimport bias, weights


cdef inline void load_image(Py_ssize_t size, const Batch* batch, Py_ssize_t i, real scale, real offset,
                            real* y) noexcept nogil:
    cdef:
        Py_ssize_t k, first = image_at(batch, i) * size
        const uint8_t* bytes_ = <const uint8_t*>batch.data + first
        const float* singles = <const float*>batch.data + first
        const double* doubles = <const double*>batch.data + first
    if batch.data_kind == UINT8:
        for k in range(size):
            y[k] = bytes_[k] * scale + offset
    elif batch.data_kind == FLOAT32:
        for k in range(size):
            y[k] = <real>singles[k] * scale + offset
    else:
        for k in range(size):
            y[k] = <real>doubles[k] * scale + offset


cdef inline void copy_rows(Py_ssize_t rows, Py_ssize_t width, const real* x, Py_ssize_t x_pitch, real* y,
                           Py_ssize_t y_pitch) noexcept nogil:
    # Rows are short: calls of memcpy would take longer than the copies.
    cdef Py_ssize_t i, block, j
    for i in range(rows):
        for block in range(registers(width)):
            j = block * LANES
            vstore_lanes(y + i * y_pitch + j, vload_lanes(x + i * x_pitch + j, lanes_of(width - j)),
                         lanes_of(width - j))


cdef inline void forward_image(const Program* p, const Operation* o, const Worker* me, const Batch* batch,
                               Py_ssize_t i, bint training, real* cell, real* row) noexcept nogil:
    cdef:
        real* x = place(o.x, cell, row)
        real* y = place(o.y, cell, row)
        real* own = me.own + o.own
        int* codes = <int*>(cell + o.codes) if training else NULL
        Py_ssize_t k
    if o.kind == LOAD:
        if batch.warp == NULL:
            load_image(o.out_size, batch, i, o.scale, o.offset, y)
        else:
            load_image(o.out_size, batch, i, 1, 0, me.scratch)
            warp_image(batch.warp, stream(batch.seed, batch.position + i, 0), o.scale, o.offset, me.scratch, y)
    elif o.kind == CONV_POOL_IMAGE:
        split_planes(&o.conv_pool, x, cell + o.kept)
        conv_pool_image_forward(&o.conv_pool, cell + o.kept, weights(p, o, own), bias(p, o, own), own, y, codes)
    elif o.kind == CONV_POOL:
        conv_pool_forward(&o.conv_pool, x, weights(p, o, own), bias(p, o, own), y, codes)
    elif o.kind == CONV:
        conv2d_forward(&o.grouped, &o.frame, framed(&o.frame, x, own), own + frame_size(&o.frame), y)
    elif o.kind == MAXPOOL:
        maxpool_forward(&o.pool, x, y, codes)
    elif o.kind == MAXPOOL_TIES:
        maxpool_forward(&o.pool, x, y, NULL)
    elif o.kind == AVGPOOL:
        avgpool_forward(&o.pool, x, y)
    elif o.kind == BATCHNORM:
        normalize(&o.norm, own, own + o.channels, own + 2 * o.channels, x, y)
    elif o.kind == DROPOUT:
        dropout(&o.dropout, stream(batch.seed, batch.position + i, o.stream), o.out_size, x, y)
    elif o.kind == RELU:
        relu_forward(o.out_size, x, y)
    elif o.kind == RESCALE:
        for k in range(o.out_size):
            y[k] = x[k] * o.scale + o.offset
    elif o.kind == COPY:
        copy_rows(o.rows, o.width, x, o.x_pitch, y, o.y_pitch)


cdef inline Py_ssize_t end_of_run(const Program* p, Py_ssize_t k, Py_ssize_t end) noexcept nogil:
    # The operations k .. are on single images, up to here.
    while k < end and p.operations[k].kind != DENSE:
        k += 1
    return k


cdef inline void fetch_weights(const Program* p, const Operation* o, Py_ssize_t i, Py_ssize_t count) noexcept nogil:
    # The i-th of `count` parts of a dense layer's weights, towards the second cache: another core may have updated
    # them, and brings them in while this one goes on with the next image.
    cdef Py_ssize_t at
    for at in range(o.w + o.dense.inputs * o.dense.units * i // count,
                    o.w + o.dense.inputs * o.dense.units * (i + 1) // count, 16):
        prefetch_far(p.parameters + at)


cdef inline void forward_block(const Program* p, const Worker* me, const Batch* batch, Py_ssize_t first,
                               Py_ssize_t count, bint training, real* cells, real* rows, Py_ssize_t k,
                               Py_ssize_t end) noexcept nogil:
    # Operations k .. end on images first .. first + count of the batch.
    cdef Py_ssize_t stop, i, q
    cdef const Operation* o
    cdef long long began
    while k < end:
        o = p.operations + k
        if o.kind == DENSE:
            began = tick(p)
            dense_forward(&o.dense, count, place(o.x, cells, rows), p.row, p.parameters + o.w, bias(p, o, NULL),
                          place(o.y, cells, rows), p.row)
            tock(p, k, FORWARD, began)
            k += 1
            continue
        stop = end_of_run(p, k, end)
        for i in range(count):
            for q in range(k, stop):
                began = tick(p)
                forward_image(p, p.operations + q, me, batch, first + i, training, cells + i * p.cell,
                              rows + i * p.row)
                tock(p, q, FORWARD, began)
            if stop < end and count > 1:
                fetch_weights(p, p.operations + stop, i, count)
        k = stop


cdef inline bint losses_of_block(const Program* p, const Worker* me, const Batch* batch, Py_ssize_t first,
                                 Py_ssize_t count, real* cells, real* rows) noexcept nogil:
    # Loss and gradient for the logits, both of the mean over the batch; False where a loss is not finite.
    cdef:
        const Operation* o = p.operations + p.count - 1
        Py_ssize_t i, j, label, best
        const real* z
        real* dz
        double loss, scale = 1.0 / batch.n
        bint finite = True
    for i in range(count):
        label = batch.labels[image_at(batch, first + i)]
        z = place(o.y, cells + i * p.cell, rows + i * p.row)
        dz = place(o.dy, cells + i * p.cell, rows + i * p.row)
        best = 0
        for j in range(1, p.classes):
            if z[j] > z[best]:
                best = j
        loss = softmax(p.classes, z, me.scratch)
        loss = cross_entropy(p.classes, z, label, batch.smoothing, loss, scale, me.scratch, dz)
        batch.losses[first + i] = loss
        batch.right[first + i] = best == label
        finite = finite and loss - loss == 0
    return finite


cdef inline void predict_block(const Program* p, const Worker* me, const Batch* batch, bint probabilities,
                               Py_ssize_t first, Py_ssize_t count, real* out) noexcept nogil:
    # Logits, or probabilities, of images first .. first + count -> out: (n, classes)
    cdef:
        const Operation* o = p.operations + p.count - 1
        const real* z
        Py_ssize_t i
    forward_block(p, me, batch, first, count, False, me.cells, me.rows, 0, p.count)
    for i in range(count):
        z = place(o.y, me.cells + i * p.cell, me.rows + i * p.row)
        if probabilities:
            softmax(p.classes, z, out + (first + i) * p.classes)
        else:
            memcpy(out + (first + i) * p.classes, z, p.classes * sizeof(real))
