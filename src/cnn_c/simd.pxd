# What simd.h offers, for Cython: it takes `vec` for a number, so that `+` and `*` on registers read as they do in C.
# `lanes` are a bit mask with AVX-512, a vector with AVX2, a number elsewhere: `first_lanes`, `lanes_of` make them.

cdef extern from "simd.h" nogil:
    ctypedef float real
    ctypedef float vec
    ctypedef int ivec
    ctypedef int lanes
    enum: LANES
    enum: MAX_TILE
    enum: MATRIX_SIDE
    enum: USUAL_CASES
    enum: REAL_BITS
    enum: LANE_MASKS

    # `void`, for a function into which all that it calls is inlined
    ctypedef void flattened "FLATTENED"

    vec vload(const real *p)
    void vstore(real *p, vec v)
    lanes first_lanes(int n)
    lanes lanes_of(Py_ssize_t n)
    Py_ssize_t registers(Py_ssize_t n)
    vec vload_lanes(const real *p, lanes m)
    void vstore_lanes(real *p, vec v, lanes m)
    real vsum(vec v)
    vec vmultiply_add(vec total, real x, vec v, lanes m)
    lanes lane_range(int start, int end)

    ctypedef int choice
    choice vtakes(vec value, vec best)
    choice vequals(vec a, vec b)
    vec vselect(choice m, vec a, vec b)
    ivec iselect(choice m, ivec a, ivec b)
    ivec isplat(int value)
    choice iequals(ivec a, int b)
    choice ihas_bit(ivec a, int bit)
    choice vgreater(vec a, vec b)
    choice vunordered(vec a, vec b)
    vec vmax(vec a, vec b)
    vec vmin(vec a, vec b)
    vec vsplat(real x)
    ivec vtruncate(vec v)
    vec vreal(ivec v)
    vec vgather(const real* p, ivec at)
    void prefetch_to_write(const void* p)
    void prefetch_far(const void* p)
    vec vsqrt(vec v)
    vec vdivide(vec a, vec b)
    void vinterleave8(vec* v)
    void vdeinterleave8(vec* v)
    void vtranspose(vec* v)
    vec vunzip_even(vec a, vec b)
    vec vunzip_odd(vec a, vec b)
    int vkeep_nonzero(real* to, int* places, vec v, ivec p)
    ivec iramp()
    vec as_vec(ivec v)
    ivec as_ivec(vec v)
    vec vsums(vec* v)
    unsigned long long flush_subnormals()
    void restore_mode(unsigned long long mode)
    ivec iload(const int *p, lanes m)
    void istore(int *p, ivec v, lanes m)


cdef enum:
    CACHE_LINE = 64  # bytes, 16 reals of the smaller dtype
    LINE = 16        # reals, to which places in memory are rounded


cdef inline Py_ssize_t rounded_up(Py_ssize_t n) noexcept nogil:
    return (n + LINE - 1) // LINE * LINE


cdef inline vec load(const bint whole, const real* p, lanes live) noexcept nogil:
    # All lanes of a register, or those that are in use.
    return vload(p) if whole else vload_lanes(p, live)


cdef inline void store(const bint whole, real* p, vec v, lanes live) noexcept nogil:
    if whole:
        vstore(p, v)
    else:
        vstore_lanes(p, v, live)
