/* What the softmax losses share: the largest score of a row, and the exponential. */

#pragma once

#include <math.h>

#include "layout.h"
#include "vectors.h"

INLINE float largest(const float *row, int classes) {
    enum { CHAINS = 4 }; /* independent, so that no comparison waits for the one before */
    vec chains[CHAINS];
    UNROLL
    for (int j = 0; j < CHAINS; j++) chains[j] = broadcast(-INFINITY);
    int k = 0;
    for (; k + CHAINS * LANES <= classes; k += CHAINS * LANES)
        UNROLL
        for (int j = 0; j < CHAINS; j++)
            chains[j] = larger(load(row + k + j * LANES, LANES), chains[j]);
    vec maxima = larger(larger(chains[0], chains[1]), larger(chains[2], chains[3]));
    float maximum = -INFINITY;
    for (int lane = 0; lane < LANES; lane++)
        if (maxima[lane] > maximum) maximum = maxima[lane];
    for (; k < classes; k++)
        if (row[k] > maximum) maximum = row[k];
    return maximum;
}

INLINE vec exponential(vec x) {
    vec scale, q = exp_minus_one(x, &scale);
    return scale * q + scale;
}
