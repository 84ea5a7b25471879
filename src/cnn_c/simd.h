/* `real`, the scalar of this build, and `vec`, one vector register of reals.

   REAL_BITS (32 or 64) comes from the build, the register's width from the instruction set that the compiler
   was given. GCC and Clang have vector types; elsewhere `vec` is a single `real`, and everything still works. */
#ifndef CNN_C_SIMD_H
#define CNN_C_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if REAL_BITS == 64
typedef double real;
typedef int64_t integer;
#elif REAL_BITS == 32
typedef float real;
typedef int32_t integer;
#else
#error "REAL_BITS must be 32 or 64"
#endif

#if defined(CNN_C_SCALAR) || !defined(__GNUC__)
#define VEC_BYTES (REAL_BITS / 8)
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define VEC_BYTES 64
#elif defined(__AVX2__)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif
#define LANES (VEC_BYTES * 8 / REAL_BITS)
/* How many accumulators one tile keeps in registers, beside one vector and one broadcast scalar: 32 vector
   registers with AVX-512 and on 64-bit ARM, 16 elsewhere. Fewer sizes of tiles take the compiler less time: 8 hide the
   latency as well. */
#if VEC_BYTES == 64 || defined(__aarch64__)
#define MAX_TILE 14
#define MATRIX_SIDE 4 /* of tiles four deep, in matrix products */
#else
#define MAX_TILE (VEC_BYTES == 32 ? 12 : 8)
#define MATRIX_SIDE 2
#endif

/* Whether inner loops are compiled once more for usual cases, such as a stride: not for x86-64-v2, which few processors
   need, and where the compiler takes the longest. */
#if VEC_BYTES > 16 || defined(__aarch64__)
#define USUAL_CASES 1
#else
#define USUAL_CASES 0
#endif

#if LANES > 1
typedef real vec __attribute__((vector_size(VEC_BYTES)));
typedef integer ivec __attribute__((vector_size(VEC_BYTES)));
/* The same register in memory that may lie anywhere and may also be seen as plain reals. */
typedef real vec_in_memory __attribute__((vector_size(VEC_BYTES), aligned(REAL_BITS / 8), may_alias));
#else
typedef real vec;
typedef integer ivec;
typedef real vec_in_memory;
#endif

/* The return type of a function into which everything it calls is inlined, and which is optimised as far as the
   compiler can: the rest, which is most of the text, is built with -O2 by GCC (CMakeLists.txt). */
#if defined(__GNUC__) && !defined(__clang__)
#define FLATTENED __attribute__((flatten, optimize("O3"))) void
#elif defined(__GNUC__)
#define FLATTENED __attribute__((flatten)) void
#else
#define FLATTENED void
#endif

static inline vec vload(const real *p) { return *(const vec_in_memory *)p; }
static inline void vstore(real *p, vec v) { *(vec_in_memory *)p = v; }

#include "lanes.h"

/* A choice, lane by lane. vtakes: where a new value takes the place of the best so far. A larger one does, and NaN
   does unless the best is NaN already, so the first maximum and the first NaN stay. */
#if VEC_BYTES == 64
typedef lanes choice;
#if REAL_BITS == 32
static inline choice vequals(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ); }
static inline choice vtakes(vec value, vec best)
{
    return _mm512_mask_cmp_ps_mask(vequals(best, best), (__m512)value, (__m512)best, _CMP_NLE_UQ);
}
static inline vec vselect(choice m, vec a, vec b) { return (vec)_mm512_mask_mov_ps((__m512)b, m, (__m512)a); }
static inline ivec iselect(choice m, ivec a, ivec b) { return (ivec)_mm512_mask_mov_epi32((__m512i)b, m, (__m512i)a); }
static inline choice iequals(ivec a, int b) { return _mm512_cmpeq_epi32_mask((__m512i)a, _mm512_set1_epi32(b)); }
#else
static inline choice vequals(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ); }
static inline choice vtakes(vec value, vec best)
{
    return _mm512_mask_cmp_pd_mask(vequals(best, best), (__m512d)value, (__m512d)best, _CMP_NLE_UQ);
}
static inline vec vselect(choice m, vec a, vec b) { return (vec)_mm512_mask_mov_pd((__m512d)b, m, (__m512d)a); }
static inline ivec iselect(choice m, ivec a, ivec b) { return (ivec)_mm512_mask_mov_epi64((__m512i)b, m, (__m512i)a); }
static inline choice iequals(ivec a, int b) { return _mm512_cmpeq_epi64_mask((__m512i)a, _mm512_set1_epi64(b)); }
#endif
static inline ivec isplat(int value) { return (ivec){0} + (integer)value; }
#if REAL_BITS == 32
static inline choice ihas_bit(ivec a, int bit) { return _mm512_test_epi32_mask((__m512i)a, _mm512_set1_epi32(bit)); }
#else
static inline choice ihas_bit(ivec a, int bit) { return _mm512_test_epi64_mask((__m512i)a, _mm512_set1_epi64(bit)); }
#endif
#elif LANES > 1
typedef ivec choice;
static inline ivec isplat(int value) { return (ivec){0} + (integer)value; }
static inline choice vequals(vec a, vec b) { return a == b; }
static inline choice vtakes(vec value, vec best) { return ~(value <= best) & (best == best); }
#if VEC_BYTES == 32 && REAL_BITS == 32
static inline vec vselect(choice m, vec a, vec b) { return (vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m); }
#elif VEC_BYTES == 32
static inline vec vselect(choice m, vec a, vec b) { return (vec)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)m); }
#else
static inline vec vselect(choice m, vec a, vec b) { return (vec)((m & (ivec)a) | (~m & (ivec)b)); }
#endif
static inline ivec iselect(choice m, ivec a, ivec b) { return (m & a) | (~m & b); }
static inline choice iequals(ivec a, int b) { return a == isplat(b); }
static inline choice ihas_bit(ivec a, int bit) { return (a & isplat(bit)) != 0; }
#else
typedef int choice;
static inline ivec isplat(int value) { return value; }
static inline choice vequals(vec a, vec b) { return a == b; }
static inline choice vtakes(vec value, vec best) { return !(value <= best) && best == best; }
static inline vec vselect(choice m, vec a, vec b) { return m ? a : b; }
static inline ivec iselect(choice m, ivec a, ivec b) { return m ? a : b; }
static inline choice iequals(ivec a, int b) { return a == b; }
static inline choice ihas_bit(ivec a, int bit) { return (a & bit) != 0; }
#endif

/* The larger lane by lane, b where either is NaN; where either is; the smaller, a where either is NaN. */
#if VEC_BYTES == 64 && REAL_BITS == 32
static inline vec vmax(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
static inline choice vgreater(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
static inline choice vunordered(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q); }
#elif VEC_BYTES == 64
static inline vec vmax(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
static inline choice vgreater(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ); }
static inline choice vunordered(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q); }
#else
static inline choice vgreater(vec a, vec b) { return a > b; }
#if VEC_BYTES == 32 && REAL_BITS == 32
static inline vec vmax(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
#elif VEC_BYTES == 32
static inline vec vmax(vec a, vec b) { return (vec)_mm256_max_pd((__m256d)a, (__m256d)b); }
#else
static inline vec vmax(vec a, vec b) { return vselect(vgreater(a, b), a, b); }
#endif
#if VEC_BYTES == 32 && REAL_BITS == 32
static inline choice vunordered(vec a, vec b) { return (choice)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q); }
#elif VEC_BYTES == 32
static inline choice vunordered(vec a, vec b) { return (choice)_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_UNORD_Q); }
#elif LANES > 1
static inline choice vunordered(vec a, vec b) { return ~((a == a) & (b == b)); }
#else
static inline choice vunordered(vec a, vec b) { return !(a == a && b == b); }
#endif
#endif

static inline vec vmin(vec a, vec b) { return vselect(vgreater(a, b), b, a); }

/* x in every lane; -0.0 too, which x + 0 would lose. */
static inline vec vsplat(real x) { return x - (vec){0}; }

/* Towards the second cache, to be read; towards the first, to be written, which takes the line from other cores. */
#ifdef __GNUC__
static inline void prefetch_far(const void *p) { __builtin_prefetch(p, 0, 2); }
#if defined(__x86_64__) /* a builtin would ask for it with processor flags that v3 lacks; where unknown it does nothing */
static inline void prefetch_to_write(const void *p) { __asm__ volatile("prefetchw %0" : : "m"(*(const char *)p)); }
#else
static inline void prefetch_to_write(const void *p) { __builtin_prefetch(p, 1, 3); }
#endif
#else
static inline void prefetch_far(const void *p) { (void)p; }
static inline void prefetch_to_write(const void *p) { (void)p; }
#endif

/* Two registers woven into each other, a0 b0 a1 b1 ..., the lower half of it or the upper; and the way back. */
#if LANES == 1
static inline vec vzip_low(vec a, vec b) { (void)b; return a; }
static inline vec vzip_high(vec a, vec b) { (void)a; return b; }
static inline vec vunzip_even(vec a, vec b) { (void)b; return a; }
static inline vec vunzip_odd(vec a, vec b) { (void)a; return b; }
#else
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#if LANES == 16
static inline vec vunzip_even(vec a, vec b)
{
    return SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
static inline vec vunzip_odd(vec a, vec b)
{
    return SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
static inline vec vzip_low(vec a, vec b) { return SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
static inline vec vzip_high(vec a, vec b)
{
    return SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif LANES == 8
static inline vec vunzip_even(vec a, vec b) { return SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
static inline vec vunzip_odd(vec a, vec b) { return SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15); }
static inline vec vzip_low(vec a, vec b) { return SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static inline vec vzip_high(vec a, vec b) { return SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#elif LANES == 4
static inline vec vunzip_even(vec a, vec b) { return SHUFFLE(a, b, 0, 2, 4, 6); }
static inline vec vunzip_odd(vec a, vec b) { return SHUFFLE(a, b, 1, 3, 5, 7); }
static inline vec vzip_low(vec a, vec b) { return SHUFFLE(a, b, 0, 4, 1, 5); }
static inline vec vzip_high(vec a, vec b) { return SHUFFLE(a, b, 2, 6, 3, 7); }
#else
static inline vec vzip_low(vec a, vec b) { return SHUFFLE(a, b, 0, 2); }
static inline vec vzip_high(vec a, vec b) { return SHUFFLE(a, b, 1, 3); }
static inline vec vunzip_even(vec a, vec b) { return vzip_low(a, b); }
static inline vec vunzip_odd(vec a, vec b) { return vzip_high(a, b); }
#endif
#endif

/* Eight registers as a matrix of 8 x LANES, transposed in memory's order, and back. Weaving the first half into the
   second moves every element's address by one bit around; LANES * 8 addresses have come around after
   log2(8) + log2(LANES) rounds. */
#define LOG2_LANES (LANES == 16 ? 4 : LANES == 8 ? 3 : LANES == 4 ? 2 : LANES == 2 ? 1 : 0)
static inline __attribute__((always_inline)) void vweave8(vec *v, const int rounds)
{
#pragma GCC unroll 4
    for (int r = 0; r < rounds; r++) {
        vec a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
        v[0] = vzip_low(a, e), v[1] = vzip_high(a, e), v[2] = vzip_low(b, f), v[3] = vzip_high(b, f);
        v[4] = vzip_low(c, g), v[5] = vzip_high(c, g), v[6] = vzip_low(d, h), v[7] = vzip_high(d, h);
    }
}
static inline __attribute__((always_inline)) void vinterleave8(vec *v) { vweave8(v, 3); }
static inline __attribute__((always_inline)) void vdeinterleave8(vec *v) { vweave8(v, LOG2_LANES); }

/* The square matrix of LANES registers, transposed. */
static inline __attribute__((always_inline)) void vtranspose(vec *v)
{
#pragma GCC unroll 4
    for (int r = 0; r < LOG2_LANES; r++) {
        vec t[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = vzip_low(v[i], v[i + LANES / 2]);
            t[2 * i + 1] = vzip_high(v[i], v[i + LANES / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            v[i] = t[i];
    }
}

/* The lanes of v that are not zero, side by side, and those of p. Writes LANES of both; returns how many count. */
#if VEC_BYTES == 64 && REAL_BITS == 32
static inline int vkeep_nonzero(real *to, int32_t *places, vec v, ivec p)
{
    __mmask16 m = _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(m, (__m512)v));
    _mm512_storeu_si512(places, _mm512_maskz_compress_epi32(m, (__m512i)p));
    return __builtin_popcount(m);
}
#elif VEC_BYTES == 64
static inline int vkeep_nonzero(real *to, int32_t *places, vec v, ivec p)
{
    __mmask8 m = _mm512_cmp_pd_mask((__m512d)v, _mm512_setzero_pd(), _CMP_NEQ_UQ);
    _mm512_storeu_pd(to, _mm512_maskz_compress_pd(m, (__m512d)v));
    _mm256_storeu_si256((__m256i *)places, _mm512_cvtepi64_epi32(_mm512_maskz_compress_epi64(m, (__m512i)p)));
    return __builtin_popcount(m);
}
#else
static inline int vkeep_nonzero(real *to, int32_t *places, vec v, ivec p)
{
    int n = 0;
    for (int i = 0; i < LANES; i++) {
        to[n] = ((real *)&v)[i];
        places[n] = (int32_t)((integer *)&p)[i];
        n += to[n] != 0;
    }
    return n;
}
#endif

/* The same bits, seen as the other kind, so that places can be shuffled as numbers are. */
#if LANES > 1
static inline vec as_vec(ivec v) { return (vec)v; }
static inline ivec as_ivec(vec v) { return (ivec)v; }
#else
static inline vec as_vec(ivec v) { vec r; memcpy(&r, &v, sizeof r); return r; }
static inline ivec as_ivec(vec v) { ivec r; memcpy(&r, &v, sizeof r); return r; }
#endif

/* Reals without their fractions as integers, and back; and the reals at some places behind a pointer. */
#if LANES > 1
static inline ivec vtruncate(vec v) { return __builtin_convertvector(v, ivec); }
static inline vec vreal(ivec v) { return __builtin_convertvector(v, vec); }
#else
static inline ivec vtruncate(vec v) { return (ivec)v; }
static inline vec vreal(ivec v) { return (vec)v; }
#endif
#if VEC_BYTES == 64 && REAL_BITS == 32
static inline vec vgather(const real *p, ivec at) { return (vec)_mm512_i32gather_ps((__m512i)at, p, 4); }
#elif VEC_BYTES == 64
static inline vec vgather(const real *p, ivec at) { return (vec)_mm512_i64gather_pd((__m512i)at, p, 8); }
#elif VEC_BYTES == 32 && REAL_BITS == 32
static inline vec vgather(const real *p, ivec at) { return (vec)_mm256_i32gather_ps(p, (__m256i)at, 4); }
#elif VEC_BYTES == 32
static inline vec vgather(const real *p, ivec at) { return (vec)_mm256_i64gather_pd(p, (__m256i)at, 8); }
#elif LANES > 1
static inline vec vgather(const real *p, ivec at)
{
    vec v;
    for (int i = 0; i < LANES; i++) v[i] = p[at[i]];
    return v;
}
#else
static inline vec vgather(const real *p, ivec at) { return p[at]; }
#endif


/* 0, 1, 2, ... */
static inline ivec iramp(void)
{
    ivec ramp;
    for (int i = 0; i < LANES; i++)
        ((integer *)&ramp)[i] = i;
    return ramp;
}

/* The sums of the lanes of LANES registers, one a lane, each added up in the same order. */
static inline __attribute__((always_inline)) vec vsums(vec *v)
{
#pragma GCC unroll 4
    for (int half = LANES / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++)
            v[i] = vzip_low(v[i], v[i + half]) + vzip_high(v[i], v[i + half]);
    return v[0];
}

#if VEC_BYTES == 64 && REAL_BITS == 32
static inline vec vsqrt(vec v) { return (vec)_mm512_sqrt_ps((__m512)v); }
#elif VEC_BYTES == 64
static inline vec vsqrt(vec v) { return (vec)_mm512_sqrt_pd((__m512d)v); }
#elif VEC_BYTES == 32 && REAL_BITS == 32
static inline vec vsqrt(vec v) { return (vec)_mm256_sqrt_ps((__m256)v); }
#elif VEC_BYTES == 32
static inline vec vsqrt(vec v) { return (vec)_mm256_sqrt_pd((__m256d)v); }
#else
static inline vec vsqrt(vec v)
{
    for (int i = 0; i < LANES; i++)
        ((real *)&v)[i] = (real)(REAL_BITS == 32 ? sqrtf((float)((real *)&v)[i]) : sqrt((double)((real *)&v)[i]));
    return v;
}
#endif

static inline vec vdivide(vec a, vec b) { return a / b; }

/* This thread's floating-point mode: subnormal numbers, a hundred times slower, are taken for zero. Returns the mode
   that was, for restore_mode. */
#if defined(__x86_64__)
#include <xmmintrin.h>
static inline uint64_t flush_subnormals(void)
{
    uint64_t mode = _mm_getcsr();
    _mm_setcsr((unsigned)mode | 0x8040); /* flush to zero, denormals are zero */
    return mode;
}
static inline void restore_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
static inline uint64_t flush_subnormals(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (1u << 24)));
    return mode;
}
static inline void restore_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
static inline uint64_t flush_subnormals(void) { return 0; }
static inline void restore_mode(uint64_t mode) { (void)mode; }
#endif

/* The sum of the lanes, always in the same order. */
static inline real vsum(vec v)
{
#if VEC_BYTES == 64 && REAL_BITS == 32
    return _mm512_reduce_add_ps((__m512)v);
#elif VEC_BYTES == 64
    return _mm512_reduce_add_pd((__m512d)v);
#else
    real sum = ((real *)&v)[0];
    for (int i = 1; i < LANES; i++)
        sum += ((real *)&v)[i];
    return sum;
#endif
}

#endif
