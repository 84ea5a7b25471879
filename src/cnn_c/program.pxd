# The training step as one thread runs it: a list of operations, made by cnn/plan.py, over blocks of images.
#
# A. An image has a cell, memory for what lies between the operations on it, which each thread reuses from block to
#    block, and a row, in which the inputs of dense layers and the gradients for their outputs wait for the update.
# B. Forward and back, a run of operations on single images is done depth first: one image passes all of them while it
#    is in the first cache. A dense layer takes the block as a matrix. A normalisation needs the whole batch: every
#    image has a cell of its own then, and in steps.pxd the threads wait for each other there.
# C. Gradients of convolutions are summed up a chunk of images at a time, by whichever thread has the chunk; those of
#    dense layers in the update, by whichever thread has the weights. Neither sum knows how many threads there are.

from libc.math cimport sqrt
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from .activation cimport relu_backward, relu_forward
from .augment cimport Warp, warp_image, warp_size
from .avgpool cimport avgpool_backward, avgpool_forward
from .batchnorm cimport (
    Norm, add_gradients, add_image, add_squares, merge_moments, normalize, normalize_backward,
)
from .conv cimport (
    Conv, Frame, Grouped, bias_gradient, conv2d_forward, conv2d_weight_gradient, frame_size, framed, grouped,
    input_frame, output_gradient_frame, pack_weights, packed_size, turn_weights, turned, unpack_weight_gradient,
    weight_sums_size,
)
from .conv_pool cimport (
    ConvPool, conv_pool_backward, conv_pool_forward, conv_pool_gradient, lists_size, spread_row, spread_size,
    spread_weights,
)
from .conv_pool_image cimport (
    conv_pool_image_forward, conv_pool_image_gradient, conv_pool_image_weight_gradient, padded,
    pixels, split_planes,
)
from .dense cimport (
    Dense, column_blocks, dense_backward_image, dense_forward, dense_input_gradient, dense_update, dense_update_bias,
)
from .dropout cimport Dropout, dropout
from .loss cimport cross_entropy, softmax
from .maxpool cimport Pool, maxpool_backward, maxpool_backward_ties, maxpool_forward
from .optimizer cimport Optimizer, update_run
from .random cimport stream
from .simd cimport LANES, lanes_of, prefetch_far, real, registers, vload_lanes, vstore_lanes


cdef extern from *:
    """
    #include <time.h>
    static long long now(void) /* nanoseconds */
    {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    """
    long long now() noexcept nogil


cdef enum Kind:
    LOAD             # an image of the data set, rescaled
    CONV
    CONV_POOL        # convolution, ReLU, 2x2 max pooling
    CONV_POOL_IMAGE  # the same, of an image with one channel
    MAXPOOL
    MAXPOOL_TIES
    AVGPOOL
    BATCHNORM        # and ReLU
    DROPOUT
    RELU
    RESCALE
    COPY             # rows of pixels, from one pitch to another
    DENSE


cdef enum DataKind:
    UINT8
    FLOAT32
    FLOAT64


cdef struct Place:
    bint in_row
    Py_ssize_t at


cdef struct Operation:
    Kind kind
    bint with_dx                    # whether anything below has parameters
    Place x, y, dx, dy
    Py_ssize_t in_h, in_w, in_c     # LOAD, of an image with rows and columns
    Py_ssize_t out_size
    Py_ssize_t kept, codes          # in the cell: what only the backward pass needs
    Py_ssize_t w, b                 # among the parameters: -1 for none; b follows w
    Py_ssize_t w_size, channels     # of w; of the output
    Py_ssize_t gamma, statistics    # of a normalisation, among the parameters and the statistics; -1 for none
    Py_ssize_t sums, sums_size      # in a chunk's sums
    Py_ssize_t moments              # in a chunk's moments: four rows of channels
    Py_ssize_t own                  # in a thread's memory, for this operation alone
    Py_ssize_t folded               # there, weights and bias with a normalisation in them
    real scale, offset
    Conv conv
    Grouped grouped, turned
    Frame frame, turned_frame
    Pool pool
    ConvPool conv_pool
    Dense dense
    Norm norm
    Dropout dropout
    uint64_t stream                 # of random numbers
    Py_ssize_t rows, width, x_pitch, y_pitch  # COPY, in reals
    Py_ssize_t frame_size


cdef struct Program:
    Operation* operations
    Py_ssize_t count, lowest        # operations; the first of those that have parameters
    Py_ssize_t cell, row, sums      # sizes in reals
    Py_ssize_t block                # images that a thread takes at a time
    Py_ssize_t chunks               # at most so many parts of a batch
    Py_ssize_t classes
    real* parameters
    real* no_bias                   # zeros
    real* statistics                # running means and variances
    real* rows                      # of a batch, in training
    real* cells                     # of a batch, in training with normalisations; else NULL
    real* all_sums                  # a chunk's after the other's
    double* all_moments             # likewise
    Py_ssize_t moments              # a chunk's
    int64_t* nanoseconds            # that operations took: forward, backward, update of each; NULL if nobody asks


cdef struct Worker:                 # a thread's memory
    real* cells
    real* rows                      # of a block, in prediction
    real* own
    real* scratch
    double* merged                  # moments of the batch


cdef struct Batch:
    DataKind data_kind
    const void* data
    const int64_t* order            # of the images, or NULL
    const int64_t* labels           # of all images of the data set
    Py_ssize_t n
    double* losses
    uint8_t* right
    double smoothing                # of labels
    const Warp* warp                # of images, or NULL
    uint64_t seed                   # of random numbers,
    int64_t position                # which are counted from the epoch's first image


cdef inline int64_t image_at(const Batch* batch, Py_ssize_t i) noexcept nogil:
    return batch.order[i] if batch.order != NULL else i


cdef inline real* place(Place p, real* cell, real* row) noexcept nogil:
    return (row if p.in_row else cell) + p.at


cdef inline real* cells_from(const Program* p, const Worker* me, Py_ssize_t first) noexcept nogil:
    # The cells of a block that begins with image `first`.
    return me.cells if p.cells == NULL else p.cells + first * p.cell


cdef enum Phase:
    FORWARD
    BACKWARD
    UPDATE


cdef inline long long tick(const Program* p) noexcept nogil:
    return now() if p.nanoseconds != NULL else 0


cdef inline void tock(const Program* p, Py_ssize_t k, Phase phase, long long began) noexcept nogil:
    if p.nanoseconds != NULL:
        p.nanoseconds[3 * k + phase] += now() - began


# ---- weights in the form that the kernels take, once a step ----

cdef inline void prepare(const Program* p, const Worker* me, bint training) noexcept nogil:
    cdef Py_ssize_t i
    cdef const Operation* o
    cdef const real* w
    cdef real* own
    for i in range(p.count):
        o = p.operations + i
        own = me.own + o.own
        if o.gamma >= 0 and not training:
            fold(p, o, own + o.folded, me.scratch)
        if o.kind == CONV_POOL and training and o.with_dx:
            spread_weights(&o.conv_pool, p.parameters + o.w, own)
        elif o.kind == CONV:
            w = weights(p, o, own)
            own += frame_size(&o.frame)
            pack_weights(&o.grouped, w, bias(p, o, me.own + o.own), own)
            if training and o.with_dx:
                own += packed_size(&o.grouped) + frame_size(&o.turned_frame)
                turn_weights(&o.conv, w, own + packed_size(&o.turned))
                pack_weights(&o.turned, own + packed_size(&o.turned), NULL, own)


cdef inline void fold(const Program* p, const Operation* o, real* to, real* scratch) noexcept nogil:
    # For predictions a normalisation is part of the weights and bias of the convolution below it, or on its own, where
    # there is none, slope, shift and mean of every channel.
    cdef:
        Py_ssize_t i, c, channels = o.channels
        const real* mean = p.statistics + o.statistics
        const real* variance = mean + channels
        const real* gamma = p.parameters + o.gamma
        const real* beta = gamma + channels
    for c in range(channels):
        scratch[c] = gamma[c] / <real>sqrt(variance[c] + o.norm.epsilon)
    if o.kind == BATCHNORM:
        for c in range(channels):
            to[c], to[channels + c], to[2 * channels + c] = scratch[c], beta[c], mean[c]
        return
    for i in range(o.w_size // channels):
        for c in range(channels):
            to[i * channels + c] = p.parameters[o.w + i * channels + c] * scratch[c]
    for c in range(channels):
        to[o.w_size + c] = ((p.parameters[o.b + c] if o.b >= 0 else 0) - mean[c]) * scratch[c] + beta[c]


cdef inline const real* weights(const Program* p, const Operation* o, const real* own) noexcept nogil:
    return own + o.folded if o.folded >= 0 else p.parameters + o.w


cdef inline const real* bias(const Program* p, const Operation* o, const real* own) noexcept nogil:
    if o.folded >= 0:
        return own + o.folded + o.w_size
    return p.parameters + o.b if o.b >= 0 else p.no_bias


cdef inline Py_ssize_t set_own_size(Operation* o, bint training) noexcept nogil:
    # Reals of a thread's memory for one operation: frames, which are zeroed once, and prepared weights.
    cdef Py_ssize_t size = 0
    o.folded = -1
    if o.kind == CONV_POOL and training and o.with_dx:
        size = spread_size(&o.conv_pool) * o.conv_pool.c_out + spread_row(&o.conv_pool)
    elif o.kind == CONV_POOL_IMAGE:
        size = padded(pixels(&o.conv_pool))
    elif o.kind == CONV:
        size = frame_size(&o.frame) + packed_size(&o.grouped)
        if training and o.with_dx:
            size += frame_size(&o.turned_frame) + packed_size(&o.turned) + o.w_size
    elif o.kind == BATCHNORM:
        size = OWN_NORM * o.channels
    size = padded(size)
    if o.gamma >= 0 and not training:
        o.folded = size if o.kind != BATCHNORM else 0
        size += padded(o.w_size + o.channels)
    return size


cdef inline void set_own(const Program* p, const Worker* me) noexcept nogil:
    # What stays in that memory for good: which pixels between two rows do not count.
    cdef Py_ssize_t k, i, j
    cdef const Operation* o
    for k in range(p.count):
        o = p.operations + k
        if o.kind == CONV_POOL_IMAGE:
            for i in range(o.conv_pool.oh):
                for j in range(o.conv_pool.ow):
                    me.own[o.own + i * o.conv_pool.y_pitch + j] = 1


cdef inline Py_ssize_t scratch_size(const Operation* o) noexcept nogil:
    # Reals of memory that operations share one after the other.
    cdef Py_ssize_t size = 0
    if o.kind == LOAD:
        size = warp_size(o.in_h, o.in_w, o.in_c)
    elif o.kind != DENSE and o.w >= 0:
        size = o.w_size + o.channels
    if o.kind == CONV_POOL:
        size = max(size, lists_size(&o.conv_pool))
    return padded(size)


# ---- forward ----

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


# ---- loss ----

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


# ---- backward ----

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


# ---- normalisations, between whose passes threads wait for each other ----

cdef enum:
    # Rows of channels: slope, shift; mean, 1 / deviation; means of dy * xhat, of dy; variance; what rounding took from
    # the mean, and in its place the mean of dy that makes up for it.
    OWN_NORM = 8


cdef inline Py_ssize_t next_norm(const Program* p, Py_ssize_t k) noexcept nogil:
    # From operation k on; p.count if there is none.
    while k < p.count and p.operations[k].kind != BATCHNORM:
        k += 1
    return k


cdef inline Py_ssize_t last_norm(const Program* p, Py_ssize_t k) noexcept nogil:
    # Before operation k; 0, which is the load, if there is none.
    k -= 1
    while k > 0 and p.operations[k].kind != BATCHNORM:
        k -= 1
    return max(k, 0)


cdef inline double values_of(const Operation* o, Py_ssize_t n, Py_ssize_t chunks, Py_ssize_t chunk) noexcept nogil:
    # Of a channel, in a chunk of a batch of n.
    return <double>(n * (chunk + 1) // chunks - n * chunk // chunks) * o.norm.positions


cdef inline void measure(const Program* p, const Operation* o, Py_ssize_t n, Py_ssize_t chunks,
                         Py_ssize_t chunk) noexcept nogil:
    # Mean of every channel over a chunk, and the sum of squared distances from it.
    cdef:
        double* to = p.all_moments + chunk * p.moments + o.moments
        Py_ssize_t i, c, first = n * chunk // chunks, stop = n * (chunk + 1) // chunks
    memset(to, 0, 4 * o.channels * sizeof(double))
    for i in range(first, stop):
        add_image(&o.norm, place(o.x, p.cells + i * p.cell, p.rows + i * p.row), to)
    for c in range(o.channels):
        to[c] /= values_of(o, n, chunks, chunk)
    for i in range(first, stop):
        add_squares(&o.norm, place(o.x, p.cells + i * p.cell, p.rows + i * p.row), to, to + o.channels)


cdef inline void take_moments(const Program* p, const Operation* o, const Worker* me, Py_ssize_t n,
                              Py_ssize_t chunks) noexcept nogil:
    # All chunks' moments as the batch's, by every thread for itself.
    cdef:
        Py_ssize_t chunk, c, channels = o.channels
        real* own = me.own + o.own
        const real* gamma = p.parameters + o.w
        double count = values_of(o, n, chunks, 0), more, inverse, rest
    memcpy(me.merged, p.all_moments + o.moments, 2 * channels * sizeof(double))
    for chunk in range(1, chunks):
        more = values_of(o, n, chunks, chunk)
        merge_moments(&o.norm, count, me.merged, more, p.all_moments + chunk * p.moments + o.moments)
        count += more
    for c in range(channels):
        inverse = 1 / sqrt(me.merged[channels + c] / count + o.norm.epsilon)
        own[2 * channels + c], own[3 * channels + c] = <real>me.merged[c], <real>inverse
        rest = me.merged[c] - own[2 * channels + c]
        own[c], own[channels + c] = <real>(gamma[c] * inverse), <real>(gamma[channels + c] - rest * gamma[c] * inverse)
        own[7 * channels + c] = <real>rest
        own[6 * channels + c] = <real>(me.merged[channels + c] / max(count - 1, 1.0))


cdef inline void measure_gradients(const Program* p, const Operation* o, const Worker* me, Py_ssize_t n,
                                   Py_ssize_t chunks, Py_ssize_t chunk) noexcept nogil:
    cdef:
        const real* own = me.own + o.own
        real* cell
        real* row
        Py_ssize_t i
    for i in range(n * chunk // chunks, n * (chunk + 1) // chunks):
        cell, row = p.cells + i * p.cell, p.rows + i * p.row
        add_gradients(&o.norm, place(o.x, cell, row), place(o.y, cell, row), place(o.dy, cell, row),
                      own + 2 * o.channels, own + 3 * o.channels,
                      p.all_moments + chunk * p.moments + o.moments + 2 * o.channels)


cdef inline void take_gradients(const Program* p, const Operation* o, const Worker* me, Py_ssize_t n,
                                Py_ssize_t chunks) noexcept nogil:
    # Where the mean is large, its rounding error moves each xhat by the same amount. What that adds is taken away here,
    # or the sum of dx over the batch, times the next layer's mean, would be most of a weight's gradient.
    cdef:
        Py_ssize_t chunk, c, channels = o.channels
        real* own = me.own + o.own
        const double* sums
        double along, mean_dy, moved, count = <double>n * o.norm.positions
    for c in range(channels):
        along = mean_dy = 0
        for chunk in range(chunks):
            sums = p.all_moments + chunk * p.moments + o.moments + 2 * channels
            along += sums[c]
            mean_dy += sums[channels + c]
        moved = <double>own[7 * channels + c] * own[3 * channels + c]
        mean_dy /= count
        along = along / count - moved * mean_dy
        own[4 * channels + c], own[5 * channels + c] = <real>along, <real>mean_dy
        own[7 * channels + c] = <real>(mean_dy - moved * along)


# ---- update ----

cdef inline Py_ssize_t owner(Py_ssize_t chunks, Py_ssize_t parts, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    # The thread that has all chunks first .. stop, or -1.
    cdef Py_ssize_t part = ((first + 1) * parts - 1) // chunks
    return part if stop <= chunks * (part + 1) // parts else -1


cdef inline void merge_sums(const Program* p, Py_ssize_t chunks, Py_ssize_t parts, Py_ssize_t part, Py_ssize_t at,
                            Py_ssize_t size) noexcept nogil:
    # Sums of chunks, `size` reals of each from `at` on, added up in pairs, then pairs of pairs and so on: always the
    # same sums, of which each thread makes those of its own chunks, and the update (part -1) the others.
    cdef:
        Py_ssize_t step = 1, first, i
        real* to
        const real* more
    while step < chunks:
        first = 0
        while first + step < chunks:
            if owner(chunks, parts, first, min(first + 2 * step, chunks)) == part:
                to = p.all_sums + first * p.sums + at
                more = to + step * p.sums
                for i in range(size):
                    to[i] += more[i]
            first += 2 * step
        step *= 2


cdef inline void update(const Program* p, const Worker* me, const Optimizer* optimizer, Py_ssize_t n,
                        Py_ssize_t chunks, Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # This thread's share of all weights.
    cdef Py_ssize_t k
    cdef const Operation* o
    cdef long long began
    for k in range(p.count):
        o = p.operations + k
        began = tick(p)
        if o.kind == DENSE:
            update_dense(p, o, optimizer, n, part, parts)
        elif o.kind == BATCHNORM and k % parts == part:
            update_norm(p, o, optimizer, me, n)
        elif o.w >= 0 and k % parts == part:
            merge_sums(p, chunks, parts, -1, o.sums, o.sums_size)
            update_conv(p, o, optimizer, me.scratch)
        tock(p, k, UPDATE, began)


cdef inline void update_dense(const Program* p, const Operation* o, const Optimizer* optimizer, Py_ssize_t n,
                              Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # Tiles of four units in one block of columns, shared out evenly.
    cdef:
        Py_ssize_t groups = (o.dense.units + 3) // 4, items = groups * column_blocks(&o.dense)
        Py_ssize_t item = items * part // parts, stop = items * (part + 1) // parts, block, last
        const real* dy = place(o.dy, NULL, p.rows)
        const real* x = place(o.x, NULL, p.rows)
    while item < stop and n > 1:
        block = item // groups
        last = min(stop, (block + 1) * groups)
        dense_update(&o.dense, block, (item - block * groups) * 4, min((last - block * groups) * 4, o.dense.units), n,
                     dy, p.row, x, p.row, optimizer, o.w)
        item = last
    if o.b >= 0 and part == parts - 1:
        dense_update_bias(&o.dense, n, dy, p.row, optimizer, o.b)


cdef inline void update_conv(const Program* p, const Operation* o, const Optimizer* optimizer,
                             real* scratch) noexcept nogil:
    cdef:
        real* sums = p.all_sums + o.sums
        real* db = scratch + o.w_size if o.b >= 0 else NULL
    if o.kind == CONV_POOL_IMAGE:
        conv_pool_image_gradient(&o.conv_pool, sums, scratch, db)
    elif o.kind == CONV_POOL:
        conv_pool_gradient(&o.conv_pool, sums, scratch, db)
    else:
        unpack_weight_gradient(&o.grouped, sums, 1, False, scratch)
        if db != NULL:
            memcpy(db, sums + weight_sums_size(&o.grouped), o.channels * sizeof(real))
    update_run(optimizer, o.w_size + (o.channels if db != NULL else 0), scratch, o.w)


cdef inline void update_norm(const Program* p, const Operation* o, const Optimizer* optimizer, const Worker* me,
                             Py_ssize_t n) noexcept nogil:
    cdef:
        Py_ssize_t c
        const real* own = me.own + o.own
        real* running = p.statistics + o.statistics
        real keep = <real>o.norm.keep, count = <real>(n * o.norm.positions)
    for c in range(2 * o.channels):
        me.scratch[c] = own[4 * o.channels + c] * count
    update_run(optimizer, 2 * o.channels, me.scratch, o.w)
    for c in range(o.channels):
        running[c] = keep * running[c] + (1 - keep) * own[2 * o.channels + c]
        running[o.channels + c] = keep * running[o.channels + c] + (1 - keep) * own[6 * o.channels + c]


# ---- prediction ----

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
