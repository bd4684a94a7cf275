/* Softmax, negative log-likelihood and the gradient as factors in bfloat16; bindings.py calls it.
 *
 * As in softmax_loss.c, but the gradient is written in bfloat16, in the two forms in which products
 * take it: as rows for the gradient of the inputs, as panels for the gradient of the weight. Losses,
 * sums and exponentials are float32.
 */

#if defined __AVX512BF16__

#include "bfloat16.h"
#include "softmax.h"

enum { WIDTH = 4 }; /* the vectors of a panel, as in bfloat16_product.c */

struct softmax_bfloat16 {
    const float *scores;     /* (rows, classes) */
    const long long *target; /* (rows,): the class of each row, from 0 */
    float *losses;           /* (rows,): written */
    float *factor;           /* (rows,): written; the gradient of a loss is its row times this */
    bf16 *as_rows;           /* written: the gradients, up to `factor`, as rows */
    bf16 *as_panels;         /* written: the same as panels, for a product over the rows */
    int rows, classes, threads;
};

const struct member softmax_bfloat16_members[] = {
    MEMBER(softmax_bfloat16, scores),    MEMBER(softmax_bfloat16, target),
    MEMBER(softmax_bfloat16, losses),    MEMBER(softmax_bfloat16, factor),
    MEMBER(softmax_bfloat16, as_rows),   MEMBER(softmax_bfloat16, as_panels),
    MEMBER(softmax_bfloat16, rows),      MEMBER(softmax_bfloat16, classes),
    MEMBER(softmax_bfloat16, threads),   MEMBERS_END(softmax_bfloat16),
};

/* The elements of `as_panels` before the pair of rows `pair` in the vector of column `column`. */
INLINE long panel_offset(const struct softmax_bfloat16 *a, long pair, long column) {
    const long vector = column / LANES;
    return 2 * LANES * ((vector / WIDTH * pairs_of(a->rows) + pair) * WIDTH + vector % WIDTH);
}

/* Writes the gradients of rows 2 pair and 2 pair + 1, of which the second may not exist. */
static void two_rows(const struct softmax_bfloat16 *a, long pair) {
    const int rows = min_int(a->rows - 2 * (int)pair, 2);
    const long classes = a->classes, padded = 2 * pairs_of(a->classes);
    const long columns = (long)blocks(a->classes, WIDTH * LANES) * WIDTH * LANES;
    const float *from[2];
    bf16 *to[2];
    float maximum[2];
    vec sums[2] = {broadcast(0), broadcast(0)};
    for (int r = 0; r < 2; r++) {
        const long row = 2 * pair + min_int(r, rows - 1);
        from[r] = a->scores + row * classes;
        to[r] = a->as_rows + row * padded;
        maximum[r] = largest(from[r], a->classes);
    }
    for (long column = 0; column < columns; column += 2 * LANES) {
        vec e[2][2]; /* two rows, two vectors */
        UNROLL
        for (int r = 0; r < 2; r++)
            UNROLL
            for (int j = 0; j < 2; j++) {
                const __mmask16 lanes = first_lanes(r < rows ? classes - column - j * LANES : 0);
                vec x = (vec)_mm512_maskz_loadu_ps(lanes, from[r] + column + j * LANES);
                e[r][j] = (vec)_mm512_maskz_mov_ps(lanes, (__m512)exponential(x - maximum[r]));
                sums[r] += e[r][j];
            }
        for (int r = 0; r < rows; r++)
            store_first_pairs(to[r] + column, pairs_in_turn(e[r][0], e[r][1]), padded - column);
        UNROLL
        for (int j = 0; j < 2; j++)
            store_pairs(a->as_panels + panel_offset(a, pair, column + j * LANES),
                        pairs_across(e[0][j], e[1][j]));
    }
    for (int r = 0; r < rows; r++) {
        const long row = 2 * pair + r, target = (long)a->target[row];
        double sum = 0;
        for (int lane = 0; lane < LANES; lane++) sum += sums[r][lane];
        a->losses[row] = (float)(log(sum) + maximum[r] - from[r][target]);
        a->factor[row] = (float)(1 / sum);
        /* (p - 1) times the sum */
        bf16 gradient = rounded(exponential(broadcast(from[r][target] - maximum[r]))[0] - (float)sum);
        to[r][target] = gradient;
        a->as_panels[panel_offset(a, pair, target) + 2 * (target % LANES) + r] = gradient;
    }
}

static void rows(void *argument) {
    const struct softmax_bfloat16 *a = argument;
    const int pairs = (int)pairs_of(a->rows);
    for (int i = share(pairs, 0); i < share(pairs, 1); i++) two_rows(a, i);
}

/* Returns -1, or the first row whose target is no class; nothing is written then. */
long softmax_loss_bfloat16(struct softmax_bfloat16 *a) {
    for (long i = 0; i < a->rows; i++)
        if (a->target[i] < 0 || a->target[i] >= a->classes) return i;
    GOMP_parallel(rows, a, (unsigned)a->threads, 0);
    return -1;
}

#endif
