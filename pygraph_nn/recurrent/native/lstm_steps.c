/* The loop of an LSTM over time, forward and backward, in float32; bindings.py calls it.
 *
 * Each step multiplies the few rows of a batch by the same weight, then computes the gates, c and h
 * from the sums. A BLAS library would pack the weight anew in every product, and ten more calls
 * would each read and write memory once. Here the weight is packed once for all steps, in panels
 * that are read from front to back. The sums of a tile of rows and units stay in registers until c
 * and h are computed from them. The threads synchronise once a step. A thread has the same panels
 * in every step, so they stay in its cache.
 *
 * Products are added in the order of k for any number of threads, so the result is the same.
 */

#include "lstm.h"

/* A tile has as many rows as the 32 or 16 registers allow besides the weight's vectors. A row
 * has GATES vectors forward, one for each gate, and BACK_UNITS vectors of units backward. */
#if defined __AVX512F__
enum { ROWS = 5, BACK_ROWS = 10 };
#else
enum { ROWS = 3, BACK_ROWS = 6 };
#endif
enum { BACK_UNITS = 2 };

const struct member lstm_members[] = {
    MEMBER(lstm, block),     MEMBER(lstm, packed),    MEMBER(lstm, gates),  MEMBER(lstm, h),
    MEMBER(lstm, c),         MEMBER(lstm, tanh_c),    MEMBER(lstm, grad_h), MEMBER(lstm, grad_c),
    MEMBER(lstm, d),         MEMBER(lstm, dc),        MEMBER(lstm, h_rounded),
    MEMBER(lstm, d_rounded), MEMBER(lstm, slice),     MEMBER(lstm, steps),  MEMBER(lstm, batch),
    MEMBER(lstm, size),      MEMBER(lstm, threads),   MEMBERS_END(lstm),
};

/* The number of floats in `packed`, enough for either direction. */
long lstm_packed_size(int size) {
    long forward = (long)blocks(size, LANES) * LANES * GATES * (size + 1);
    long backward = (long)blocks(size, BACK_UNITS * LANES) * BACK_UNITS * LANES * GATES * size;
    return forward > backward ? forward : backward;
}

/* Packs a forward panel of LANES units: for each k the vectors of the four gates, then the bias. */
static void pack_forward(const struct lstm *a, int panel) {
    long size = a->size, unit = (long)panel * LANES;
    int n = min_int(a->size - (int)unit, LANES);
    float *to = (float *)a->packed + panel * (size + 1) * GATES * LANES;
    for (long k = 0; k <= size; k++)
        for (int gate = 0; gate < GATES; gate++, to += LANES) {
            const float *from = a->block + k * GATES * size + a->slice[gate] * size + unit;
            store(to, load(from, n), LANES);
        }
}

static void forward_tile(const struct lstm *a, int t, int panel, int row) {
    const long size = a->size, width = GATES * size, unit = (long)panel * LANES;
    const int n = min_int(a->size - (int)unit, LANES), rows = min_int(a->batch - row, ROWS);
    const float *weight = (const float *)a->packed + panel * (size + 1) * GATES * LANES;
    const float *bias = weight + size * GATES * LANES;
    const long first = (long)t * a->batch + row; /* row, counted over all steps */
    const float *h[ROWS];
    vec sum[ROWS][GATES], sums[ROWS][GATES];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        /* Rows beyond the batch repeat its last row, and are not stored. */
        const long here = first + min_int(r, rows - 1);
        h[r] = a->h + here * (size + 1);
        UNROLL
        for (int gate = 0; gate < GATES; gate++) {
            const float *from = a->gates + here * width + a->slice[gate] * size + unit;
            sum[r][gate] = load(from, n) + load(bias + gate * LANES, LANES);
        }
    }
    for (long k = 0; k < size; k++, weight += GATES * LANES) {
        vec w[GATES];
        UNROLL
        for (int gate = 0; gate < GATES; gate++) w[gate] = load(weight + gate * LANES, LANES);
        UNROLL
        for (int r = 0; r < ROWS; r++)
            UNROLL
            for (int gate = 0; gate < GATES; gate++) sum[r][gate] += h[r][k] * w[gate];
    }
    COPY_TILE(sums, sum, ROWS, GATES)
    for (int r = 0; r < rows; r++) {
        vec h = forward_units(a, first + r, unit, sums[r]);
        store(a->h + (first + a->batch + r) * (size + 1) + unit, h, n);
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

void lstm_forward(struct lstm *a) { GOMP_parallel(forward, a, (unsigned)a->threads, 0); }

/* Packs a backward panel of BACK_UNITS vectors of units: for each k of the 4H sums the weights. */
static void pack_backward(const struct lstm *a, int panel) {
    const long wide = BACK_UNITS * LANES, width = (long)GATES * a->size, unit = panel * wide;
    float *to = (float *)a->packed + panel * width * wide;
    for (long j = 0; j < wide; j++) {
        const int exists = unit + j < a->size;
        const float *from = a->block + (exists ? unit + j : 0) * width;
        for (long k = 0; k < width; k++) to[k * wide + j] = exists ? from[k] : 0;
    }
}

static void backward_tile(const struct lstm *a, int t, int panel, int row) {
    const long size = a->size, width = GATES * size;
    const int rows = min_int(a->batch - row, BACK_ROWS);
    const long first = (long)t * a->batch + row;
    /* The sums are the gradient of h that comes from the next step. */
    vec sum[BACK_ROWS][BACK_UNITS] = {{{0}}}, sums[BACK_ROWS][BACK_UNITS];
    if (t < a->steps - 1) {
        const float *weight = (const float *)a->packed + panel * width * BACK_UNITS * LANES;
        const float *d[BACK_ROWS];
        UNROLL
        for (int r = 0; r < BACK_ROWS; r++)
            d[r] = a->d + (first + a->batch + min_int(r, rows - 1)) * width;
        for (long k = 0; k < width; k++, weight += BACK_UNITS * LANES) {
            vec w[BACK_UNITS];
            UNROLL
            for (int j = 0; j < BACK_UNITS; j++) w[j] = load(weight + j * LANES, LANES);
            UNROLL
            for (int r = 0; r < BACK_ROWS; r++)
                UNROLL
                for (int j = 0; j < BACK_UNITS; j++) sum[r][j] += d[r][k] * w[j];
        }
    }
    COPY_TILE(sums, sum, BACK_ROWS, BACK_UNITS)
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < BACK_UNITS; j++) {
            const long unit = ((long)panel * BACK_UNITS + j) * LANES;
            vec d[GATES];
            if (unit < size) backward_units(a, t, row + r, unit, sums[r][j], d);
        }
}

static void backward(void *argument) {
    const struct lstm *a = argument;
    const int panels = blocks(a->size, BACK_UNITS * LANES), groups = blocks(a->batch, BACK_ROWS);
    for (int i = share(panels, 0); i < share(panels, 1); i++) pack_backward(a, i);
    const int from = share(panels * groups, 0), to = share(panels * groups, 1);
    for (int t = a->steps - 1; t >= 0; t--) {
        GOMP_barrier();
        for (int i = from; i < to; i++) backward_tile(a, t, i / groups, i % groups * BACK_ROWS);
    }
}

void lstm_backward(struct lstm *a) { GOMP_parallel(backward, a, (unsigned)a->threads, 0); }
