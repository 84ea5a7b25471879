# A layer that computes in Python, as an operation of a plan. It needs the whole batch: threads copy its x together,
# image by image without gaps, one of them calls Python, and the threads copy from what that returned, y; likewise back.

from libc.string cimport memcpy

from ..arrays cimport results
from ..simd cimport real
from ..step.optimizer cimport update_run
from ..step.program cimport (
    Context, Image, Operation, OperationKind, Sizes, learned_size, new_geometry, tensor,
)
from ..step.python_calls cimport call_for_array


cdef struct PythonLayer:
    void* call               # the LayerCall of cnn/backends/python_calls.py, which the plan keeps
    Py_ssize_t inputs, outputs, learned
    real* x                  # (n, inputs), for Python
    real* dy                 # (n, outputs), likewise
    const real* y            # (n, outputs), from Python
    const real* dx           # (n, inputs), likewise


cdef inline int read(Operation* o, object geometry) except -1:
    cdef PythonLayer* g = <PythonLayer*>new_geometry(o, sizeof(PythonLayer))
    g.call = <void*>geometry
    g.inputs, g.outputs, g.learned = geometry.inputs, geometry.outputs, geometry.learned
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const PythonLayer* g = <const PythonLayer*>o.geometry
    sizes.w, sizes.channels = g.learned, o.channels
    sizes.x, sizes.y = g.inputs, g.outputs
    if training:
        sizes.dy, sizes.dx = g.outputs, g.inputs if o.with_dx else 0


cdef inline int reserve(Operation* o, Py_ssize_t batch_size) except -1:
    cdef PythonLayer* g = <PythonLayer*>o.geometry
    cdef object call = <object>g.call
    call.reserve(batch_size)
    g.x, g.dy = results(call.x, batch_size * g.inputs), results(call.dy, batch_size * g.outputs)
    return 0


cdef inline void collect_x(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const PythonLayer* g = <const PythonLayer*>o.geometry
    memcpy(g.x + image.i * g.inputs, tensor(o.x, image), g.inputs * sizeof(real))


cdef inline void collect_dy(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const PythonLayer* g = <const PythonLayer*>o.geometry
    memcpy(g.dy + image.i * g.outputs, tensor(o.dy, image), g.outputs * sizeof(real))


cdef inline int call(const Operation* o, const Context* c, bint forward) noexcept nogil:
    # `apply` of all images, or `apply_gradient`, which fills the layer's part of the net's gradients.
    cdef PythonLayer* g = <PythonLayer*>o.geometry
    if forward:
        return call_for_array(g.call, c.batch.n, True, c.training, c.batch.n * g.outputs, &g.y)
    return call_for_array(g.call, c.batch.n, False, c.training, c.batch.n * g.inputs, &g.dx)


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const PythonLayer* g = <const PythonLayer*>o.geometry
    memcpy(tensor(o.y, image), g.y + image.i * g.outputs, g.outputs * sizeof(real))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const PythonLayer* g = <const PythonLayer*>o.geometry
    if o.with_dx:
        memcpy(tensor(o.dx, image), g.dx + image.i * g.inputs, g.inputs * sizeof(real))


cdef inline void update(const Operation* o, const Context* c) noexcept nogil:
    if o.w >= 0:
        update_run(c.optimizer, learned_size(o), c.program.gradients + o.w, o.w)


cdef inline void set_python_layer(OperationKind* row) noexcept:
    row.name = "python"
    row.read, row.measure, row.reserve, row.call = read, measure, reserve, call
    row.add_moments, row.add_gradient_moments = collect_x, collect_dy
    row.forward, row.backward, row.update = forward, backward, update
