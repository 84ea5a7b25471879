# Convolution, ReLU and 2x2 max pooling in one, of an image with one channel, by one thread.
#
# The lanes of a register are pooled pixels. The padded image lies as four planes, x[si, sj][r, c] = image[2r + si,
# 2c + sj], so that the four convolution outputs under a pooling window, whose maximum is asked for, are four sums in
# one lane. All planes and the output have the same pitch: pixel (i, j) is p = i * pitch + j, lanes run from one row
# into the next, and what is computed for the few p between two rows is put to zero (`valid`).
#
#   y[p, o]    = max over si, sj of relu(b[o] + sum over k, l of x[(si+k) % 2, (sj+l) % 2][p + ...] * w[k, l, o])
#   argmax[o,p] = 2 * si + sj of the first maximum, IDLE where ReLU (or `valid`) lets no gradient pass
#   dw[k,l,o]  = sum over p of dy[p, o] * x[(si+k) % 2, (sj+l) % 2][p + ...], with the maximum's si, sj
#
# Only the maximum has a gradient: one multiply-add where the unpooled convolution has four.

from ..simd cimport (
    LANES, LINE, USUAL_CASES, choice, first_lanes, flattened, ihas_bit, iload, iselect, isplat, istore, ivec, lanes,
    lanes_of, real, registers, rounded_up, vdeinterleave8, vec, vequals, vinterleave8, vload, vload_lanes, vselect,
    vsplat, vstore, vstore_lanes, vsum, vunzip_even, vunzip_odd,
)
from ..step.optimizer cimport update_run
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, new_geometry, tensor
from .conv_pool_shape cimport IDLE, ConvPool, conv_pool_from, window_maximum
from .folding cimport bias, fold_normalization, folded_size, rest_of_workspace, weights


cdef enum:
    GROUP = 8    # channels that are interleaved into pixels together


cdef inline Py_ssize_t pixels(const ConvPool* g) noexcept nogil:
    # p of the last pooled pixel, plus one
    return (g.oh - 1) * g.y_pitch + g.ow


cdef inline Py_ssize_t plane_size(const ConvPool* g) noexcept nogil:
    return rounded_up((g.oh + g.kh // 2) * g.x_pitch + g.kw // 2 + LINE)


cdef inline void split_planes(const ConvPool* g, const real* image, real* planes) noexcept nogil:
    # image: (h, w) -> planes: four of plane_size, zeroed once; every image overwrites the same places
    cdef:
        Py_ssize_t i, j, left, pair, size = plane_size(g)
        Py_ssize_t rows = min(g.h, 2 * (g.oh + g.kh // 2) - g.ph), columns = min(g.w, 2 * (g.ow + g.kw // 2) - g.pw)
        const real* row
        real* even          # where the image's even columns go
        real* odd
        vec a, b
    for i in range(rows):
        row = image + i * g.w
        even = planes + (((i + g.ph) & 1) * 2 + (g.pw & 1)) * size + ((i + g.ph) >> 1) * g.x_pitch + (g.pw >> 1)
        odd = (planes + (((i + g.ph) & 1) * 2 + ((g.pw + 1) & 1)) * size + ((i + g.ph) >> 1) * g.x_pitch
               + ((g.pw + 1) >> 1))
        for pair in range((registers(columns) + 1) >> 1):
            j = pair * LANES
            left = columns - 2 * j
            a = vload_lanes(row + 2 * j, lanes_of(left))
            b = vload_lanes(row + 2 * j + LANES, lanes_of(max(left - LANES, 0)))
            vstore_lanes(even + j, vunzip_even(a, b), lanes_of((left + 1) >> 1))
            vstore_lanes(odd + j, vunzip_odd(a, b), lanes_of(left >> 1))


cdef inline void load_window(const int k, const ConvPool* g, const real* planes, vec* x) noexcept nogil:
    # x[r, c] for r, c = 0 .. k: what lies under the windows of LANES pooled pixels
    cdef Py_ssize_t size = plane_size(g)
    cdef int r, c
    for r in range(k + 1):
        for c in range(k + 1):
            x[r * (k + 1) + c] = vload(planes + (r % 2 * 2 + c % 2) * size + r // 2 * g.x_pitch + c // 2)


cdef inline void window_sums(const int k, const vec* x, const real* w, const real* v, Py_ssize_t w_step, vec* sums,
                             vec* more) noexcept nogil:
    # Of two channels, of weights w and v: the four sums of one alone would wait for each other's multiply-adds.
    cdef vec weight, other, value
    cdef int r, c, s
    for r in range(k):
        for c in range(k):
            weight = vsplat(w[(r * k + c) * w_step])
            other = vsplat(v[(r * k + c) * w_step])
            for s in range(4):
                value = x[(r + (s >> 1)) * (k + 1) + c + (s & 1)]
                sums[s] = sums[s] + value * weight
                more[s] = more[s] + value * other


cdef inline void forward_windows(const int k, const bint keep, const ConvPool* g, const real* planes, const real* w,
                                 const real* b, const real* valid, real* y, int* argmax) noexcept nogil:
    cdef:
        vec x[36]
        vec sums[4]
        vec more[4]
        vec group[8]
        vec zero
        ivec position, other_position
        choice gap
        Py_ssize_t block, g8, p, pair, o, other, first, channels, plane = rounded_up(pixels(g))
        int s
    zero = vload_lanes(valid, first_lanes(0))
    for block in range(registers(pixels(g))):
        p = block * LANES
        load_window(k, g, planes + p, x)
        gap = vequals(vload(valid + p), zero)
        for g8 in range((g.c_out + GROUP - 1) // GROUP):
            first = g8 * GROUP
            channels = min(<Py_ssize_t>GROUP, g.c_out - first)
            for pair in range((channels + 1) >> 1):
                o = first + 2 * pair
                other = min(o + 1, g.c_out - 1)
                for s in range(4):
                    sums[s] = vsplat(b[o])
                    more[s] = vsplat(b[other])
                window_sums(k, x, w + o, w + other, g.c_out, sums, more)
                group[2 * pair] = vselect(gap, zero, window_maximum(g.relu, sums[0], sums[1], sums[2], sums[3],
                                                                    &position))
                group[2 * pair + 1] = vselect(gap, zero, window_maximum(g.relu, more[0], more[1], more[2], more[3],
                                                                        &other_position))
                if keep:
                    istore(argmax + o * plane + p, iselect(gap, isplat(IDLE), position), first_lanes(LANES))
                    istore(argmax + other * plane + p, iselect(gap, isplat(IDLE), other_position), first_lanes(LANES))
            for o in range((channels + 1) & ~1, GROUP):
                group[o] = zero
            vinterleave8(group)
            store_pixels(g.c_out, channels, group, y + p * g.c_out + first)


cdef inline void store_pixels(Py_ssize_t c_out, Py_ssize_t channels, const vec* group, real* y) noexcept nogil:
    # LANES pixels of 8 channels, of which the first ones are wanted
    cdef:
        Py_ssize_t lane, part, i
        lanes live
        real* from_
    if c_out == GROUP:
        for i in range(GROUP):
            vstore(y + i * LANES, group[i])
        return
    from_ = <real*>group
    for lane in range(LANES):
        for part in range(registers(channels)):
            i = part * LANES
            live = lanes_of(channels - i)
            vstore_lanes(y + lane * c_out + i, vload_lanes(from_ + lane * GROUP + i, live), live)


cdef inline void load_pixels(Py_ssize_t c_out, Py_ssize_t channels, const real* dy, vec* group) noexcept nogil:
    cdef:
        Py_ssize_t lane, part, i
        lanes live
        real* to = <real*>group
    if c_out == GROUP:
        for i in range(GROUP):
            group[i] = vload(dy + i * LANES)
        return
    for lane in range(LANES):
        for part in range(registers(channels)):
            i = part * LANES
            live = lanes_of(channels - i)
            vstore_lanes(to + lane * GROUP + i, vload_lanes(dy + lane * c_out + i, live), live)


cdef inline flattened conv_pool_image_forward(const ConvPool* g, const real* planes, const real* w, const real* b,
                                              const real* valid, real* y, int* argmax) noexcept nogil:
    # planes: from split_planes; w: (k, k, c_out); b: (c_out,); valid: (p,) of ones and zeros
    # -> y: (p, c_out), argmax: (c_out, rounded_up p), or NULL
    if not USUAL_CASES:
        if g.kh == 3: forward_windows(3, argmax != NULL, g, planes, w, b, valid, y, argmax)
        else: forward_windows(5, argmax != NULL, g, planes, w, b, valid, y, argmax)
    elif g.kh == 3:
        if argmax != NULL: forward_windows(3, True, g, planes, w, b, valid, y, argmax)
        else: forward_windows(3, False, g, planes, w, b, valid, y, argmax)
    else:
        if argmax != NULL: forward_windows(5, True, g, planes, w, b, valid, y, argmax)
        else: forward_windows(5, False, g, planes, w, b, valid, y, argmax)


cdef inline Py_ssize_t conv_pool_image_sums_size(const ConvPool* g) noexcept nogil:
    # Reals of the sums: a register for every weight, and one for the bias, of every channel.
    return (g.kh * g.kw + 1) * g.c_out * LANES


cdef inline void weight_gradient_windows(const int k, const ConvPool* g, const real* dy, const int* argmax,
                                         const real* planes, real* sums) noexcept nogil:
    cdef:
        vec x[36]
        vec row[6]
        vec group[8]
        vec gradient, zero
        ivec position
        choice down, right
        Py_ssize_t block, g8, p, o, first, channels, plane = rounded_up(pixels(g))
        real* total
        int r, c
    zero = vload_lanes(planes, first_lanes(0))
    for block in range(registers(pixels(g))):
        p = block * LANES
        load_window(k, g, planes + p, x)
        for g8 in range((g.c_out + GROUP - 1) // GROUP):
            first = g8 * GROUP
            channels = min(<Py_ssize_t>GROUP, g.c_out - first)
            load_pixels(g.c_out, channels, dy + p * g.c_out + first, group)
            vdeinterleave8(group)
            for o in range(channels):
                position = iload(argmax + (first + o) * plane + p, first_lanes(LANES))
                gradient = vselect(ihas_bit(position, IDLE), zero, group[o])
                down = ihas_bit(position, 2)
                right = ihas_bit(position, 1)
                total = sums + (first + o) * (k * k + 1) * LANES
                for r in range(k):
                    for c in range(k + 1):
                        row[c] = vselect(down, x[(r + 1) * (k + 1) + c], x[r * (k + 1) + c])
                    for c in range(k):
                        vstore(total, vload(total) + gradient * vselect(right, row[c + 1], row[c]))
                        total += LANES
                vstore(total, vload(total) + gradient)


cdef inline flattened conv_pool_image_weight_gradient(const ConvPool* g, const real* dy, const int* argmax,
                                                      const real* planes, real* sums) noexcept nogil:
    # dy: (p, c_out), argmax and planes as in forward -> sums, to which this image's are added
    if g.kh == 3:
        weight_gradient_windows(3, g, dy, argmax, planes, sums)
    else:
        weight_gradient_windows(5, g, dy, argmax, planes, sums)


cdef inline void conv_pool_image_gradient(const ConvPool* g, const real* sums, real* dw, real* db) noexcept nogil:
    # sums of the batch -> dw: (k, k, c_out), db: (c_out,) or NULL
    cdef Py_ssize_t o, t, taps = g.kh * g.kw
    for o in range(g.c_out):
        for t in range(taps):
            dw[t * g.c_out + o] = vsum(vload(sums + (o * (taps + 1) + t) * LANES))
        if db != NULL:
            db[o] = vsum(vload(sums + (o * (taps + 1) + taps) * LANES))


# ---- as an operation of a plan; the workspace of a thread holds `valid` ----

cdef inline int read(Operation* o, object geometry) except -1:
    cdef ConvPool* g = <ConvPool*>new_geometry(o, sizeof(ConvPool))
    g[0] = conv_pool_from(geometry)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    sizes.w, sizes.channels = g.kh * g.kw * g.c_out, g.c_out
    sizes.x = g.h * g.w
    sizes.y = registers(pixels(g)) * LANES * g.c_out
    sizes.kept = 4 * plane_size(g)
    sizes.workspace = folded_size(o) + rounded_up(pixels(g))
    sizes.scratch = sizes.w + g.c_out
    if training:
        sizes.dy, sizes.argmax = sizes.y, rounded_up(pixels(g)) * g.c_out
        sizes.sums = conv_pool_image_sums_size(g)


cdef inline void initialize(const Operation* o, real* workspace) noexcept nogil:
    # Which pixels count: those between two rows do not.
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef real* valid = workspace + folded_size(o)
    cdef Py_ssize_t i, j
    for i in range(g.oh):
        for j in range(g.ow):
            valid[i * g.y_pitch + j] = 1


cdef inline void prepare(const Operation* o, const Context* c) noexcept nogil:
    fold_normalization(o, c)


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef real* planes = tensor(o.kept, image)
    split_planes(g, tensor(o.x, image), planes)
    conv_pool_image_forward(g, planes, weights(o, c), bias(o, c), rest_of_workspace(o, c), tensor(o.y, image),
                            <int*>tensor(o.argmax, image) if c.training else NULL)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    conv_pool_image_weight_gradient(<const ConvPool*>o.geometry, tensor(o.dy, image),
                                    <int*>tensor(o.argmax, image), tensor(o.kept, image), image.sums + o.sums)


cdef inline void update(const Operation* o, const Context* c) noexcept nogil:
    cdef:
        const ConvPool* g = <const ConvPool*>o.geometry
        real* gradients = c.worker.scratch
    conv_pool_image_gradient(g, c.program.all_sums + o.sums, gradients, gradients + o.w_size if o.b >= 0 else NULL)
    update_run(c.optimizer, o.w_size + (o.channels if o.b >= 0 else 0), gradients, o.w)


cdef inline void set_conv_pool_image(OperationKind* row) noexcept:
    row.name = "image conv+pool"
    row.read, row.measure, row.initialize, row.prepare = read, measure, initialize, prepare
    row.forward, row.backward, row.update = forward, backward, update
