# Elementwise operations, over consecutive reals, by one thread: y[i] = f(x[i]), dx[i] = dy[i] * f'(x[i]).
#
#   relu      y = x where x > 0 or x is NaN, else 0;   dx = dy where y > 0, else 0
#   leaky     y = x where x > 0, else a * x;           dx = dy where x > 0, else a * dy
#   sigmoid   y = 1 / (1 + exp(-x));                    dx = dy * y * (1 - y)
#   tanh      y = (1 - exp(-2x)) / (1 + exp(-2x));      dx = dy * (1 - y * y)
#   gelu      y = x * Phi(x) = x * (1 + erf(x / sqrt(2))) / 2;    dx = dy * (Phi(x) + x * exp(-x * x / 2) / sqrt(2 pi))
#   silu      y = x * s, s = 1 / (1 + exp(-x));         dx = dy * (s + x * s * (1 - s))
#   softplus  y = log(1 + exp(x));                      dx = dy * s
#   rescale   y = a * x + b;                           dx = a * dy
#
# A function is a forward and a backward loop, which the compiler makes vectors of, and a line in `set_function`. A
# backward loop reads x or y, not both; dx may be dy.

from ..simd cimport real
from ..step.program cimport Context, Image, Operation, OperationKind, Phase, Sizes, new_geometry, tensor


cdef extern from "exponential.h" nogil:
    real logistic(real x)
    real hyperbolic_tangent(real x)
    real gelu(real x)
    real gelu_slope(real x)
    real silu_slope(real x)
    real softplus(real x)


cdef struct Elementwise  # below


ctypedef void (*Forward)(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil
ctypedef void (*Backward)(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                          real* dx) noexcept nogil


cdef struct Elementwise:
    Forward forward
    Backward backward
    real a, b  # the function's constants


cdef inline void relu_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = 0 if x[i] <= 0 else x[i]


cdef inline void relu_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                               real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] if y[i] > 0 else 0


cdef inline void leaky_relu_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = f.a
    for i in range(size):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


cdef inline void leaky_relu_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x,
                                     const real* y, real* dx) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = f.a
    for i in range(size):
        dx[i] = dy[i] if x[i] > 0 else slope * dy[i]


cdef inline void sigmoid_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = logistic(x[i])


cdef inline void sigmoid_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                                  real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] * (y[i] * (<real>1 - y[i]))


cdef inline void tanh_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = hyperbolic_tangent(x[i])


cdef inline void tanh_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                               real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] * (<real>1 - y[i] * y[i])


cdef inline void gelu_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = gelu(x[i])


cdef inline void gelu_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                               real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] * gelu_slope(x[i])


cdef inline void silu_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = x[i] * logistic(x[i])


cdef inline void silu_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                               real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] * silu_slope(x[i])


cdef inline void softplus_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = softplus(x[i])


cdef inline void softplus_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                                   real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] * logistic(x[i])


cdef inline void rescale_forward(const Elementwise* f, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef real a = f.a, b = f.b
    for i in range(size):
        y[i] = x[i] * a + b


cdef inline void rescale_backward(const Elementwise* f, Py_ssize_t size, const real* dy, const real* x, const real* y,
                                  real* dx) noexcept nogil:
    cdef Py_ssize_t i
    cdef real a = f.a
    for i in range(size):
        dx[i] = dy[i] * a


cdef inline int set_function(Elementwise* f, object geometry) except -1:
    # From a cnn.backends.calls.Elementwise.
    cdef tuple constants = geometry.constants
    cdef double a = constants[0] if len(constants) > 0 else 0, b = constants[1] if len(constants) > 1 else 0
    cdef str name = geometry.function
    f.a, f.b = <real>a, <real>b
    if name == "relu":
        f.forward, f.backward = relu_forward, relu_backward
    elif name == "leaky_relu":
        f.forward, f.backward = leaky_relu_forward, leaky_relu_backward
    elif name == "sigmoid":
        f.forward, f.backward = sigmoid_forward, sigmoid_backward
    elif name == "tanh":
        f.forward, f.backward = tanh_forward, tanh_backward
    elif name == "gelu":
        f.forward, f.backward = gelu_forward, gelu_backward
    elif name == "silu":
        f.forward, f.backward = silu_forward, silu_backward
    elif name == "softplus":
        f.forward, f.backward = softplus_forward, softplus_backward
    elif name == "rescale":
        f.forward, f.backward = rescale_forward, rescale_backward
    else:
        raise SystemError(f"there is no elementwise function {name!r}")
    return 0


# ---- as an operation of a plan ----

cdef inline int read(Operation* o, object geometry) except -1:
    cdef Elementwise* f = <Elementwise*>new_geometry(o, sizeof(Elementwise))
    return set_function(f, geometry)


cdef inline void measure_elementwise(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    sizes.x = sizes.y = o.out_size
    if training and o.with_dx:
        sizes.dx = sizes.dy = o.out_size


cdef inline void forward_range(const Operation* o, const Image* image, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    cdef const Elementwise* f = <const Elementwise*>o.geometry
    f.forward(f, size, tensor(o.x, image) + at, tensor(o.y, image) + at)


cdef inline void backward_range(const Operation* o, const Image* image, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    cdef const Elementwise* f = <const Elementwise*>o.geometry
    f.backward(f, size, tensor(o.dy, image) + at, tensor(o.x, image) + at, tensor(o.y, image) + at,
               tensor(o.dx, image) + at)


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    forward_range(o, image, 0, o.out_size)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    backward_range(o, image, 0, o.out_size)


# ---- one image by several threads ----

cdef enum:
    PIECE = 1024  # reals: whole registers, so that the compiler's loops take the same reals into registers


cdef inline Py_ssize_t pieces(const Operation* o, const Context* c, Phase phase, int stage) noexcept nogil:
    return (o.out_size + PIECE - 1) // PIECE if stage == 0 else 0


cdef inline void forward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                Py_ssize_t stop) noexcept nogil:
    forward_range(o, image, first * PIECE, min(stop * PIECE, o.out_size) - first * PIECE)


cdef inline void backward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                 Py_ssize_t stop) noexcept nogil:
    backward_range(o, image, first * PIECE, min(stop * PIECE, o.out_size) - first * PIECE)


cdef inline void set_elementwise(OperationKind* row) noexcept:
    row.name = "elementwise"
    row.read, row.measure, row.forward, row.backward = read, measure_elementwise, forward, backward
    row.pieces, row.forward_pieces, row.backward_pieces = pieces, forward_pieces, backward_pieces
