# What a training step works with: a plan's operations and the memory that they share. step/*.pxd are what one thread
# does with blocks of images, steps.pxd the order of it. Neither knows an operation by name: they call the functions of
# its row in the table (ops/table.pxd).
#
# A. An image has transient memory, for what lies between the operations on it, which a thread reuses from block to
#    block, and persistent memory, in which lies until the update what is needed after the block: the inputs of dense
#    layers, the gradients for their outputs, and what D needs.
# B. Forward and backward, consecutive operations on single images run depth first: one image passes all of them while
#    it is in the first cache. A dense layer takes the block as a matrix.
# C. Gradients of convolutions are summed a chunk of images at a time, by whichever thread has the chunk; those of dense
#    layers in the update, by whichever thread has the weights. Neither sum depends on the number of threads.
# D. A normalisation needs the whole batch, and so does a layer or a loss in Python. There, in steps.pxd, the threads
#    meet at a barrier, and what the backward pass needs of the operations below is in persistent memory.
# E. Where there are fewer images than threads, a group of threads shares each image of a large net; see shared.pxd.
# F. Mostly a parameter follows its gradient while this is still in registers. Where somebody looks at all gradients
#    first, a clipping or an optimiser in Python, they are stored, and whole_update.pxd does the rest.

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc

from ..augment cimport Warp
from ..simd cimport real
from ..team cimport Team
from .loss cimport Loss
from .optimizer cimport Optimizer

cdef extern from "clock.h" nogil:
    long long now() noexcept  # nanoseconds


cdef enum Phase:
    FORWARD
    BACKWARD
    UPDATE


cdef enum:
    STAGES = 2  # of an operation on an image that threads share


cdef enum DataKind:
    UINT8
    FLOAT32
    FLOAT64


cdef struct Place:
    bint persistent
    Py_ssize_t at


cdef struct Sizes:
    # All that an operation's kernels may touch, in reals from where each begins: the plan asks, the Runner checks.
    Py_ssize_t x, y, dx, dy         # tensors of an image, with what registers read and write past their end
    Py_ssize_t also_x, also_dy      # of those of another operation
    Py_ssize_t kept                 # of an image: what backward needs beside x and y
    Py_ssize_t argmax               # of an image, int32: which element of its window each maximum was
    Py_ssize_t workspace            # of a thread, for this operation alone; zeroed once
    Py_ssize_t scratch              # of a thread, for whichever operation is at work
    Py_ssize_t sums                 # of a chunk: gradients for its parameters
    Py_ssize_t moments              # of a chunk, doubles: sums over the batch
    Py_ssize_t w, channels          # among the parameters: weights; biases, if there are any


cdef struct Operation:
    const OperationKind* kind
    void* geometry                  # the kind's own struct
    bint with_dx                    # whether any layer below learns
    bint frozen                     # whether its own parameters stay as they are
    bint whole_batch                # whether it needs all images of a batch before it has an output of any
    bint by_chunk                   # whether its gradients are summed chunk by chunk, for other processes
    bint shared                     # whether several threads may work on one image of it
    Place x, y, dx, dy
    bint has_also_x, has_also_dy    # whether it reads x or dy of another operation, too:
    Place also_x, also_dy
    Py_ssize_t out_size
    Place kept, argmax
    Py_ssize_t w, b                 # among the parameters: -1 for none; b follows w
    Py_ssize_t w_size, channels     # of w; of the output
    Py_ssize_t gamma, statistics    # of a normalisation, among the parameters and the statistics; -1 for none
    double epsilon                  # of that normalisation
    Py_ssize_t workspace            # in a thread's memory
    Py_ssize_t sums, sums_size      # in a chunk's sums
    Py_ssize_t moments              # in a chunk's moments
    uint64_t stream                 # of random numbers


cdef struct Program:
    Operation* operations
    Py_ssize_t count, lowest        # operations; the first of those that have parameters
    Py_ssize_t transient, persistent, sums, moments  # reals of an image, of a chunk; doubles of a chunk
    Py_ssize_t image_sums           # of a chunk's sums, what images add to; the others are of operations `by_chunk`
    bint exchanged                  # whether sums are exchanged with other processes before the update
    bint whole_batch                # whether an operation, or the loss, needs all images of a batch
    bint shared                     # whether an operation is
    Py_ssize_t block                # images that a thread takes at a time
    Py_ssize_t chunks               # at most so many parts of a batch
    Py_ssize_t classes
    real* parameters
    real* gradients                 # as many: of layers in Python, and of all where an update needs them together
    real* no_bias                   # zeros
    real* statistics                # running means and variances
    real* all_persistent            # of a batch, in training or where `whole_batch`; else NULL
    real* all_sums                  # one chunk's after the other's
    double* all_moments             # likewise
    int64_t* nanoseconds            # that operations took: forward, backward, update of each; NULL if nobody asks


cdef struct Worker:                 # a thread's memory
    real* transient                 # of a block
    real* persistent                # of a block, in prediction
    real* workspace
    real* scratch
    double* merged                  # moments of the batch
    bint has_whole_share            # whether no other thread took a chunk of its share, see update.pxd
    bint stops, finite              # whether its group goes no further; whether the loss of its image is finite


cdef struct Group:                  # of threads that share an image, as one of them sees it
    Team* team
    int part                        # its number among them
    Py_ssize_t index                # of the group
    Worker* leader                  # the first one, whose memory they share
    Worker worker                   # that memory, and the thread's own scratch


cdef struct Batch:
    DataKind data_kind
    const void* data
    const int64_t* order            # of the images, or NULL
    const int64_t* labels           # of all images of the data set; NULL where they have
    const real* targets             # rows instead; NULL as well where the loss is in Python
    const double* weights           # of all images, or NULL
    Py_ssize_t n, chunks
    Py_ssize_t first_chunk, own_chunks  # those of this process: all, unless there are others
    double total_weight             # of its images, n without weights
    double* losses
    uint8_t* correct
    Loss loss
    const Warp* warp                # augmentation of images, or NULL
    uint64_t seed                   # of random numbers,
    int64_t position                # which are counted from the epoch's first image


cdef struct Context:                # what a thread's functions are given in a step
    const Program* program
    Worker* worker                  # the thread's own, one of `workers`, or that of its group
    const Worker* workers           # of all threads
    const Group* group              # the thread's, or NULL where it has images of its own
    const Batch* batch
    const Optimizer* optimizer
    bint training


cdef struct Image:                  # of the batch, or the first one of a block
    Py_ssize_t i
    real* transient
    real* persistent
    real* sums                      # of its chunk


cdef struct OperationKind:
    # A row of the table: the functions of a kind of operation, NULL for what it has not.
    const char* name
    int (*read)(Operation* o, object geometry) except -1    # makes its struct of a geometry of cnn/backends/program.py
    void (*measure)(const Operation* o, bint training, Sizes* sizes) noexcept nogil
    # The thread's memory: once, and before the first image of every step.
    void (*initialize)(const Operation* o, real* workspace) noexcept nogil
    void (*prepare)(const Operation* o, const Context* c) noexcept nogil
    # One image.
    void (*forward)(const Operation* o, const Context* c, const Image* image) noexcept nogil
    void (*backward)(const Operation* o, const Context* c, const Image* image) noexcept nogil
    # Instead, a block of images as a matrix; `prefetch` brings the i-th of `count` parts of its weights near.
    void (*forward_block)(const Operation* o, const Context* c, const Image* first, Py_ssize_t count) noexcept nogil
    void (*backward_block)(const Operation* o, const Context* c, const Image* first, Py_ssize_t count) noexcept nogil
    void (*prefetch)(const Operation* o, const Context* c, Py_ssize_t i, Py_ssize_t count) noexcept nogil
    # What `forward` or `forward_block` does for one image, and likewise backward, by several threads: in stages of so
    # many pieces, or none, which are shared out; before the next stage all are done. Bits do not depend on the pieces.
    Py_ssize_t (*pieces)(const Operation* o, const Context* c, Phase phase, int stage) noexcept nogil
    void (*forward_pieces)(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                           Py_ssize_t stop) noexcept nogil
    void (*backward_pieces)(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                            Py_ssize_t stop) noexcept nogil
    # What depends on the whole batch, forward and backward: what each image adds to its chunk's sums, as soon as its x,
    # or its dy, is there; then the sums of all chunks, by every thread.
    void (*add_moments)(const Operation* o, const Context* c, const Image* image) noexcept nogil
    void (*merge_moments)(const Operation* o, const Context* c) noexcept nogil
    void (*add_gradient_moments)(const Operation* o, const Context* c, const Image* image) noexcept nogil
    void (*merge_gradient_moments)(const Operation* o, const Context* c) noexcept nogil
    # Instead of merging, by one thread while the others wait, in Python: -1 where that raised an exception, which is
    # left pending. `reserve` takes the arrays that pass to and fro, for so many images.
    int (*call)(const Operation* o, const Context* c, bint forward) noexcept nogil
    int (*reserve)(Operation* o, Py_ssize_t batch_size) except -1
    # After the last image, where sums are exchanged: gradients of this process's chunks, added up as `merge_sums` does;
    # the share of thread `part` of `parts`.
    void (*sum_chunks)(const Operation* o, const Context* c, Py_ssize_t part, Py_ssize_t parts) noexcept nogil
    # Parameters from their gradients: the share of thread `part` of `parts`, or all of it.
    void (*update_share)(const Operation* o, const Context* c, Py_ssize_t part, Py_ssize_t parts) noexcept nogil
    void (*update)(const Operation* o, const Context* c) noexcept nogil


cdef inline void* new_geometry(Operation* o, size_t size) except NULL:
    # Zeros for the kind's own struct. Whoever has the operation frees it.
    o.geometry = calloc(1, size)
    if o.geometry == NULL:
        raise MemoryError
    return o.geometry


cdef inline real* tensor(Place p, const Image* image) noexcept nogil:
    return (image.persistent if p.persistent else image.transient) + p.at


cdef inline Py_ssize_t learned_size(const Operation* o) noexcept nogil:
    # Of its parameters, which follow each other.
    return o.w_size + (o.channels if o.b >= 0 else 0)


cdef inline real* workspace(const Operation* o, const Context* c) noexcept nogil:
    return c.worker.workspace + o.workspace


cdef inline int64_t image_at(const Batch* batch, Py_ssize_t i) noexcept nogil:
    return batch.order[i] if batch.order != NULL else i


cdef enum:
    FEWEST_CHUNKS = 16
    MOST_CHUNKS = 64
    IMAGES_A_CHUNK = 16


cdef inline Py_ssize_t most_chunks(Py_ssize_t n) noexcept nogil:
    # Parts of a batch that have sums of their own, so that as many threads and processes find work: 16, from 512 images
    # on 32, from 1,024 on 64. The number depends on the batch alone, and so do the sums.
    cdef Py_ssize_t chunks = FEWEST_CHUNKS
    while chunks < MOST_CHUNKS and 2 * chunks * IMAGES_A_CHUNK <= n:
        chunks *= 2
    return chunks


cdef inline Py_ssize_t first_of_chunk(const Batch* batch, Py_ssize_t chunk) noexcept nogil:
    return batch.n * chunk // batch.chunks


cdef inline Py_ssize_t end_of_subtree(const Batch* batch, Py_ssize_t first) noexcept nogil:
    # Chunks are added up in pairs, then pairs of pairs and so on. The largest sum of this tree that begins with chunk
    # `first` and has no chunk of another process ends before the chunk that is returned.
    cdef Py_ssize_t size = 1, end = batch.first_chunk + batch.own_chunks
    while size < batch.chunks and first % (2 * size) == 0 and min(first + 2 * size, batch.chunks) <= end:
        size *= 2
    return min(first + size, batch.chunks)


cdef inline Py_ssize_t chunk_of(const Batch* batch, Py_ssize_t i) noexcept nogil:
    return ((i + 1) * batch.chunks - 1) // batch.n


cdef inline Image image_of_batch(const Program* p, const Worker* worker, const Batch* batch, Py_ssize_t i,
                                 Py_ssize_t first) noexcept nogil:
    # Image i of a batch, in a block that begins with image `first`; where it is needed alone, it begins its own.
    cdef Image image
    image.i = i
    image.persistent = p.all_persistent + i * p.persistent
    image.transient = worker.transient + (i - first) * p.transient
    image.sums = p.all_sums + chunk_of(batch, i) * p.sums
    return image


cdef inline long long tick(const Program* p) noexcept nogil:
    return now() if p.nanoseconds != NULL else 0


cdef inline void tock(const Program* p, Py_ssize_t k, Phase phase, long long began) noexcept nogil:
    if p.nanoseconds != NULL:
        p.nanoseconds[3 * k + phase] += now() - began
