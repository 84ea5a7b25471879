# Random numbers that are counted, not drawn: word i of a stream is a hash of i and the stream's key, so that any
# thread may begin anywhere, and an image has the same numbers whichever thread takes it. The same in NumPy is
# cnn/backends/numpy/random.py.
#
# A key is made by the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a word by that of MurmurHash3 (Appleby),
# twice. Loops over i become vectors: the hash is multiplications and shifts of 32 bits.

from libc.stdint cimport int32_t, uint32_t, uint64_t

from .simd cimport real


cdef struct Stream:
    uint32_t low, high


cdef inline uint64_t scrambled(uint64_t x) noexcept nogil:
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline Stream stream(uint64_t seed, uint64_t image, uint64_t use) noexcept nogil:
    # For one image of an epoch, and one of its uses: a layer, or the augmentation.
    cdef:
        Stream s
        uint64_t key = scrambled(scrambled(seed + image * <uint64_t>0x9E3779B97F4A7C15) + use)
    s.low, s.high = <uint32_t>key, <uint32_t>(key >> 32)
    return s


cdef inline uint32_t mixed(uint32_t x) noexcept nogil:
    x = (x ^ (x >> 16)) * <uint32_t>0x85EBCA6B
    x = (x ^ (x >> 13)) * <uint32_t>0xC2B2AE35
    return x ^ (x >> 16)


cdef inline uint32_t word(Stream s, uint32_t i) noexcept nogil:
    return mixed(mixed(i + s.low) ^ s.high)


cdef inline real uniform(uint32_t w) noexcept nogil:
    # From -1 to below 1.
    return <real>(<int32_t>(w >> 8) - 8388608) * <real>(1.0 / 8388608)


cdef inline real normal(uint32_t w) noexcept nogil:
    # Nearly: the sum of four bytes, of mean 0 and variance 1, never beyond 3.5.
    return <real>(<int32_t>((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24)) - 510) * <real>0.006765875087
