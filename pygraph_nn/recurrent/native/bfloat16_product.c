/* Products in bfloat16 with sums in float32, and the packing of their factors; bfloat16.py calls it.
 *
 * A tile of the result stays in registers while the product runs over a block of k. The block of a
 * panel stays in the first cache, the rows of a block in the second. Blocks of k are added in their
 * order for any number of threads, so the result is the same.
 */

#if defined __AVX512BF16__

#include "bfloat16.h"
#include "layout.h"

enum { ROWS = 6, WIDTH = 4 };    /* a tile: rows, and vectors of columns */
enum { BLOCK = 128, GROUP = 4 }; /* pairs of k in a block, panels that share the rows of a block */

/* Packs a matrix, whose rows are `stride` apart, as a factor. */
struct bfloat16_pack {
    const float *matrix; /* (rows, columns) */
    const float *scale; /* (rows,): factors of the rows, or NULL */
    bf16 *to;           /* rows or panels */
    long stride;
    int rows, columns, threads;
    int across; /* 1: pairs of two rows, the product runs over rows; 0: pairs along a row */
    int panels; /* 1: write panels, 0: rows */
};

const struct member bfloat16_pack_members[] = {
    MEMBER(bfloat16_pack, matrix),   MEMBER(bfloat16_pack, scale),   MEMBER(bfloat16_pack, to),
    MEMBER(bfloat16_pack, stride),  MEMBER(bfloat16_pack, rows),    MEMBER(bfloat16_pack, columns),
    MEMBER(bfloat16_pack, threads), MEMBER(bfloat16_pack, across),  MEMBER(bfloat16_pack, panels),
    MEMBERS_END(bfloat16_pack),
};

/* The number of elements of the panels for `columns` columns and a product over `k`. */
long bfloat16_panels_size(int k, int columns) {
    return 2 * pairs_of(k) * blocks(columns, WIDTH * LANES) * WIDTH * LANES;
}

/* Reads the scaled columns from `column` of row `row`; zeros outside the matrix. */
INLINE vec read_row(const struct bfloat16_pack *a, long row, long column) {
    if (row >= a->rows) return broadcast(0);
    vec x = load_lanes(a->matrix + row * a->stride + column, a->columns - column);
    return a->scale ? x * a->scale[row] : x;
}

/* Packs a square: LANES pairs of k by LANES of the other dimension, "outer". */
INLINE void pack_square(const struct bfloat16_pack *a, long pair, long outer) {
    const int over = a->across ? a->rows : a->columns, others = a->across ? a->columns : a->rows;
    const long all_pairs = pairs_of(over);
    pairs x[LANES];
    UNROLL
    for (int i = 0; i < LANES; i++) {
        const long row = a->across ? 2 * (pair + i) : outer + i;
        const long column = a->across ? outer : 2 * pair;
        if (a->across)
            x[i] = pairs_across(read_row(a, row, column), read_row(a, row + 1, column));
        else
            x[i] = pairs_in_turn(read_row(a, row, column), read_row(a, row, column + LANES));
    }
    if (a->across != a->panels) transpose(x);
    UNROLL
    for (int i = 0; i < LANES; i++) {
        if (a->panels && pair + i < all_pairs) {
            const long vector = outer / LANES, panel = vector / WIDTH;
            const long at = ((panel * all_pairs + pair + i) * WIDTH + vector % WIDTH) * LANES;
            store_pairs(a->to + 2 * at, x[i]);
        } else if (!a->panels && outer + i < others) {
            bf16 *to = a->to + 2 * ((outer + i) * all_pairs + pair);
            store_first_pairs(to, x[i], 2 * (all_pairs - pair));
        }
    }
}

static void pack(void *argument) {
    const struct bfloat16_pack *a = argument;
    const int over = a->across ? a->rows : a->columns, others = a->across ? a->columns : a->rows;
    /* Panels are filled up to whole ones with zeros. */
    const int outer = blocks(others, a->panels ? WIDTH * LANES : LANES) * (a->panels ? WIDTH : 1);
    const int inner = blocks((int)pairs_of(over), LANES);
    /* Squares in the order of the matrix's memory. */
    for (int i = share(outer * inner, 0); i < share(outer * inner, 1); i++) {
        const long pair = a->across ? i / outer : i % inner, other = a->across ? i % outer : i / inner;
        pack_square(a, pair * LANES, other * LANES);
    }
}

void bfloat16_pack(struct bfloat16_pack *a) { GOMP_parallel(pack, a, (unsigned)a->threads, 0); }

/* out = a b, plus the bias, plus what `out` holds. */
struct bfloat16_product {
    const bf16 *a;     /* (rows, k) as rows */
    const bf16 *b;     /* (k, columns) as panels */
    const float *bias; /* (columns,), or NULL */
    float *out;        /* (rows, columns), its rows `stride` apart */
    long stride;
    int rows, columns, k, threads;
    int add; /* 1: add to what `out` holds, 0: overwrite it */
};

const struct member bfloat16_product_members[] = {
    MEMBER(bfloat16_product, a),       MEMBER(bfloat16_product, b),
    MEMBER(bfloat16_product, bias),    MEMBER(bfloat16_product, out),
    MEMBER(bfloat16_product, stride),  MEMBER(bfloat16_product, rows),
    MEMBER(bfloat16_product, columns), MEMBER(bfloat16_product, k),
    MEMBER(bfloat16_product, threads), MEMBER(bfloat16_product, add),
    MEMBERS_END(bfloat16_product),
};

/* Computes a tile of `width` vectors, a constant, over the pairs of k from `from` to `to`. */
INLINE void tile(const struct bfloat16_product *p, int width, int panel, int row, long from, long to) {
    const long all_pairs = pairs_of(p->k), column = (long)panel * WIDTH * LANES;
    const int rows = min_int(p->rows - row, ROWS);
    const bf16 *b = p->b + 2 * ((panel * all_pairs + from) * WIDTH * LANES), *a[ROWS];
    float *out = p->out + row * p->stride + column;
    vec sum[ROWS][WIDTH], sums[ROWS][WIDTH];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        /* Rows beyond the matrix repeat its last row, and are not stored. */
        const int here = min_int(r, rows - 1);
        a[r] = p->a + 2 * ((row + here) * all_pairs + from);
        UNROLL
        for (int j = 0; j < width; j++) {
            const long n = p->columns - column - j * LANES;
            sum[r][j] = broadcast(0);
            if (from || p->add) sum[r][j] = load_lanes(out + here * p->stride + j * LANES, n);
            if (!from && p->bias) sum[r][j] += load_lanes(p->bias + column + j * LANES, n);
        }
    }
    for (long k = 0; k < to - from; k++, b += 2 * WIDTH * LANES) {
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
    COPY_TILE(sums, sum, ROWS, width)
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < width; j++) {
            const long n = p->columns - column - j * LANES;
            _mm512_mask_storeu_ps(out + r * p->stride + j * LANES, first_lanes(n), (__m512)sums[r][j]);
        }
}

static void any_tile(const struct bfloat16_product *p, int panel, int row, long from, long to) {
    switch (min_int(blocks(p->columns - panel * WIDTH * LANES, LANES), WIDTH)) {
    case 1: tile(p, 1, panel, row, from, to); break;
    case 2: tile(p, 2, panel, row, from, to); break;
    case 3: tile(p, 3, panel, row, from, to); break;
    default: tile(p, WIDTH, panel, row, from, to);
    }
}

static void product(void *argument) {
    const struct bfloat16_product *p = argument;
    const int panels = blocks(p->columns, WIDTH * LANES), tiles = blocks(p->rows, ROWS);
    const long all_pairs = pairs_of(p->k);
    const int steps = blocks((int)all_pairs, BLOCK) ? blocks((int)all_pairs, BLOCK) : 1;
    /* This thread's tiles, counted panel by panel. */
    const long first = (long)panels * tiles * omp_get_thread_num() / omp_get_num_threads();
    const long last = (long)panels * tiles * (omp_get_thread_num() + 1) / omp_get_num_threads();
    for (int group = (int)(first / tiles); (long)group * tiles < last; group += GROUP)
        for (int step = 0; step < steps; step++)
            for (int panel = group; panel < min_int(group + GROUP, panels); panel++)
                for (int i = 0; i < tiles; i++) {
                    const long index = (long)panel * tiles + i;
                    if (index < first || index >= last) continue;
                    any_tile(p, panel, i * ROWS, all_pairs * step / steps,
                             all_pairs * (step + 1) / steps);
                }
}

void bfloat16_product(struct bfloat16_product *p) {
    GOMP_parallel(product, p, (unsigned)p->threads, 0);
}

#endif
