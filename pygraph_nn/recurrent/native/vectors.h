/* What the C sources share: threads, vectors of float32, and exp(x) - 1. */

#pragma once

#include <immintrin.h>
#include <string.h>

/* The threads belong to PyTorch's OpenMP runtime. It is called by the names of GNU's runtime, which
 * the others export too, so any compiler will do, and no second runtime competes for the cores. */
void GOMP_parallel(void (*body)(void *), void *argument, unsigned threads, unsigned flags);
void GOMP_barrier(void);
int omp_get_thread_num(void);
int omp_get_num_threads(void);

/* The number of floats that a vector register holds. */
#if defined __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef int ivec __attribute__((vector_size(LANES * sizeof(int))));
typedef unsigned short bf16; /* a bfloat16 */
#define INLINE static inline __attribute__((always_inline))

/* Unrolls a short loop with a constant number of rounds. Without it, arrays of vectors stay in
 * memory instead of registers. */
#if defined __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Copies the sums of a tile. `from` is indexed by constants alone, so it stays in registers; `to`
 * is indexed by a loop over rows, so it is in memory. */
#define COPY_TILE(to, from, rows, columns) \
    UNROLL                                 \
    for (int r = 0; r < (rows); r++)       \
        UNROLL                             \
        for (int j = 0; j < (columns); j++) to[r][j] = from[r][j];

/* Reads a vector, of which only the first n numbers are in memory; the others are 0. */
INLINE vec load(const float *from, int n) {
    vec x = {0};
    if (n >= LANES)
        memcpy(&x, from, sizeof x);
    else
        memcpy(&x, from, n * sizeof(float));
    return x;
}

/* Writes the first n numbers of x. */
INLINE void store(float *to, vec x, int n) {
    if (n >= LANES)
        memcpy(to, &x, sizeof x);
    else
        memcpy(to, &x, n * sizeof(float));
}

INLINE vec broadcast(float x) { return (vec){0} + x; }

/* The smaller and the larger of x and y; y if one of them is NaN. */
#if defined __AVX512F__
INLINE vec smaller(vec x, vec y) { return _mm512_min_ps(x, y); }
INLINE vec larger(vec x, vec y) { return _mm512_max_ps(x, y); }
#else
INLINE vec smaller(vec x, vec y) { return _mm256_min_ps(x, y); }
INLINE vec larger(vec x, vec y) { return _mm256_max_ps(x, y); }
#endif

/* Computes exp(x) - 1 as scale * q + (scale - 1), where scale is a power of two. x is clamped to
 * the range where the result is finite; NaN stays NaN.
 *
 * x = n log 2 + r with |r| <= log(2) / 2, scale = 2^n, and q = exp(r) - 1 by a polynomial, whose
 * coefficients are fitted to a largest relative error of 1.3e-8. */
INLINE vec exp_minus_one(vec x, vec *scale) {
    x = smaller(broadcast(87), larger(broadcast(-87), x));
    /* Adding 1.5 * 2^23 rounds a number to an integer, which its last bits then hold. */
    vec shifted = x * 1.44269504f + 12582912.0f;
    vec n = shifted - 12582912.0f;
    /* log 2 in two parts: the first has few bits, so its product with n is exact. */
    vec r = x - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    vec p = r * 1.3882521e-3f + 8.3665205e-3f;
    p = p * r + 4.1667201e-2f;
    p = p * r + 1.6666543e-1f;
    p = p * r + 0.49999997f;
    *scale = (vec)(((ivec)shifted << 23) + 0x3f800000);
    return p * r * r + r;
}

INLINE int min_int(int a, int b) { return a < b ? a : b; }

/* The number of blocks of `size` that hold n elements; the last one may be partly empty. */
INLINE int blocks(int n, int size) { return (n + size - 1) / size; }

/* The first of n tasks that this thread computes; with next = 1, the first of the next thread's. */
INLINE int share(int n, int next) {
    return (int)((long)n * (omp_get_thread_num() + next) / omp_get_num_threads());
}
