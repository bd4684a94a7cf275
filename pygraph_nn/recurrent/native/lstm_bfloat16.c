/* The loop of an LSTM over time with products in bfloat16; bindings.py calls it.
 *
 * As in lstm_steps.c, but the weight and the factors h and d are rounded to bfloat16. h and d are
 * rounded once, when they are computed, and kept beside their values in float32. The bias, the sums
 * and everything else stay in float32.
 */

#if defined __AVX512BF16__

#include "bfloat16.h"
#include "lstm.h"

/* As in lstm_steps.c: the rows of a tile, and the vectors of units of a backward tile. */
enum { ROWS = 5, BACK_ROWS = 10, BACK_UNITS = 2 };

/* The number of elements in `packed`, enough for either direction. */
long lstm_bfloat16_packed_size(int size) {
    long forward = (long)blocks(size, LANES) * LANES * GATES * 2 * pairs_of(size);
    long backward = (long)blocks(size, BACK_UNITS * LANES) * BACK_UNITS * LANES * GATES * size;
    return forward > backward ? forward : backward;
}

/* Packs a forward panel of LANES units: for each pair of k the vectors of the four gates. */
static void pack_forward(const struct lstm *a, int panel) {
    const long size = a->size, unit = (long)panel * LANES;
    bf16 *to = (bf16 *)a->packed + panel * pairs_of(a->size) * GATES * 2 * LANES;
    for (long k = 0; k < size; k += 2)
        for (int gate = 0; gate < GATES; gate++, to += 2 * LANES) {
            const float *from = a->block + k * GATES * size + a->slice[gate] * size + unit;
            vec odd = k + 1 < size ? load_lanes(from + GATES * size, size - unit) : broadcast(0);
            store_pairs(to, pairs_across(load_lanes(from, size - unit), odd));
        }
}

static void forward_tile(const struct lstm *a, int t, int panel, int row) {
    const long size = a->size, width = GATES * size, unit = (long)panel * LANES;
    const long all_pairs = pairs_of(a->size), n = size - unit;
    const int rows = min_int(a->batch - row, ROWS);
    const bf16 *weight = (const bf16 *)a->packed + panel * all_pairs * GATES * 2 * LANES, *h[ROWS];
    const float *bias = a->block + size * width + unit;
    const long first = (long)t * a->batch + row; /* row, counted over all steps */
    vec sum[ROWS][GATES], sums[ROWS][GATES];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        /* Rows beyond the batch repeat its last row, and are not stored. */
        const long here = first + min_int(r, rows - 1);
        h[r] = a->h_rounded + here * 2 * all_pairs;
        UNROLL
        for (int gate = 0; gate < GATES; gate++) {
            const long slice = a->slice[gate] * size;
            sum[r][gate] = load_lanes(a->gates + here * width + slice + unit, n);
            sum[r][gate] += load_lanes(bias + slice, n);
        }
    }
    for (long k = 0; k < all_pairs; k++, weight += GATES * 2 * LANES) {
        pairs w[GATES];
        UNROLL
        for (int gate = 0; gate < GATES; gate++) w[gate] = load_pairs(weight + gate * 2 * LANES);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const pairs x = broadcast_pair(h[r] + 2 * k);
            UNROLL
            for (int gate = 0; gate < GATES; gate++)
                sum[r][gate] = add_products(sum[r][gate], x, w[gate]);
        }
    }
    COPY_TILE(sums, sum, ROWS, GATES)
    for (int r = 0; r < rows; r++) {
        const long next = first + a->batch + r;
        /* 0 in the lanes beyond the last unit: rows of h_rounded are filled up with it. */
        vec next_h = forward_units(a, first + r, unit, sums[r]);
        store(a->h + next * (size + 1) + unit, next_h, min_int((int)n, LANES));
        store_rounded(a->h_rounded + next * 2 * all_pairs + unit, next_h, 2 * all_pairs - unit);
    }
}

static void forward(void *argument) {
    const struct lstm *a = argument;
    const int panels = blocks(a->size, LANES), groups = blocks(a->batch, ROWS);
    for (int i = share(panels, 0); i < share(panels, 1); i++) pack_forward(a, i);
    const int from = share(panels * groups, 0), to = share(panels * groups, 1);
    for (int t = 0; t < a->steps; t++) {
        GOMP_barrier();
        for (int i = from; i < to; i++) forward_tile(a, t, i / groups, i % groups * ROWS);
    }
}

void lstm_forward_bfloat16(struct lstm *a) {
    GOMP_parallel(forward, a, (unsigned)a->threads, 0);
}

/* Packs a vector of LANES units of a backward panel: for each pair of the 4H sums the weights. */
static void pack_backward(const struct lstm *a, int vector) {
    const long width = (long)GATES * a->size, unit = (long)vector * LANES;
    bf16 *to = (bf16 *)a->packed + vector / BACK_UNITS * BACK_UNITS * LANES * width +
               vector % BACK_UNITS * 2 * LANES;
    for (long pair = 0; pair < width / 2; pair += LANES) {
        pairs x[LANES];
        UNROLL
        for (int i = 0; i < LANES; i++) {
            const float *from = a->block + (unit + i) * width + 2 * pair;
            x[i] = unit + i < a->size ? pairs_along(from, width - 2 * pair) : no_pairs();
        }
        transpose(x);
        for (int i = 0; i < min_int((int)(width / 2 - pair), LANES); i++)
            store_pairs(to + (pair + i) * BACK_UNITS * 2 * LANES, x[i]);
    }
}

static void backward_tile(const struct lstm *a, int t, int panel, int row) {
    const long size = a->size, width = GATES * size;
    const int rows = min_int(a->batch - row, BACK_ROWS);
    const long first = (long)t * a->batch + row;
    /* The sums are the gradient of h that comes from the next step. */
    vec sum[BACK_ROWS][BACK_UNITS] = {{{0}}}, sums[BACK_ROWS][BACK_UNITS];
    if (t < a->steps - 1) {
        const bf16 *weight = (const bf16 *)a->packed + panel * width * BACK_UNITS * LANES;
        const bf16 *d[BACK_ROWS];
        UNROLL
        for (int r = 0; r < BACK_ROWS; r++)
            d[r] = a->d_rounded + (first + a->batch + min_int(r, rows - 1)) * width;
        for (long k = 0; k < width / 2; k++, weight += BACK_UNITS * 2 * LANES) {
            pairs w[BACK_UNITS];
            UNROLL
            for (int j = 0; j < BACK_UNITS; j++) w[j] = load_pairs(weight + j * 2 * LANES);
            UNROLL
            for (int r = 0; r < BACK_ROWS; r++) {
                const pairs x = broadcast_pair(d[r] + 2 * k);
                UNROLL
                for (int j = 0; j < BACK_UNITS; j++) sum[r][j] = add_products(sum[r][j], x, w[j]);
            }
        }
    }
    COPY_TILE(sums, sum, BACK_ROWS, BACK_UNITS)
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < BACK_UNITS; j++) {
            const long unit = ((long)panel * BACK_UNITS + j) * LANES;
            if (unit >= size) break;
            vec d[GATES];
            backward_units(a, t, row + r, unit, sums[r][j], d);
            UNROLL
            for (int gate = 0; gate < GATES; gate++)
                store_rounded(a->d_rounded + (first + r) * width + a->slice[gate] * size + unit,
                              d[gate], size - unit);
        }
}

static void backward(void *argument) {
    const struct lstm *a = argument;
    const int panels = blocks(a->size, BACK_UNITS * LANES), groups = blocks(a->batch, BACK_ROWS);
    const int vectors = panels * BACK_UNITS;
    for (int i = share(vectors, 0); i < share(vectors, 1); i++) pack_backward(a, i);
    const int from = share(panels * groups, 0), to = share(panels * groups, 1);
    for (int t = a->steps - 1; t >= 0; t--) {
        GOMP_barrier();
        for (int i = from; i < to; i++) backward_tile(a, t, i / groups, i % groups * BACK_ROWS);
    }
}

void lstm_backward_bfloat16(struct lstm *a) {
    GOMP_parallel(backward, a, (unsigned)a->threads, 0);
}

#endif
