/* Pairs of bfloat16, as the instruction vdpbf16ps takes them.
 *
 * The instruction adds to each float32 of a vector the products of two pairs, so a product over k
 * runs over k / 2 pairs; an odd k is filled up with a 0. A left factor is row-major: a pair of a
 * row is broadcast to a vector. A right factor is packed in panels, groups of some vectors of
 * columns: for each pair of k the pairs of these columns, which a product reads from front to back.
 */

#pragma once

#include "vectors.h"

typedef __m512i pairs; /* LANES pairs */

/* The number of pairs that hold n elements. */
INLINE long pairs_of(int n) { return (n + 1L) / 2; }

/* A mask of the first n lanes, for any n. */
INLINE __mmask16 first_lanes(long n) {
    return (__mmask16)(n >= LANES ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}

INLINE vec load_lanes(const float *from, long n) {
    return (vec)_mm512_maskz_loadu_ps(first_lanes(n), from);
}

/* The pairs of neighbours in two vectors of a row: elements 0 and 1, 2 and 3, ... */
INLINE pairs pairs_in_turn(vec low, vec high) {
    return (pairs)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

/* The same from memory, where n elements are; the others are 0. */
INLINE pairs pairs_along(const float *from, long n) {
    return pairs_in_turn(load_lanes(from, n), load_lanes(from + LANES, n - LANES));
}

/* The pairs of two rows: the elements 0 of both, then the elements 1 of both, ... */
INLINE pairs pairs_across(vec even, vec odd) {
    const pairs order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (pairs)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even));
}

INLINE void store_lanes(float *to, vec x, long n) {
    _mm512_mask_storeu_ps(to, first_lanes(n), (__m512)x);
}

/* Reads 2 LANES elements of a row, of which only the first n are in memory; the others are 0. */
INLINE pairs load_rounded(const bf16 *from, long n) {
    const __mmask32 mask = n >= 2 * LANES ? 0xffffffff : n <= 0 ? 0 : (1u << n) - 1;
    return _mm512_maskz_loadu_epi16(mask, from);
}

/* The pairs of two rows of 2 LANES elements: of their first LANES columns, and of the others. */
INLINE pairs interleave_low(pairs even, pairs odd) {
    const pairs order =
        _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                         37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    return _mm512_permutex2var_epi16(even, order, odd);
}

INLINE pairs interleave_high(pairs even, pairs odd) {
    const pairs order =
        _mm512_set_epi16(63, 31, 62, 30, 61, 29, 60, 28, 59, 27, 58, 26, 57, 25, 56, 24, 55, 23, 54,
                         22, 53, 21, 52, 20, 51, 19, 50, 18, 49, 17, 48, 16);
    return _mm512_permutex2var_epi16(even, order, odd);
}

INLINE pairs no_pairs(void) { return _mm512_setzero_si512(); }
INLINE pairs load_pairs(const bf16 *from) { return _mm512_loadu_si512(from); }
INLINE void store_pairs(bf16 *to, pairs x) { _mm512_storeu_si512(to, x); }

/* Writes the pairs of the first n elements, an even number. */
INLINE void store_first_pairs(bf16 *to, pairs x, long n) {
    _mm512_mask_storeu_epi32(to, first_lanes(n / 2), x);
}

/* Repeats the pair at `from`. */
INLINE pairs broadcast_pair(const bf16 *from) {
    int pair;
    memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
}

INLINE vec add_products(vec sum, pairs a, pairs b) {
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

/* Writes the first n elements of x, rounded. */
INLINE void store_rounded(bf16 *to, vec x, long n) {
    _mm256_mask_storeu_epi16(to, first_lanes(n), (__m256i)_mm512_cvtneps_pbh((__m512)x));
}

INLINE bf16 rounded(float x) {
    bf16 y;
    store_rounded(&y, broadcast(x), 1);
    return y;
}

/* Fetches the line of `at`, which need not exist, into the second cache. */
INLINE void prefetch(const void *at) { _mm_prefetch(at, _MM_HINT_T1); }

/* Transposes a square of LANES x LANES pairs. */
INLINE void transpose(pairs x[LANES]) {
    pairs y[LANES];
    UNROLL
    for (int i = 0; i < LANES; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    UNROLL
    for (int i = 0; i < LANES; i += 4)
        UNROLL
        for (int j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm512_unpacklo_epi64(y[i + j], y[i + j + 2]);
            x[i + 2 * j + 1] = _mm512_unpackhi_epi64(y[i + j], y[i + j + 2]);
        }
    /* Lane q of x[4 i + j] holds column 4 q + j of rows 4 i to 4 i + 3. */
    UNROLL
    for (int j = 0; j < 4; j++) {
        pairs low_a = _mm512_shuffle_i32x4(x[j], x[4 + j], 0x44);
        pairs high_a = _mm512_shuffle_i32x4(x[j], x[4 + j], 0xee);
        pairs low_b = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0x44);
        pairs high_b = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0xee);
        y[j] = _mm512_shuffle_i32x4(low_a, low_b, 0x88);
        y[4 + j] = _mm512_shuffle_i32x4(low_a, low_b, 0xdd);
        y[8 + j] = _mm512_shuffle_i32x4(high_a, high_b, 0x88);
        y[12 + j] = _mm512_shuffle_i32x4(high_a, high_b, 0xdd);
    }
    UNROLL
    for (int i = 0; i < LANES; i++) x[i] = y[i];
}
