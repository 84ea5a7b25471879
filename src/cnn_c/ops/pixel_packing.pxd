# Few output channels would leave most lanes of a register idle. Output pixels lie side by side, so several of them can
# share a register: the convolution is run as one of pixels * c_out channels, with a kernel (pixels - 1) * sw wider, of
# whose weights some are zero (and masked, so that NaN stays where it is), and a stride of pixels * sw.

from libc.string cimport memcpy, memset

from ..simd cimport LANE_MASKS, LANES, lane_range, lanes, real
from .conv_shape cimport Conv, group_inputs, is_plain, is_pointwise, kernel_size
from .winograd cimport pack_winograd_weights, winograd_weights_size
from .winograd_shape cimport (
    forward_block_size, gradient_block_size, points_size, takes_winograd, takes_winograd_gradient,
)


cdef struct Packed:
    # A convolution as the kernels run it: `pixels` neighbouring outputs count as one of pixels * c_out channels.
    Conv conv         # as seen so
    int pixels
    bint by_winograd, gradient_by_winograd
    Py_ssize_t c_out  # true channels
    Py_ssize_t rest   # true pixels in the last group of a row, 0 if it is full


cdef inline Packed packed(const Conv* g) noexcept nogil:
    # With as many pixels as make the best use of the lanes; a single one with groups or a dilation.
    cdef:
        Packed best
        int pixels
        double use, best_use = 1
    best.pixels, best.rest = 1, 0
    best.by_winograd, best.gradient_by_winograd = takes_winograd(g), takes_winograd_gradient(g)
    if LANE_MASKS and is_plain(g) and not is_pointwise(g) and g.c_out <= LANES // 2:
        for pixels in range(2, <int>min(LANES // g.c_out, g.ow) + 1):
            use = <double>pixels * g.kw / (g.kw + (pixels - 1) * g.sw)
            if use > best_use:
                best.pixels, best_use = pixels, use
    best.conv = g[0]
    best.c_out = g.c_out
    best.conv.ow = (g.ow + best.pixels - 1) // best.pixels
    best.conv.c_out = best.pixels * g.c_out
    best.conv.kw = g.kw + (best.pixels - 1) * g.sw
    best.conv.sw = best.pixels * g.sw
    best.rest = g.ow % best.pixels
    return best


cdef inline Py_ssize_t missing(const Packed* g) noexcept nogil:
    # Pixels that the last group of a row is short of.
    return g.pixels - g.rest if g.rest else 0


cdef inline Py_ssize_t weight_sums_size(const Packed* g) noexcept nogil:
    return points_size(&g.conv) if g.gradient_by_winograd else kernel_size(&g.conv)


cdef inline Py_ssize_t transformed_size(const Packed* g) noexcept nogil:
    # Scratch memory of a thread.
    cdef Py_ssize_t size = forward_block_size(&g.conv) if g.by_winograd else 0
    return max(size, gradient_block_size(&g.conv)) if g.gradient_by_winograd else size


cdef inline Py_ssize_t packed_size(const Packed* g) noexcept nogil:
    # Reals that `pack_weights` fills: weights, bias, masks.
    if g.by_winograd:
        return winograd_weights_size(&g.conv)
    return kernel_size(&g.conv) + g.conv.c_out + g.conv.kw * g.conv.c_in


cdef inline void pack_weights(const Packed* g, const real* w, const real* b, real* packed) noexcept nogil:
    # w: (kh, kw, inputs of a group, c_out), b: (c_out,) or NULL -> those of the packed convolution, and the masks of
    # its positions
    cdef:
        const Conv* c = &g.conv
        Py_ssize_t k, l, i, o, p, stride = c.sw // g.pixels, kw = c.kw - (g.pixels - 1) * stride
        Py_ssize_t inputs = group_inputs(c)
        real* bias = packed + kernel_size(c)
        lanes* masks = <lanes*>(bias + c.c_out)
        real* to = packed
    if g.by_winograd:
        pack_winograd_weights(c, w, b, packed)
        return
    for k in range(c.kh):
        for l in range(c.kw):
            for i in range(inputs):
                for p in range(g.pixels):
                    if 0 <= l - p * stride < kw:
                        memcpy(to, w + ((k * kw + l - p * stride) * inputs + i) * g.c_out, g.c_out * sizeof(real))
                    else:
                        memset(to, 0, g.c_out * sizeof(real))
                    to += g.c_out
    for p in range(g.pixels):
        for o in range(g.c_out):
            bias[p * g.c_out + o] = b[o] if b != NULL else 0
    if g.pixels > 1:
        for l in range(c.kw):
            # Pixel p sees position l if 0 <= l - p * stride < kw.
            masks[l * c.c_in] = lane_range(<int>((0 if l < kw else (l - kw) // stride + 1) * g.c_out),
                                           <int>(min(g.pixels, l // stride + 1) * g.c_out))
            for i in range(1, c.c_in):
                masks[l * c.c_in + i] = masks[l * c.c_in]
