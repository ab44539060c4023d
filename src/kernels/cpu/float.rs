//! Products on the CPU in f32: with dense weights; attention's scores, which an exponential follows, and all of it where there
//! is one query.

use bytemuck::cast;
use wide::f32x4;

use super::integer::{COLS, ROWS};
use super::math::by_rows;
use super::relaxed;
use super::stored::{FEW, WIDE};

/// Groups of rows that are multiplied with one panel before the next.
const TALL: usize = 16;

/// The right side: columns, eight together, and for each depth their eight values.
pub(in crate::kernels) struct Columns {
    depth: usize,
    panels: Vec<[f32; COLS]>,
}

impl Columns {
    /// `cols` columns of `depth` values, `stride` apart.
    pub(in crate::kernels) fn new(
        values: &[f32],
        cols: usize,
        depth: usize,
        stride: usize,
    ) -> Self {
        let mut panels = vec![[0.0; COLS]; cols.div_ceil(COLS) * depth];
        for col in 0..cols {
            let to = panels[col / COLS * depth..].iter_mut();
            for (eight, value) in to.zip(&values[col * stride..][..depth]) {
                eight[col % COLS] = *value;
            }
        }
        Self { depth, panels }
    }

    /// `rows . columns` [rows, cols] for the first `cols` columns; the rows are `stride` apart.
    pub(in crate::kernels) fn product(
        &self,
        rows: &[f32],
        stride: usize,
        count: usize,
        cols: usize,
    ) -> Vec<f32> {
        let mut out = vec![0.0; count * cols];
        let groups = Fours::new(rows, stride, count, self.depth);
        for top in (0..groups.0.len()).step_by(TALL * self.depth) {
            let some = &groups.0[top..(top + TALL * self.depth).min(groups.0.len())];
            let panels = self.panels.chunks_exact(self.depth);
            for (panel, columns) in panels.take(cols.div_ceil(COLS)).enumerate() {
                let width = COLS.min(cols - panel * COLS);
                let first = top / self.depth * ROWS;
                let whole = match width {
                    COLS => (some.len() / self.depth).min((count - first) / ROWS),
                    _ => 0,
                };
                let to = &mut out[first * cols + panel * COLS..];
                let done = match relaxed::floats(&some[..whole * self.depth], columns, to, cols) {
                    true => whole,
                    false => 0,
                };
                for (group, rows) in some.chunks_exact(self.depth).enumerate().skip(done) {
                    let first = first + group * ROWS;
                    for (r, sums) in tile(rows, columns).iter().enumerate().take(count - first) {
                        out[(first + r) * cols + panel * COLS..][..width]
                            .copy_from_slice(&sums[..width]);
                    }
                }
            }
        }
        out
    }
}

/// The left side: rows, four together, and for each depth their four values.
struct Fours(Vec<[f32; ROWS]>);

impl Fours {
    fn new(rows: &[f32], stride: usize, count: usize, depth: usize) -> Self {
        let mut fours = vec![[0.0; ROWS]; count.div_ceil(ROWS) * depth];
        for row in 0..count {
            let to = fours[row / ROWS * depth..].iter_mut();
            for (four, value) in to.zip(&rows[row * stride..][..depth]) {
                four[row % ROWS] = *value;
            }
        }
        Self(fours)
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
        let rows = out.len() / cols;
        for left in (0..cols).step_by(WIDE) {
            let wide = WIDE.min(cols - left);
            let columns = Columns::new(&weights[left * depth..], wide, depth, depth);
            let product = columns.product(&x[first * depth..], depth, rows, wide);
            for (out, values) in out.chunks_exact_mut(cols).zip(product.chunks_exact(wide)) {
                out[left..left + wide].copy_from_slice(values);
            }
        }
    });
    out
}

/// The products of `query` with `out.len()` rows of `keys`, four at a time.
pub(in crate::kernels) fn dots(query: &[f32], keys: &[f32], out: &mut [f32]) {
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
pub(in crate::kernels) fn add_weighted(weights: &[f32], values: &[f32], out: &mut [f32]) {
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
