# The first operation of every plan: an image of the data set, augmented if asked for, and rescaled.
#
#   y[i] = x[i] * scale + offset, of uint8, float32 or float64 images

from libc.stdint cimport uint8_t

from ..augment cimport warp_image, warp_size
from ..random cimport stream
from ..simd cimport real
from ..step.program cimport (
    FLOAT32, UINT8, Batch, Context, Image, Operation, OperationKind, Sizes, image_at, new_geometry, tensor,
)


cdef struct Load:
    Py_ssize_t h, w, c  # zeros for inputs that are no images
    real scale, offset


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


# ---- as an operation of a plan ----

cdef inline int read(Operation* o, object geometry) except -1:
    cdef double scale = geometry.scale, offset = geometry.offset
    cdef Load* g = <Load*>new_geometry(o, sizeof(Load))
    g.h, g.w, g.c = geometry.h, geometry.w, geometry.c
    g.scale, g.offset = <real>scale, <real>offset
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const Load* g = <const Load*>o.geometry
    sizes.y = o.out_size
    sizes.scratch = max(warp_size(g.h, g.w, g.c), o.out_size) if training else 0


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const Load* g = <const Load*>o.geometry
    cdef real* y = tensor(o.y, image)
    if c.batch.warp == NULL:
        load_image(o.out_size, c.batch, image.i, g.scale, g.offset, y)
    else:
        load_image(o.out_size, c.batch, image.i, 1, 0, c.worker.scratch)
        warp_image(c.batch.warp, stream(c.batch.seed, c.batch.position + image.i, 0), g.scale, g.offset,
                   c.worker.scratch, y)


cdef inline void set_load(OperationKind* row) noexcept:
    row.name = "load"
    row.read, row.measure, row.forward = read, measure, forward
