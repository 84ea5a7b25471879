/* Functions made of exponentials in plain arithmetic, so that the compiler makes vectors of a loop that calls them.

   exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2, where the Taylor series is exact to the last digit with
   7 terms in float32 and 13 in float64. n is read from the digits of x / ln 2 + 1.5 * 2^23 (or 2^52). Results below
   the smallest normal number are as good as zero; NaN stays NaN. Off by at most 2 units of the last digit. */
#ifndef CNN_C_EXPONENTIAL_H
#define CNN_C_EXPONENTIAL_H

#include "simd.h"

#if REAL_BITS == 32
#define ROUND_TO_DIGITS 12582912.0f /* 1.5 * 2^23 */
#define MANTISSA 23
typedef uint32_t digits_of_real;
#define LARGEST_EXPONENT 88.0f /* 2^127 is the largest power */
#define LN2_HIGH 0.693145751953125f /* n * LN2_HIGH is exact */
#define LN2_LOW 1.428606765330187e-06f
#else
#define ROUND_TO_DIGITS 6755399441055744.0 /* 1.5 * 2^52 */
#define MANTISSA 52
typedef uint64_t digits_of_real;
#define LARGEST_EXPONENT 709.0
#define LN2_HIGH 0.6931471803691238
#define LN2_LOW 1.9082149292705877e-10
#endif

/* 2^n and exp(r) - 1 of x. */
static inline real split_exponential(real x, real *fraction)
{
    real shifted, n, r, q, power;
    digits_of_real digits, zero;
    const real round = ROUND_TO_DIGITS;
    x = x > LARGEST_EXPONENT ? (real)LARGEST_EXPONENT : x;
    x = x < -LARGEST_EXPONENT ? (real)-LARGEST_EXPONENT : x;
    shifted = x * (real)1.4426950408889634 + round;
    n = shifted - round;
    r = x - n * (real)LN2_HIGH - n * (real)LN2_LOW;
#if REAL_BITS == 32
    q = 1.0f / 5040;
#else
    q = 1.0 / 6227020800;
    q = q * r + 1.0 / 479001600;
    q = q * r + 1.0 / 39916800;
    q = q * r + 1.0 / 3628800;
    q = q * r + 1.0 / 362880;
    q = q * r + 1.0 / 40320;
    q = q * r + 1.0 / 5040;
#endif
    q = q * r + (real)(1.0 / 720);
    q = q * r + (real)(1.0 / 120);
    q = q * r + (real)(1.0 / 24);
    q = q * r + (real)(1.0 / 6);
    q = q * r + (real)0.5;
    *fraction = q * r * r + r;
    memcpy(&digits, &shifted, sizeof digits);
    memcpy(&zero, &round, sizeof zero);
    digits = (digits - zero + (((digits_of_real)1 << (REAL_BITS - MANTISSA - 2)) - 1)) << MANTISSA;
    memcpy(&power, &digits, sizeof power);
    return power;
}

static inline real exponential(real x)
{
    real fraction, power = split_exponential(x, &fraction);
    return power * fraction + power;
}

/* 1 / (1 + exp(-x)) */
static inline real logistic(real x) { return 1 / (1 + exponential(-x)); }

/* (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)) with the sign of x, from exp - 1, which keeps the digits near zero */
static inline real hyperbolic_tangent(real x)
{
    real fraction, magnitude = x < 0 ? -x : x, power = split_exponential(-2 * magnitude, &fraction);
    real less = power * fraction + (power - 1), y = -less / (2 + less);
    return x < 0 ? -y : y;
}

#endif
