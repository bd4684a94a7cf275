/* What the loops of an LSTM share, whatever the precision of their products: the arguments, and the
 * gates, c and h from the sums, forward and backward, in float32. */

#pragma once

#include "layout.h"
#include "vectors.h"

enum { GATES = 4 };

INLINE vec sigmoid(vec x) {
    vec scale, q = exp_minus_one(-x, &scale);
    return 1 / (1 + scale + scale * q);
}

/* tanh(x) from exp(2x) - 1, which is exact where x is small. */
INLINE vec tanh_of(vec x) {
    vec scale, q = exp_minus_one(x + x, &scale);
    vec e = scale * q + (scale - 1);
    return e / (e + 2);
}

/* The arguments of one loop over time: T = steps, B = batch, H = size. All arrays are contiguous;
 * `h_rounded` and `d_rounded` are NULL unless the products are in bfloat16.
 * slice holds the positions of the gates in, transform, forget and out in a row of 4H. */
struct lstm {
    const float *block;  /* (H + 1, 4H): the weight, with the bias as the last row */
    void *packed;        /* a buffer for the panels, of float32 or bfloat16 */
    float *gates;        /* (T, B, 4H): the inputs' part of the sums; forward writes the gates */
    float *h;            /* (T + 1, B, H + 1): [0] is the first h; the last column is not written */
    float *c;            /* (T + 1, B, H): [0] is the first c */
    float *tanh_c;       /* (T, B, H): tanh of c[1:] */
    const float *grad_h; /* (T, B, H): the gradient of h[1:], or NULL */
    const float *grad_c; /* (T, B, H): the gradient of c[1:], or NULL */
    float *d;            /* (T, B, 4H): backward writes the gradient of the sums */
    float *dc;           /* (B, H): zeros; backward writes the gradient of c[0] */
    bf16 *h_rounded;     /* (T + 1, B, H or H + 1): h in bfloat16, its rows of an even length */
    bf16 *d_rounded;     /* (T, B, 4H): d in bfloat16 */
    int slice[GATES];
    int steps, batch, size, threads;
};

/* Computes the gates, c and tanh_c of a row from the sums, in the order in, transform, forget, out.
 * They are of LANES units from `unit` on; `row` counts over all steps. Returns h. */
INLINE vec forward_units(const struct lstm *a, long row, long unit, const vec sums[GATES]) {
    const int n = min_int(a->size - (int)unit, LANES);
    const long size = a->size, here = row * size + unit;
    float *gates = a->gates + row * GATES * size + unit;
    vec into = sigmoid(sums[0]), transform = tanh_of(sums[1]);
    vec forget = sigmoid(sums[2]), out = sigmoid(sums[3]);
    vec c = forget * load(a->c + here, n) + into * transform, tanh_c = tanh_of(c);
    store(gates + a->slice[0] * size, into, n);
    store(gates + a->slice[1] * size, transform, n);
    store(gates + a->slice[2] * size, forget, n);
    store(gates + a->slice[3] * size, out, n);
    store(a->c + here + a->batch * size, c, n);
    store(a->tanh_c + here, tanh_c, n);
    return out * tanh_c;
}

/* Computes the gradients of a row's sums from dh, the gradient of h that comes from the next step.
 * They are written to a->d and, in the order in, transform, forget, out, to `d`. `row` counts the
 * rows of step t. */
INLINE void backward_units(const struct lstm *a, int t, int row, long unit, vec dh, vec d[GATES]) {
    const int n = min_int(a->size - (int)unit, LANES);
    const long size = a->size, all_rows = (long)t * a->batch + row, here = all_rows * size + unit;
    const float *gates = a->gates + all_rows * GATES * size + unit;
    float *carried = a->dc + row * size + unit;
    vec into = load(gates + a->slice[0] * size, n);
    vec transform = load(gates + a->slice[1] * size, n);
    vec forget = load(gates + a->slice[2] * size, n);
    vec out = load(gates + a->slice[3] * size, n);
    vec tanh_c = load(a->tanh_c + here, n), dc = load(carried, n);
    if (a->grad_h) dh += load(a->grad_h + here, n);
    if (a->grad_c) dc += load(a->grad_c + here, n);
    dc += dh * out * (1 - tanh_c * tanh_c);
    d[0] = dc * transform * into * (1 - into);
    d[1] = dc * into * (1 - transform * transform);
    d[2] = dc * load(a->c + here, n) * forget * (1 - forget);
    d[3] = dh * tanh_c * out * (1 - out);
    UNROLL
    for (int gate = 0; gate < GATES; gate++)
        store(a->d + all_rows * GATES * size + a->slice[gate] * size + unit, d[gate], n);
    store(carried, dc * forget, n);
}
