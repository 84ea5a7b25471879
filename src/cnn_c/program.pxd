# What a training step works with: a list of operations, made by cnn/plan/make.py, and the memory that they share. The files
# step_*.pxd are what one thread does with blocks of images, steps.pxd the order of it.
#
# A. An image has a cell, memory for what lies between the operations on it, which each thread reuses from block to
#    block, and a row, in which the inputs of dense layers and the gradients for their outputs wait for the update.
# B. Forward and back, a run of operations on single images is done depth first: one image passes all of them while it
#    is in the first cache. A dense layer takes the block as a matrix. A normalisation needs the whole batch: every
#    image has a cell of its own then, and in steps.pxd the threads wait for each other there.
# C. Gradients of convolutions are summed up a chunk of images at a time, by whichever thread has the chunk; those of
#    dense layers in the update, by whichever thread has the weights. Neither sum knows how many threads there are.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from .augment cimport Warp
from .batchnorm cimport Norm
from .conv cimport Conv, Frame, Grouped
from .conv_pool cimport ConvPool
from .dense cimport Dense
from .dropout cimport Dropout
from .maxpool cimport Pool
from .simd cimport real

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
