/* Products in bfloat16 with sums in float32, and the packing of factors; bfloat16.py calls it.
 *
 * A tile of the result stays in registers while the product runs over a block of k. A block of a
 * panel of the right factor is packed into a buffer, which stays in the second cache while all
 * tiles of rows use it. Blocks of k are added in their order for any number of threads, so the
 * result is the same.
 */

#if defined __AVX512BF16__

#include "bfloat16.h"
#include "layout.h"

enum { ROWS = 6, WIDTH = 4 };    /* a tile: rows, and vectors of columns */
enum { BLOCK = 384, GROUP = 2 }; /* pairs of k in a block, panels that share the rows of a block */
enum { PANEL = WIDTH * LANES };  /* columns of a panel */

/* What is in memory where a factor is read. */
enum {
    ROUNDED, /* bfloat16, row-major */
    FLOATS,  /* float32, row-major */
    COLUMNS, /* float32, column-major */
    PANELS,  /* a right factor in panels */
};

/* Packs a matrix for products: left factors are ROUNDED, right factors PANELS. */
struct bfloat16_pack {
    const float *matrix; /* (rows, columns), in memory as `layout` says */
    const float *scale;  /* (columns,): factors of the columns, or NULL; COLUMNS to ROUNDED only */
    bf16 *to;            /* ROUNDED, each row filled up to whole pairs; or PANELS */
    long stride;         /* from a row to the next, or with COLUMNS from a column */
    int rows, columns, layout, panels, threads;
};

const struct member bfloat16_pack_members[] = {
    MEMBER(bfloat16_pack, matrix),  MEMBER(bfloat16_pack, scale),  MEMBER(bfloat16_pack, to),
    MEMBER(bfloat16_pack, stride),  MEMBER(bfloat16_pack, rows),   MEMBER(bfloat16_pack, columns),
    MEMBER(bfloat16_pack, layout),  MEMBER(bfloat16_pack, panels), MEMBER(bfloat16_pack, threads),
    MEMBERS_END(bfloat16_pack),
};

/* out = a b, plus the bias, plus what `out` holds. */
struct bfloat16_product {
    const bf16 *a;     /* (rows, k), ROUNDED, each row filled up to whole pairs with a 0 */
    const void *b;     /* (k, columns), in memory as `layout` says */
    const float *bias; /* (columns,), or NULL */
    float *out;        /* (rows, columns) */
    long b_stride;     /* from a row of b to the next, or with COLUMNS from a column */
    long out_stride;   /* from a row of out to the next */
    int rows, columns, k, layout, threads;
    int add; /* 1: add to what `out` holds, 0: overwrite it */
};

const struct member bfloat16_product_members[] = {
    MEMBER(bfloat16_product, a),        MEMBER(bfloat16_product, b),
    MEMBER(bfloat16_product, bias),     MEMBER(bfloat16_product, out),
    MEMBER(bfloat16_product, b_stride), MEMBER(bfloat16_product, out_stride),
    MEMBER(bfloat16_product, rows),     MEMBER(bfloat16_product, columns),
    MEMBER(bfloat16_product, k),        MEMBER(bfloat16_product, layout),
    MEMBER(bfloat16_product, threads),  MEMBER(bfloat16_product, add),
    MEMBERS_END(bfloat16_product),
};

/* The number of elements of the panels of a right factor, (k, columns). */
long bfloat16_panels_size(int k, int columns) {
    return 2 * pairs_of(k) * blocks(columns, PANEL) * PANEL;
}

/* The number of vectors in a panel that hold columns; the others are neither packed nor read. */
INLINE int vectors_of(const struct bfloat16_product *p, int panel) {
    return min_int(blocks(p->columns - panel * PANEL, LANES), WIDTH);
}

/* Packs pairs `from` to `to` of k of a panel from row-major float32. */
static void pack_floats(const struct bfloat16_product *p, int panel, long from, long to,
                        bf16 *out) {
    const float *b = p->b;
    const int vectors = vectors_of(p, panel);
    for (long pair = from; pair < to; pair++, out += 2 * PANEL)
        for (int j = 0; j < vectors; j++) {
            const long column = (long)panel * PANEL + j * LANES, n = p->columns - column;
            const float *row = b + 2 * pair * p->b_stride + column;
            const vec even = load_lanes(row, n);
            const vec odd = 2 * pair + 1 < p->k ? load_lanes(row + p->b_stride, n) : broadcast(0);
            prefetch(row + PANEL);
            prefetch(row + p->b_stride + PANEL);
            store_pairs(out + 2 * j * LANES, pairs_across(even, odd));
        }
}

/* The same from row-major bfloat16. */
static void pack_rounded(const struct bfloat16_product *p, int panel, long from, long to,
                         bf16 *out) {
    const bf16 *b = p->b;
    const int vectors = vectors_of(p, panel);
    for (long pair = from; pair < to; pair++, out += 2 * PANEL)
        for (int j = 0; j < vectors; j += 2) {
            const long column = (long)panel * PANEL + j * LANES, n = p->columns - column;
            const bf16 *row = b + 2 * pair * p->b_stride + column;
            const pairs even = load_rounded(row, n);
            const pairs odd = 2 * pair + 1 < p->k ? load_rounded(row + p->b_stride, n) : no_pairs();
            prefetch(row + PANEL);
            prefetch(row + p->b_stride + PANEL);
            store_pairs(out + 2 * j * LANES, interleave_low(even, odd));
            store_pairs(out + 2 * (j + 1) * LANES, interleave_high(even, odd));
        }
}

/* The same from column-major float32, by squares of LANES columns and pairs. */
static void pack_columns(const struct bfloat16_product *p, int panel, long from, long to,
                         bf16 *out) {
    const float *b = p->b;
    const int vectors = vectors_of(p, panel);
    for (int j = 0; j < vectors; j++)
        for (long pair = from; pair < to; pair += LANES) {
            const int column = panel * PANEL + j * LANES;
            pairs x[LANES];
            UNROLL
            for (int i = 0; i < LANES; i++) {
                /* Columns beyond the matrix repeat its last one; their sums are not stored. */
                const long here = min_int(column + i, p->columns - 1);
                const long next = min_int(column + LANES + i, p->columns - 1);
                prefetch(b + next * p->b_stride + 2 * pair);
                prefetch(b + next * p->b_stride + 2 * pair + LANES);
                x[i] = pairs_along(b + here * p->b_stride + 2 * pair, p->k - 2 * pair);
            }
            transpose(x);
            bf16 *at = out + 2 * LANES * ((pair - from) * WIDTH + j);
            for (int i = 0; i < min_int((int)(to - pair), LANES); i++)
                store_pairs(at + i * 2 * PANEL, x[i]);
        }
}

static void pack_panel(const struct bfloat16_product *p, int panel, long from, long to,
                       bf16 *out) {
    if (p->layout == FLOATS) pack_floats(p, panel, from, to, out);
    if (p->layout == ROUNDED) pack_rounded(p, panel, from, to, out);
    if (p->layout == COLUMNS) pack_columns(p, panel, from, to, out);
}

/* Rounds rows of a row-major matrix. */
static void round_row(const struct bfloat16_pack *a, long row) {
    const long padded = 2 * pairs_of(a->columns);
    for (long column = 0; column < padded; column += 2 * LANES) {
        const pairs x = pairs_along(a->matrix + row * a->stride + column, a->columns - column);
        store_first_pairs(a->to + row * padded + column, x, padded - column);
    }
}

/* Rounds a square of a column-major matrix: LANES rows, LANES pairs of columns. */
static void round_square(const struct bfloat16_pack *a, long row, long column) {
    const long padded = 2 * pairs_of(a->columns);
    pairs x[LANES];
    UNROLL
    for (int i = 0; i < LANES; i++) {
        vec two[2];
        UNROLL
        for (int odd = 0; odd < 2; odd++) {
            const long here = column + 2 * i + odd;
            two[odd] = broadcast(0);
            if (here >= a->columns) continue;
            two[odd] = load_lanes(a->matrix + here * a->stride + row, a->rows - row);
            if (a->scale) two[odd] *= a->scale[here];
        }
        x[i] = pairs_across(two[0], two[1]);
    }
    transpose(x);
    for (int i = 0; i < min_int(a->rows - (int)row, LANES); i++)
        store_first_pairs(a->to + (row + i) * padded + column, x[i], padded - column);
}

static void pack(void *argument) {
    const struct bfloat16_pack *a = argument;
    if (a->panels) {
        const struct bfloat16_product p = {.b = a->matrix, .b_stride = a->stride, .k = a->rows,
                                           .columns = a->columns, .layout = a->layout};
        const long all_pairs = pairs_of(a->rows);
        const int panels = blocks(a->columns, PANEL);
        for (int i = share(panels, 0); i < share(panels, 1); i++)
            pack_panel(&p, i, 0, all_pairs, a->to + i * all_pairs * 2 * PANEL);
    } else if (a->layout == FLOATS) {
        for (int i = share(a->rows, 0); i < share(a->rows, 1); i++) round_row(a, i);
    } else {
        const int squares = blocks(a->columns, 2 * LANES);
        for (int i = share(squares, 0); i < share(squares, 1); i++)
            for (long row = 0; row < a->rows; row += LANES) round_square(a, row, i * 2L * LANES);
    }
}

void bfloat16_pack(struct bfloat16_pack *a) { GOMP_parallel(pack, a, (unsigned)a->threads, 0); }

/* Computes a tile of `width` vectors, a constant, over the pairs of k from `from` to `to`. `b`
 * holds these pairs of the panel. */
INLINE void tile(const struct bfloat16_product *p, int width, int panel, int row, long from,
                 long to, const bf16 *b) {
    const long all_pairs = pairs_of(p->k), column = (long)panel * PANEL;
    const int rows = min_int(p->rows - row, ROWS);
    const bf16 *a[ROWS];
    float *out = p->out + row * p->out_stride + column;
    vec sum[ROWS][WIDTH];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        /* Rows beyond the matrix repeat its last row, and are not stored. */
        const int here = min_int(r, rows - 1);
        a[r] = p->a + 2 * ((row + here) * all_pairs + from);
        UNROLL
        for (int j = 0; j < width; j++) {
            const long n = p->columns - column - j * LANES;
            sum[r][j] = broadcast(0);
            if (from || p->add) sum[r][j] = load_lanes(out + here * p->out_stride + j * LANES, n);
            if (!from && p->bias) sum[r][j] += load_lanes(p->bias + column + j * LANES, n);
        }
    }
    for (long k = 0; k < to - from; k++, b += 2 * PANEL) {
        pairs w[WIDTH];
        UNROLL
        for (int j = 0; j < width; j++) w[j] = load_pairs(b + 2 * j * LANES);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const pairs x = broadcast_pair(a[r] + 2 * k);
            UNROLL
            for (int j = 0; j < width; j++) sum[r][j] = add_products(sum[r][j], x, w[j]);
        }
    }
    UNROLL
    for (int r = 0; r < ROWS; r++)
        UNROLL
        for (int j = 0; j < width; j++)
            store_lanes(out + r * p->out_stride + j * LANES, sum[r][j],
                        r < rows ? p->columns - column - j * LANES : 0);
}

static void any_tile(const struct bfloat16_product *p, int panel, int row, long from, long to,
                     const bf16 *b) {
    switch (vectors_of(p, panel)) {
    case 1: tile(p, 1, panel, row, from, to, b); break;
    case 2: tile(p, 2, panel, row, from, to, b); break;
    case 3: tile(p, 3, panel, row, from, to, b); break;
    default: tile(p, WIDTH, panel, row, from, to, b);
    }
}

static void product(void *argument) {
    const struct bfloat16_product *p = argument;
    const int panels = blocks(p->columns, PANEL), tiles = blocks(p->rows, ROWS);
    const long all_pairs = pairs_of(p->k);
    const int steps = all_pairs ? blocks((int)all_pairs, BLOCK) : 1;
    /* This thread's tiles, counted panel by panel. */
    const long all = (long)panels * tiles;
    const long first = all * omp_get_thread_num() / omp_get_num_threads();
    const long last = all * (omp_get_thread_num() + 1) / omp_get_num_threads();
    bf16 buffer[BLOCK * 2 * PANEL] __attribute__((aligned(64)));
    if (first == last) return;
    const int last_panel = (int)((last - 1) / tiles);
    for (int group = (int)(first / tiles); group <= last_panel; group += GROUP)
        for (int step = 0; step < steps; step++)
            for (int panel = group; panel <= min_int(group + GROUP - 1, last_panel); panel++) {
                const long from = all_pairs * step / steps, to = all_pairs * (step + 1) / steps;
                const long before = (long)panel * tiles; /* the tiles of other panels */
                const bf16 *b = buffer;
                if (p->layout == PANELS)
                    b = (const bf16 *)p->b + (panel * all_pairs + from) * 2 * PANEL;
                else
                    pack_panel(p, panel, from, to, buffer);
                const long end = last - before < tiles ? last - before : tiles;
                for (long i = first > before ? first - before : 0; i < end; i++)
                    any_tile(p, panel, (int)i * ROWS, from, to, b);
            }
}

void bfloat16_product(struct bfloat16_product *p) {
    GOMP_parallel(product, p, (unsigned)p->threads, 0);
}

#endif
