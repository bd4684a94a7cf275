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

#include "layout.h"
#include "vectors.h"

/* A tile has as many rows as the 32 or 16 registers allow besides the weight's vectors. A row
 * has GATES vectors forward, one for each gate, and BACK_UNITS vectors of units backward. */
#if defined __AVX512F__
enum { ROWS = 5, BACK_ROWS = 10 };
#else
enum { ROWS = 3, BACK_ROWS = 6 };
#endif
enum { GATES = 4, BACK_UNITS = 2 };

/* Copies the sums of a tile. `from` is indexed by constants alone, so it stays in registers; `to`
 * is indexed by a loop over rows, so it is in memory. */
#define COPY_TILE(to, from, rows, columns) \
    UNROLL                                 \
    for (int r = 0; r < (rows); r++)       \
        UNROLL                             \
        for (int j = 0; j < (columns); j++) to[r][j] = from[r][j];

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

/* The arguments of one loop over time: T = steps, B = batch, H = size. All arrays are contiguous.
 * slice holds the positions of the gates in, transform, forget and out in a row of 4H. */
struct lstm {
    const float *block;  /* (H + 1, 4H): the weight, with the bias as the last row */
    float *packed;       /* (lstm_packed_size(H),): a buffer for the panels */
    float *gates;        /* (T, B, 4H): the inputs' part of the sums; forward writes the gates */
    float *h;            /* (T + 1, B, H + 1): [0] is the first h; the last column is not written */
    float *c;            /* (T + 1, B, H): [0] is the first c */
    float *tanh_c;       /* (T, B, H): tanh of c[1:] */
    const float *grad_h; /* (T, B, H): the gradient of h[1:], or NULL */
    const float *grad_c; /* (T, B, H): the gradient of c[1:], or NULL */
    float *d;            /* (T, B, 4H): backward writes the gradient of the sums */
    float *dc;           /* (B, H): zeros; backward writes the gradient of c[0] */
    int slice[GATES];
    int steps, batch, size, threads;
};

const struct member lstm_members[] = {
    MEMBER(lstm, block),   MEMBER(lstm, packed), MEMBER(lstm, gates),  MEMBER(lstm, h),
    MEMBER(lstm, c),       MEMBER(lstm, tanh_c), MEMBER(lstm, grad_h), MEMBER(lstm, grad_c),
    MEMBER(lstm, d),       MEMBER(lstm, dc),     MEMBER(lstm, slice),  MEMBER(lstm, steps),
    MEMBER(lstm, batch),   MEMBER(lstm, size),   MEMBER(lstm, threads), MEMBERS_END(lstm),
};

/* The number of blocks of `size` that hold n elements; the last one may be partly empty. */
INLINE int blocks(int n, int size) { return (n + size - 1) / size; }

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
    float *to = a->packed + panel * (size + 1) * GATES * LANES;
    for (long k = 0; k <= size; k++)
        for (int gate = 0; gate < GATES; gate++, to += LANES) {
            const float *from = a->block + k * GATES * size + a->slice[gate] * size + unit;
            store(to, load(from, n), LANES);
        }
}

static void forward_tile(const struct lstm *a, int t, int panel, int row) {
    const long size = a->size, width = GATES * size, unit = (long)panel * LANES;
    const int n = min_int(a->size - (int)unit, LANES), rows = min_int(a->batch - row, ROWS);
    const float *weight = a->packed + panel * (size + 1) * GATES * LANES;
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
        const long here = (first + r) * size + unit, next = here + a->batch * size;
        float *gates = a->gates + (first + r) * width + unit;
        vec into = sigmoid(sums[r][0]), transform = tanh_of(sums[r][1]);
        vec forget = sigmoid(sums[r][2]), out = sigmoid(sums[r][3]);
        vec c = forget * load(a->c + here, n) + into * transform, tanh_c = tanh_of(c);
        store(gates + a->slice[0] * size, into, n);
        store(gates + a->slice[1] * size, transform, n);
        store(gates + a->slice[2] * size, forget, n);
        store(gates + a->slice[3] * size, out, n);
        store(a->c + next, c, n);
        store(a->tanh_c + here, tanh_c, n);
        store(a->h + (first + a->batch + r) * (size + 1) + unit, out * tanh_c, n);
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
    float *to = a->packed + panel * width * wide;
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
        const float *weight = a->packed + panel * width * BACK_UNITS * LANES, *d[BACK_ROWS];
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
            const int n = min_int(a->size - (int)unit, LANES);
            if (n <= 0) break;
            const long here = (first + r) * size + unit;
            const float *gates = a->gates + (first + r) * width + unit;
            float *d = a->d + (first + r) * width + unit;
            float *carried = a->dc + (row + r) * size + unit;
            vec into = load(gates + a->slice[0] * size, n);
            vec transform = load(gates + a->slice[1] * size, n);
            vec forget = load(gates + a->slice[2] * size, n);
            vec out = load(gates + a->slice[3] * size, n);
            vec tanh_c = load(a->tanh_c + here, n);
            vec dh = sums[r][j], dc = load(carried, n);
            if (a->grad_h) dh += load(a->grad_h + here, n);
            if (a->grad_c) dc += load(a->grad_c + here, n);
            dc += dh * out * (1 - tanh_c * tanh_c);
            store(d + a->slice[0] * size, dc * transform * into * (1 - into), n);
            store(d + a->slice[1] * size, dc * into * (1 - transform * transform), n);
            store(d + a->slice[2] * size, dc * load(a->c + here, n) * forget * (1 - forget), n);
            store(d + a->slice[3] * size, dh * tanh_c * out * (1 - out), n);
            store(carried, dc * forget, n);
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
