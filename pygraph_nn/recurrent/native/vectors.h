/* What the C sources share: vectors of float32, threads, and exp(x) - 1. */

#include <immintrin.h>
#include <string.h>

/* The threads are those of PyTorch's OpenMP runtime, called by the names that GNU's has, and others
 * have, too: so any compiler will do, and no second runtime fights with PyTorch's for the cores. */
void GOMP_parallel(void (*work)(void *), void *argument, unsigned threads, unsigned flags);
void GOMP_barrier(void);
int omp_get_thread_num(void);
int omp_get_num_threads(void);

/* LANES numbers in a vector: as many as a register holds. */
#if defined __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef int ivec __attribute__((vector_size(LANES * sizeof(int))));
#define INLINE static inline __attribute__((always_inline))

/* Before a loop of few, always as many rounds: without it, arrays of vectors stay in memory. */
#if defined __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Vectors from and to memory, of which the first n numbers count. */

INLINE vec load(const float *from, int n) {
    vec x = {0};
    if (n >= LANES)
        memcpy(&x, from, sizeof x);
    else
        memcpy(&x, from, n * sizeof(float));
    return x;
}

INLINE void store(float *to, vec x, int n) {
    if (n >= LANES)
        memcpy(to, &x, sizeof x);
    else
        memcpy(to, &x, n * sizeof(float));
}

INLINE vec all(float x) { return (vec){0} + x; }

/* The smaller and the larger of x and y; y where one of them is NaN. */
#if defined __AVX512F__
INLINE vec smaller(vec x, vec y) { return _mm512_min_ps(x, y); }
INLINE vec larger(vec x, vec y) { return _mm512_max_ps(x, y); }
#else
INLINE vec smaller(vec x, vec y) { return _mm256_min_ps(x, y); }
INLINE vec larger(vec x, vec y) { return _mm256_max_ps(x, y); }
#endif

/* exp(x) - 1 as scale * q + (scale - 1), scale a power of two; x is limited to where that is
 * finite. NaN stays NaN.
 *
 * x = n log 2 + r, |r| <= log(2) / 2, scale = 2^n, q = exp(r) - 1 by a polynomial, whose
 * coefficients are fitted to a largest relative error of 1.3e-8. */
INLINE vec exp_minus_one(vec x, vec *scale) {
    x = smaller(all(87), larger(all(-87), x));
    /* Added to 1.5 * 2^23, a number loses its fraction, and its last bits are the integer. */
    vec shifted = x * 1.44269504f + 12582912.0f;
    vec n = shifted - 12582912.0f;
    /* log 2 in two parts: the first has few bits, so that its product with n is exact. */
    vec r = x - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    vec p = r * 1.3882521e-3f + 8.3665205e-3f;
    p = p * r + 4.1667201e-2f;
    p = p * r + 1.6666543e-1f;
    p = p * r + 0.49999997f;
    *scale = (vec)(((ivec)shifted << 23) + 0x3f800000);
    return p * r * r + r;
}

INLINE int at_most(int n, int limit) { return n < limit ? n : limit; }

/* Where the share of this thread in n tasks begins, and where that of the next one does. */
INLINE int share(int n, int next) {
    return (int)((long)n * (omp_get_thread_num() + next) / omp_get_num_threads());
}
