/* Softmax and negative log-likelihood of rows of scores, in float32; bindings.py calls it.
 *
 * A row fits a core's own cache, so it is read from memory once and from the cache the second time.
 * The gradients are not divided by the sum here: the caller scales the shorter rows that it
 * multiplies them with.
 */

#include "softmax.h"

struct softmax_loss {
    float *scores;           /* (rows, classes): overwritten if `gradient` */
    const long long *target; /* (rows,): the class of each row, from 0 */
    float *losses;           /* (rows,): written */
    float *factor;           /* (rows,): written; the gradient of a loss is its row times this */
    int rows, classes, threads;
    int gradient;            /* 1: write the gradient of its loss, up to `factor`, to each row */
};

const struct member softmax_loss_members[] = {
    MEMBER(softmax_loss, scores),  MEMBER(softmax_loss, target),
    MEMBER(softmax_loss, losses),  MEMBER(softmax_loss, factor),
    MEMBER(softmax_loss, rows),    MEMBER(softmax_loss, classes),
    MEMBER(softmax_loss, threads), MEMBER(softmax_loss, gradient),
    MEMBERS_END(softmax_loss),
};

/* Returns the sum of exp(x - maximum); with `keep`, overwrites the row with its terms. */
INLINE double sum_of_exponentials(float *row, int classes, float maximum, int keep) {
    vec sums[2] = {broadcast(0), broadcast(0)}; /* two, so that neither waits for the other */
    int k = 0;
    for (; k + 2 * LANES <= classes; k += 2 * LANES)
        UNROLL
        for (int j = 0; j < 2; j++) {
            vec e = exponential(load(row + k + j * LANES, LANES) - maximum);
            if (keep) store(row + k + j * LANES, e, LANES);
            sums[j] += e;
        }
    vec both = sums[0] + sums[1];
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += both[lane];
    for (; k < classes; k += LANES) {
        int n = min_int(classes - k, LANES);
        vec e = exponential(load(row + k, n) - maximum);
        if (keep) store(row + k, e, n);
        for (int lane = 0; lane < n; lane++) sum += e[lane];
    }
    return sum;
}

static void one_row(const struct softmax_loss *a, long i) {
    float *row = a->scores + i * a->classes;
    const float maximum = largest(row, a->classes), at_target = row[a->target[i]];
    const double sum = a->gradient ? sum_of_exponentials(row, a->classes, maximum, 1)
                                   : sum_of_exponentials(row, a->classes, maximum, 0);
    a->losses[i] = (float)(log(sum) + maximum - at_target);
    a->factor[i] = (float)(1 / sum);
    if (a->gradient) row[a->target[i]] -= sum; /* (p - 1) times the sum */
}

static void rows(void *argument) {
    const struct softmax_loss *a = argument;
    for (int i = share(a->rows, 0); i < share(a->rows, 1); i++) one_row(a, i);
}

/* Returns -1, or the first row whose target is no class; nothing is written then. */
long softmax_loss(struct softmax_loss *a) {
    for (long i = 0; i < a->rows; i++)
        if (a->target[i] < 0 || a->target[i] >= a->classes) return i;
    GOMP_parallel(rows, a, (unsigned)a->threads, 0);
    return -1;
}
