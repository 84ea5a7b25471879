# Layer normalisation as an operation of a plan. Every image keeps its statistics for the way back.

from ..arrays cimport as_tuple
from ..simd cimport real
from ..step.optimizer cimport update_run
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, new_geometry, tensor
from .layernorm_kernels cimport (
    LayerNorm, Statistics, add_parameter_gradients, layernorm_forward, layernorm_input_gradient, statistics_at,
    statistics_size,
)


cdef inline int read(Operation* o, object geometry) except -1:
    cdef LayerNorm* g = <LayerNorm*>new_geometry(o, sizeof(LayerNorm))
    g.positions, g.c, g.epsilon = as_tuple(geometry)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const LayerNorm* g = <const LayerNorm*>o.geometry
    sizes.w = sizes.channels = g.c  # gamma; beta is in the place of the bias
    sizes.x = sizes.y = g.positions * g.c
    sizes.kept = statistics_size(g)
    if training:
        sizes.dy, sizes.sums = sizes.y, 2 * g.c
        sizes.dx = sizes.x if o.with_dx else 0


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const LayerNorm* g = <const LayerNorm*>o.geometry
    cdef const real* gamma = c.program.parameters + o.w
    layernorm_forward(g, gamma, gamma + g.c, tensor(o.x, image), statistics_at(g, tensor(o.kept, image)),
                      tensor(o.y, image))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const LayerNorm* g = <const LayerNorm*>o.geometry
    cdef const real* x = tensor(o.x, image)
    cdef const real* dy = tensor(o.dy, image)
    cdef Statistics s = statistics_at(g, tensor(o.kept, image))
    add_parameter_gradients(g, x, dy, s, image.sums + o.sums)
    if o.with_dx:
        layernorm_input_gradient(g, c.program.parameters + o.w, x, dy, s, tensor(o.dx, image))


cdef inline void update(const Operation* o, const Context* c) noexcept nogil:
    update_run(c.optimizer, 2 * o.channels, c.program.all_sums + o.sums, o.w)


cdef inline void set_layernorm(OperationKind* row) noexcept:
    row.name = "layernorm"
    row.read, row.measure, row.forward, row.backward, row.update = read, measure, forward, backward, update
