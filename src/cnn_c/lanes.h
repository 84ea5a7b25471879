/* Some lanes of a register: a part of simd.h. */
#ifndef CNN_C_LANES_H
#define CNN_C_LANES_H

/* The first n lanes of a register, for the tail of a row. What lies behind them is neither read nor written;
   a load fills it with zeros. Switches (iload, istore) are 32-bit integers in memory, as wide as a real in a
   register. */
#if VEC_BYTES == 64
#include <immintrin.h>
#if REAL_BITS == 32
typedef __mmask16 lanes;
static inline vec vload_lanes(const real *p, lanes m) { return (vec)_mm512_maskz_loadu_ps(m, p); }
static inline void vstore_lanes(real *p, vec v, lanes m) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
#else
typedef __mmask8 lanes;
static inline vec vload_lanes(const real *p, lanes m) { return (vec)_mm512_maskz_loadu_pd(m, p); }
static inline void vstore_lanes(real *p, vec v, lanes m) { _mm512_mask_storeu_pd(p, m, (__m512d)v); }
#endif
static inline lanes first_lanes(int n) { return (lanes)((1u << n) - 1); }
static inline lanes lane_range(int from, int to) { return (lanes)(first_lanes(to) & ~first_lanes(from)); }
#if REAL_BITS == 32
static inline vec vmultiply_add(vec sum, real x, vec v, lanes m)
{
    return (vec)_mm512_mask3_fmadd_ps(_mm512_set1_ps(x), (__m512)v, (__m512)sum, m);
}
static inline ivec iload(const int32_t *p, lanes m) { return (ivec)_mm512_maskz_loadu_epi32(m, p); }
static inline void istore(int32_t *p, ivec v, lanes m) { _mm512_mask_storeu_epi32(p, m, (__m512i)v); }
#else
static inline vec vmultiply_add(vec sum, real x, vec v, lanes m)
{
    return (vec)_mm512_mask3_fmadd_pd(_mm512_set1_pd(x), (__m512d)v, (__m512d)sum, m);
}
static inline ivec iload(const int32_t *p, lanes m)
{
    return (ivec)_mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(m, p));
}
static inline void istore(int32_t *p, ivec v, lanes m) { _mm512_mask_cvtepi64_storeu_epi32(p, m, (__m512i)v); }
#endif

#elif VEC_BYTES == 32
#include <immintrin.h>
typedef __m256i lanes;
#if REAL_BITS == 32
static inline vec vload_lanes(const real *p, lanes m) { return (vec)_mm256_maskload_ps(p, m); }
#define VSTORE_MASKED(p, v, m) _mm256_maskstore_ps(p, m, (__m256)(v))
static inline ivec iload(const int32_t *p, lanes m) { return (ivec)_mm256_maskload_epi32(p, m); }
#define ISTORE_MASKED(p, v, m) _mm256_maskstore_epi32(p, m, (__m256i)(v))
#define ISTORE(p, v) _mm256_storeu_si256((__m256i *)(p), (__m256i)(v))
static inline lanes first_lanes(int n)
{
    const ivec index = {0, 1, 2, 3, 4, 5, 6, 7};
    return (lanes)(index < n);
}
#else
static inline vec vload_lanes(const real *p, lanes m) { return (vec)_mm256_maskload_pd(p, m); }
#define VSTORE_MASKED(p, v, m) _mm256_maskstore_pd(p, m, (__m256d)(v))
static inline __m128i even_words(__m256i v)
{
    return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7)));
}
static inline ivec iload(const int32_t *p, lanes m)
{
    return (ivec)_mm256_cvtepi32_epi64(_mm_maskload_epi32(p, even_words(m)));
}
#define ISTORE_MASKED(p, v, m) _mm_maskstore_epi32(p, even_words(m), even_words((__m256i)(v)))
#define ISTORE(p, v) _mm_storeu_si128((__m128i *)(p), even_words((__m256i)(v)))
static inline lanes first_lanes(int n)
{
    const ivec index = {0, 1, 2, 3};
    return (lanes)(index < (integer)n);
}
#endif

/* A masked store is dozens of micro-operations on some processors (AMD's): a whole register takes a plain one. */
static inline void vstore_lanes(real *p, vec v, lanes m)
{
    if (_mm256_movemask_epi8(m) == -1)
        vstore(p, v);
    else
        VSTORE_MASKED(p, v, m);
}
static inline void istore(int32_t *p, ivec v, lanes m)
{
    if (_mm256_movemask_epi8(m) == -1)
        ISTORE(p, v);
    else
        ISTORE_MASKED(p, v, m);
}

#else
typedef int lanes;
static inline lanes first_lanes(int n) { return n; }
static inline vec vload_lanes(const real *p, lanes n)
{
    /* Not by memcpy: in a loop, a call would save the registers of all sums. */
    vec v = {0};
    if (n == LANES)
        return vload(p);
#if LANES == 4
    if (n > 0)
        v[0] = p[0];
    if (n > 1)
        v[1] = p[1];
    if (n > 2)
        v[2] = p[2];
#elif LANES == 2
    if (n > 0)
        v[0] = p[0];
#endif
    return v;
}
static inline void vstore_lanes(real *p, vec v, lanes n)
{
    if (n == LANES)
        vstore(p, v);
    else
        memcpy(p, &v, n * sizeof(real));
}
static inline ivec iload(const int32_t *p, lanes n)
{
    ivec v = {0};
    for (int i = 0; i < n; i++)
        ((integer *)&v)[i] = p[i];
    return v;
}
static inline void istore(int32_t *p, ivec v, lanes n)
{
    for (int i = 0; i < n; i++)
        p[i] = (int32_t)((integer *)&v)[i];
}
#endif

#if VEC_BYTES == 64
#define LANE_MASKS 1
#else
/* No masked arithmetic: the kernels that need it are left out. */
#define LANE_MASKS 0
static inline lanes lane_range(int from, int to) { (void)from; return first_lanes(to); }
static inline vec vmultiply_add(vec sum, real x, vec v, lanes m) { (void)m; return sum + x * v; }
#endif

/* For a run of n reals: how many registers it fills, and the lanes of the first of them. */
static inline int64_t registers(int64_t n) { return (n + LANES - 1) / LANES; }
static inline lanes lanes_of(int64_t n) { return first_lanes(n < LANES ? (int)n : LANES); }

#endif
