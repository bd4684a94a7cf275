/* Softmax, negative log-likelihood and the gradient in bfloat16; bfloat16.py calls it.
 *
 * As in softmax_loss.c, but the gradient is rounded to bfloat16 and written beside the scores.
 * Losses, sums and exponentials are float32.
 */

#if defined __AVX512BF16__

#include "bfloat16.h"
#include "softmax.h"

struct softmax_bfloat16 {
    const float *scores;     /* (rows, classes) */
    const long long *target; /* (rows,): the class of each row, from 0 */
    float *losses;           /* (rows,): written */
    float *factor;           /* (rows,): written; the gradient of a loss is its row times this */
    bf16 *gradient;          /* written: the gradients up to `factor`, in rows of an even length */
    int rows, classes, threads;
};

const struct member softmax_bfloat16_members[] = {
    MEMBER(softmax_bfloat16, scores),    MEMBER(softmax_bfloat16, target),
    MEMBER(softmax_bfloat16, losses),    MEMBER(softmax_bfloat16, factor),
    MEMBER(softmax_bfloat16, gradient),  MEMBER(softmax_bfloat16, rows),
    MEMBER(softmax_bfloat16, classes),   MEMBER(softmax_bfloat16, threads),
    MEMBERS_END(softmax_bfloat16),
};

static void one_row(const struct softmax_bfloat16 *a, long row) {
    const long classes = a->classes, padded = 2 * pairs_of(a->classes), target = a->target[row];
    const float *from = a->scores + row * classes;
    bf16 *to = a->gradient + row * padded;
    const float maximum = largest(from, a->classes);
    vec sums[2] = {broadcast(0), broadcast(0)}; /* two, so that neither waits for the other */
    for (long column = 0; column < padded; column += 2 * LANES) {
        vec e[2];
        UNROLL
        for (int j = 0; j < 2; j++) {
            const long n = classes - column - j * LANES;
            e[j] = exponential(load_lanes(from + column + j * LANES, n) - maximum);
            e[j] = (vec)_mm512_maskz_mov_ps(first_lanes(n), (__m512)e[j]);
            sums[j] += e[j];
        }
        store_first_pairs(to + column, pairs_in_turn(e[0], e[1]), padded - column);
    }
    const vec both = sums[0] + sums[1];
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += both[lane];
    a->losses[row] = (float)(log(sum) + maximum - from[target]);
    a->factor[row] = (float)(1 / sum);
    /* (p - 1) times the sum */
    to[target] = rounded(exponential(broadcast(from[target] - maximum))[0] - (float)sum);
}

static void rows(void *argument) {
    const struct softmax_bfloat16 *a = argument;
    for (int i = share(a->rows, 0); i < share(a->rows, 1); i++) one_row(a, i);
}

/* Returns -1, or the first row whose target is no class; nothing is written then. */
long softmax_loss_bfloat16(struct softmax_bfloat16 *a) {
    for (long i = 0; i < a->rows; i++)
        if (a->target[i] < 0 || a->target[i] >= a->classes) return i;
    GOMP_parallel(rows, a, (unsigned)a->threads, 0);
    return -1;
}

#endif
