//! Products on the CPU in f32: with dense weights, and all of attention.

use std::ops::Range;

use bytemuck::cast;
use wide::f32x4;

use super::math::by_rows;
use super::stored::{FEW, WIDE};
use super::{COLS, processor, put};

pub(in crate::kernels) use super::processor::Heads;

/// Rows of a tile.
pub(in crate::kernels) const ROWS: usize = 4;
/// Groups of rows that are multiplied with one panel before the next.
const TALL: usize = 16;

/// One side of a product: lines, `N` together, and for each depth their `N` values.
pub(in crate::kernels) struct Side<const N: usize> {
    depth: usize,
    groups: Vec<[f32; N]>,
}

pub(in crate::kernels) type Rows = Side<ROWS>;
pub(in crate::kernels) type Columns = Side<COLS>;

impl<const N: usize> Side<N> {
    /// Value d of line l is `values[l * stride + d * step]`; the last group is filled up with zeros.
    pub(in crate::kernels) fn new(
        values: &[f32],
        lines: usize,
        depth: usize,
        stride: usize,
        step: usize,
    ) -> Self {
        let mut groups = vec![[0.0; N]; lines.div_ceil(N) * depth];
        for line in 0..lines {
            let to = groups[line / N * depth..].iter_mut();
            let from = values[line * stride..].iter().step_by(step);
            to.zip(from)
                .take(depth)
                .for_each(|(to, value)| to[line % N] = *value);
        }
        Self { depth, groups }
    }

    pub(in crate::kernels) fn depth(&self) -> usize {
        self.depth
    }

    /// The group that begins with line `N * number`.
    pub(in crate::kernels) fn group(&self, number: usize) -> &[[f32; N]] {
        self.some(number..number + 1)
    }

    /// Some groups, one after the other.
    pub(in crate::kernels) fn some(&self, groups: Range<usize>) -> &[[f32; N]] {
        &self.groups[groups.start * self.depth..groups.end * self.depth]
    }
}

/// The products of groups of rows with a group of columns, to a line of `out` for each row.
pub(in crate::kernels) fn multiply(
    rows: &[[f32; ROWS]],
    columns: &[[f32; COLS]],
    out: &mut [[f32; COLS]],
) {
    if processor::floats(rows, columns, out) {
        return;
    }
    let groups = rows.chunks_exact(columns.len());
    for (rows, out) in groups.zip(out.as_chunks_mut().0) {
        *out = tile(rows, columns);
    }
}

/// The sums of four rows and eight columns.
#[inline(always)]
fn tile(rows: &[[f32; ROWS]], columns: &[[f32; COLS]]) -> [[f32; COLS]; ROWS] {
    let mut sums = [[f32x4::splat(0.0); 2]; ROWS];
    for (four, eight) in rows.iter().zip(columns) {
        let [left, right]: [f32x4; 2] = cast(*eight);
        for (sums, &row) in sums.iter_mut().zip(four) {
            let row = f32x4::splat(row);
            sums[0] += left * row;
            sums[1] += right * row;
        }
    }
    sums.map(cast)
}

/// `x . weights^T`: `x` [rows, depth], `weights` [cols, depth] -> [rows, cols].
pub(in crate::kernels) fn product(x: &[f32], weights: &[f32], depth: usize) -> Vec<f32> {
    let (rows, cols) = (x.len() / depth, weights.len() / depth);
    let mut out = vec![0.0; rows * cols];
    if rows <= FEW {
        for (x, out) in x.chunks_exact(depth).zip(out.chunks_exact_mut(cols)) {
            by_rows(out, 1, (1 << 18) / depth, |first, out| {
                dots(x, &weights[first * depth..], out);
            });
        }
        return out;
    }
    by_rows(&mut out, cols, 64, |first, out| {
        let count = out.len() / cols;
        let rows = Rows::new(&x[first * depth..], count, depth, depth, 1);
        for left in (0..cols).step_by(WIDE) {
            let wide = WIDE.min(cols - left);
            let columns = Columns::new(&weights[left * depth..], wide, depth, depth, 1);
            for top in (0..count).step_by(TALL * ROWS) {
                let tall = (TALL * ROWS).min(count - top);
                let rows = rows.some(top / ROWS..(top + tall).div_ceil(ROWS));
                let mut sums = [[0.0; COLS]; TALL * ROWS];
                for panel in 0..wide.div_ceil(COLS) {
                    multiply(rows, columns.group(panel), &mut sums);
                    let left = left + panel * COLS;
                    let width = COLS.min(cols - left);
                    for (r, sums) in sums.iter().take(tall).enumerate() {
                        put(sums, &mut out[(top + r) * cols + left..][..width]);
                    }
                }
            }
        }
    });
    out
}

/// The products of `queries` [heads, depth] with `keys` [count, depth], to a row of `out` for each head; rows are `stride` apart.
pub(in crate::kernels) fn scores(shape: Heads, queries: &[f32], keys: &[f32], out: &mut [f32]) {
    let done = processor::scores(shape, queries, keys, out);
    let rows = queries
        .chunks_exact(shape.depth)
        .zip(out.chunks_mut(shape.stride));
    for (query, out) in rows {
        dots(
            query,
            &keys[done * shape.depth..],
            &mut out[done..shape.count],
        );
    }
}

/// Adds to `out` [heads, depth] the rows of `values` [count, depth], each times a head's weight; rows of weights are `stride` apart.
pub(in crate::kernels) fn weigh(shape: Heads, weights: &[f32], values: &[f32], out: &mut [f32]) {
    let done = processor::weigh(shape, weights, values, out);
    let rows = out
        .chunks_exact_mut(shape.depth)
        .zip(weights.chunks(shape.stride));
    for (out, weights) in rows {
        add_weighted(
            &weights[done..shape.count],
            &values[done * shape.depth..],
            out,
        );
    }
}

/// The products of `query` with `out.len()` rows of `keys`, four at a time.
fn dots(query: &[f32], keys: &[f32], out: &mut [f32]) {
    let (query, query_rest) = query.as_chunks::<4>();
    let depth = 4 * query.len() + query_rest.len();
    for (out, keys) in out.chunks_mut(4).zip(keys.chunks(4 * depth)) {
        // The last rows are worked on again where fewer than four are left.
        let row = |r: usize| keys[r.min(out.len() - 1) * depth..][..depth].as_chunks::<4>();
        let rows = [row(0), row(1), row(2), row(3)];
        let mut sums = [f32x4::splat(0.0); 4];
        for (i, query) in query.iter().enumerate() {
            for (sum, (row, _)) in sums.iter_mut().zip(&rows) {
                *sum += f32x4::new(*query) * f32x4::new(row[i]);
            }
        }
        let [a, b, c, d] = f32x4::transpose(sums);
        let sums = (a + b + c + d).to_array();
        for ((out, sum), (_, rest)) in out.iter_mut().zip(sums).zip(&rows) {
            *out = sum
                + query_rest
                    .iter()
                    .zip(*rest)
                    .map(|(q, k)| q * k)
                    .sum::<f32>();
        }
    }
}

/// Adds the rows of `values`, each times its weight, to `out`, four at a time.
fn add_weighted(weights: &[f32], values: &[f32], out: &mut [f32]) {
    let depth = out.len();
    let (fours, rest) = weights.as_chunks::<4>();
    for (weights, values) in fours.iter().zip(values.chunks_exact(4 * depth)) {
        let (a, b) = values.split_at(2 * depth);
        let ((a, b), (c, d)) = (a.split_at(depth), b.split_at(depth));
        for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *out += (weights[0] * a + weights[1] * b) + (weights[2] * c + weights[3] * d);
        }
    }
    for (weight, values) in rest
        .iter()
        .zip(values[4 * fours.len() * depth..].chunks_exact(depth))
    {
        out.iter_mut()
            .zip(values)
            .for_each(|(out, v)| *out += weight * v);
    }
}
