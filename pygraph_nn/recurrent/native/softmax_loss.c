/* Softmax and negative log-likelihood of rows of scores, in float32; called by ../kernels.py.
 *
 * A row fits a core's own cache: read from memory once, it is gone over twice there. That its
 * gradient is divided by the sum is left to the caller: rows multiply something shorter later.
 */

#include <math.h>

#include "vectors.h"

struct softmax_loss {
    float *scores;           /* (rows, classes); see gradient */
    const long long *target; /* (rows,): classes, counted from 0 */
    float *losses;           /* (rows,) */
    float *factor;           /* (rows,): what to multiply a row with, to have the gradient */
    int rows, classes, threads;
    int gradient; /* whether each row of scores is to become the gradient of its loss */
};

static float largest(const float *row, int classes) {
    enum { AT_ONCE = 4 }; /* so that no comparison waits for the one before */
    vec most[AT_ONCE];
    UNROLL
    for (int j = 0; j < AT_ONCE; j++) most[j] = all(-INFINITY);
    int k = 0;
    for (; k + AT_ONCE * LANES <= classes; k += AT_ONCE * LANES)
        UNROLL
        for (int j = 0; j < AT_ONCE; j++) most[j] = larger(load(row + k + j * LANES, LANES), most[j]);
    vec of_all = larger(larger(most[0], most[1]), larger(most[2], most[3]));
    float found = -INFINITY;
    for (int lane = 0; lane < LANES; lane++)
        if (of_all[lane] > found) found = of_all[lane];
    for (; k < classes; k++)
        if (row[k] > found) found = row[k];
    return found;
}

INLINE vec exponential(vec x) {
    vec scale, q = exp_minus_one(x, &scale);
    return scale * q + scale;
}

/* The sum of exp(x - most); with `keep`, the row becomes the terms. */
INLINE double sum_of_exponentials(float *row, int classes, float most, int keep) {
    vec sums[2] = {all(0), all(0)}; /* two, so that one addition need not wait for the other */
    int k = 0;
    for (; k + 2 * LANES <= classes; k += 2 * LANES)
        UNROLL
        for (int j = 0; j < 2; j++) {
            vec e = exponential(load(row + k + j * LANES, LANES) - most);
            if (keep) store(row + k + j * LANES, e, LANES);
            sums[j] += e;
        }
    vec both = sums[0] + sums[1];
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += both[lane];
    for (; k < classes; k += LANES) {
        int n = at_most(classes - k, LANES);
        vec e = exponential(load(row + k, n) - most);
        if (keep) store(row + k, e, n);
        for (int lane = 0; lane < n; lane++) sum += e[lane];
    }
    return sum;
}

static void one_row(const struct softmax_loss *a, long i) {
    float *row = a->scores + i * a->classes;
    const float most = largest(row, a->classes), at_target = row[a->target[i]];
    const double sum = a->gradient ? sum_of_exponentials(row, a->classes, most, 1)
                                   : sum_of_exponentials(row, a->classes, most, 0);
    a->losses[i] = (float)(log(sum) + most - at_target);
    a->factor[i] = (float)(1 / sum);
    if (a->gradient) row[a->target[i]] -= sum; /* p - 1, times the sum */
}

static void rows(void *argument) {
    const struct softmax_loss *a = argument;
    for (int i = share(a->rows, 0); i < share(a->rows, 1); i++) one_row(a, i);
}

void softmax_loss(struct softmax_loss *a) { GOMP_parallel(rows, a, (unsigned)a->threads, 0); }
