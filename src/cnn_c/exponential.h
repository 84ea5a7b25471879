/* Functions made of exponentials in plain arithmetic, so that the compiler makes vectors of a loop that calls them.

   exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2, where the Taylor series is exact to the last digit with
   7 terms in float32 and 13 in float64. n is read from the digits of x / ln 2 + 1.5 * 2^23 (or 2^52). Results below
   the smallest normal number are as good as zero; NaN stays NaN.

   Measured at 60,000 places against 40 digits, in units of the last digit, results are off by at most 1 (exponential),
   2.1 (logistic), 2.6 (hyperbolic_tangent, softplus), 5 (normal_distribution) and 6.2 (gelu), in both precisions and
   also where they are tiny; slopes, which cross zero, by 1.7 of the last digit of 1. */
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
#define LARGEST_DEVIATION 14.0f /* exp(-14^2 / 2) is as good as zero */
#else
#define ROUND_TO_DIGITS 6755399441055744.0 /* 1.5 * 2^52 */
#define MANTISSA 52
typedef uint64_t digits_of_real;
#define LARGEST_EXPONENT 709.0
#define LN2_HIGH 0.6931471803691238
#define LN2_LOW 1.9082149292705877e-10
#define LARGEST_DEVIATION 38.0
#endif

/* 2^n and exp(r) - 1 of x - rest, where rest is what x has no digits for. */
static inline real split_exponential(real x, real rest, real *fraction)
{
    real shifted, n, r, q, power;
    digits_of_real digits, zero;
    const real round = ROUND_TO_DIGITS;
    x = x > LARGEST_EXPONENT ? (real)LARGEST_EXPONENT : x;
    x = x < -LARGEST_EXPONENT ? (real)-LARGEST_EXPONENT : x;
    shifted = (x - rest) * (real)1.4426950408889634 + round;
    n = shifted - round;
    r = x - n * (real)LN2_HIGH - n * (real)LN2_LOW - rest;
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
    real fraction, power = split_exponential(x, 0, &fraction);
    return power * fraction + power;
}

static inline real magnitude(real x) { return x < 0 ? -x : x; }

/* 1 / (1 + exp(-x)), of which no exponential overflows */
static inline real logistic(real x)
{
    real small = exponential(-magnitude(x));
    return (x < 0 ? small : 1) / (1 + small);
}

/* The derivative of x * logistic(x), s + x * s * (1 - s), s being logistic(x) */
static inline real silu_slope(real x)
{
    real small = exponential(-magnitude(x)), part = 1 / (1 + small);
    real s = (x < 0 ? small : 1) * part, other = (x < 0 ? 1 : small) * part;
    return s + x * s * other;
}

/* (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)) with the sign of x, from exp - 1, which keeps the digits near zero */
static inline real hyperbolic_tangent(real x)
{
    real fraction, power = split_exponential(-2 * magnitude(x), 0, &fraction);
    real less = power * fraction + (power - 1), y = -less / (2 + less);
    return x < 0 ? -y : y;
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|); the logarithm is 2 artanh(s), s = e / (2 + e) <= 1 / 3, of
   whose series float32 takes 8 terms, float64 16 */
static inline real softplus(real x)
{
    real small = exponential(-magnitude(x)), s = small / (2 + small), z = s * s, q;
#if REAL_BITS == 32
    q = 1.0f / 15;
#else
    q = 1.0 / 31;
    q = q * z + 1.0 / 29;
    q = q * z + 1.0 / 27;
    q = q * z + 1.0 / 25;
    q = q * z + 1.0 / 23;
    q = q * z + 1.0 / 21;
    q = q * z + 1.0 / 19;
    q = q * z + 1.0 / 17;
    q = q * z + 1.0 / 15;
#endif
    q = q * z + (real)(1.0 / 13);
    q = q * z + (real)(1.0 / 11);
    q = q * z + (real)(1.0 / 9);
    q = q * z + (real)(1.0 / 7);
    q = q * z + (real)(1.0 / 5);
    q = q * z + (real)(1.0 / 3);
    return (x > 0 ? x : 0) + 2 * (q * z * s + s);
}

/* Phi(x) = (1 + erf(x / sqrt(2))) / 2, the normal distribution, and `bell`, exp(-x^2 / 2). With t = |x|:

     Phi(-t) = exp(-t^2 / 2) * P(q) / (t + 4),   Phi(t) = 1 - Phi(-t),   q = (t - 4) / (t + 4)

   P is the Chebyshev series of that product over all t, cut where the rest is below the last digit. Half of the digits
   of t, `high`, have an exact square; the exponent's rest is (t^2 - high^2) / 2. Where x is large, bell is 0. */
static inline real normal_distribution(real x, real *bell)
{
    real t = magnitude(x), high, fraction, power, part, q, p, tail;
    digits_of_real digits;
    t = t > LARGEST_DEVIATION ? (real)LARGEST_DEVIATION : t;
    memcpy(&digits, &t, sizeof digits);
    digits &= ~(((digits_of_real)1 << (MANTISSA / 2 + 1)) - 1);
    memcpy(&high, &digits, sizeof high);
    power = split_exponential((real)-0.5 * high * high, (real)0.5 * (t - high) * (t + high), &fraction);
    *bell = power * fraction + power;
    part = 1 / (t + 4);
    q = (t - 4) * part;
#if REAL_BITS == 32
    p = -5.254673e-05f;
    p = p * q - 0.00023490595f;
    p = p * q + 0.00016824204f;
    p = p * q + 0.0016455756f;
    p = p * q - 0.0034877f;
    p = p * q - 0.007544858f;
    p = p * q + 0.060397282f;
    p = p * q - 0.18652137f;
    p = p * q + 0.38713738f;
    p = p * q - 0.6078966f;
    p = p * q + 0.75528514f;
#else
    p = -6.993649081380198e-10;
    p = p * q - 2.464248515631737e-09;
    p = p * q + 1.8497148543182144e-09;
    p = p * q + 1.9406351523162195e-08;
    p = p * q + 1.332802360156037e-08;
    p = p * q - 8.506836136987203e-08;
    p = p * q - 1.5493515148469642e-07;
    p = p * q + 2.714972887854606e-07;
    p = p * q + 1.0214839051626774e-06;
    p = p * q - 6.295235207470278e-07;
    p = p * q - 5.9201219854820235e-06;
    p = p * q + 7.166033749148405e-07;
    p = p * q + 3.514466569215479e-05;
    p = p * q - 1.9082436627951035e-06;
    p = p * q - 0.00023109493041949212;
    p = p * q + 0.0001333443102139816;
    p = p * q + 0.0016308184569446243;
    p = p * q - 0.003479692367201414;
    p = p * q - 0.007540188966679785;
    p = p * q + 0.060396574890927805;
    p = p * q - 0.1865218579596588;
    p = p * q + 0.3871374007422147;
    p = p * q - 0.6078966419718921;
    p = p * q + 0.7552851304157515;
#endif
    tail = *bell * (p * part);
    return x > 0 ? 1 - tail : tail;
}

static inline real gelu(real x)
{
    real bell;
    return x * normal_distribution(x, &bell);
}

/* The derivative of x * Phi(x), Phi(x) + x * exp(-x^2 / 2) / sqrt(2 pi) */
static inline real gelu_slope(real x)
{
    real bell, share = normal_distribution(x, &bell);
    return share + x * (bell * (real)0.3989422804014327);
}

#endif
