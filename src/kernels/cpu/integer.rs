//! Matrix products on the CPU, in 16-bit integers.
//!
//! Both sides are cut into blocks of 32 along the depth. A block is one f32 scale and 32 integers; products of two blocks
//! are summed in 32 bits, which their [`Limits`] keep from overflowing, and the blocks' sums are added up as floats. Little
//! more is lost than by summing in f32, at the speed of an 8-bit product: SIMD multiplies eight pairs at a time.
//!
//! The blocking is Goto and van de Geijn's (2008): a piece of the left side stays in the second-level cache, a panel of
//! eight columns of the right in the first, a tile of 4 x 8 sums in registers.

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4};

use crate::quant::BLOCK;

/// Rows and columns of the tile of sums that is held in registers.
const ROWS: usize = 4;
const COLS: usize = 8;
const PAIRS: usize = BLOCK / 2;
/// Blocks and rows of the piece of the left side that is worked on.
const DEEP: usize = 16;
const TALL: usize = 256;

/// The largest integers of both sides: 32 * rows * columns < 2^31.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::kernels) struct Limits {
    pub(in crate::kernels) rows: f32,
    pub(in crate::kernels) columns: f32,
}

impl Limits {
    /// Where both sides are floats.
    pub(in crate::kernels) const FLOATS: Self = Self {
        rows: 8191.0,
        columns: 8191.0,
    };
    /// Where the columns are quantized weights, whose own integers are kept.
    pub(in crate::kernels) const STORED: Self = Self {
        rows: 32767.0,
        columns: 127.0,
    };
}

/// Where a block of a group (of rows or columns) lies: all groups' blocks of the first piece, then those of the next.
fn place(blocks: usize, groups: usize, group: usize, block: usize) -> usize {
    let first = block / DEEP * DEEP;
    let deep = DEEP.min(blocks - first);
    groups * first + group * deep + block - first
}

/// A block as integers of at most `largest`, and its scale. The values must be finite.
#[inline]
pub(in crate::kernels) fn quantize(values: &[f32; BLOCK], largest: f32) -> ([i32; BLOCK], f32) {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits
    let values: [f32x4; BLOCK / 4] = cast(*values);
    let tops = values
        .iter()
        .fold(f32x4::splat(0.0), |top, four| top.fast_max(four.abs()));
    let top = tops
        .to_array()
        .into_iter()
        .fold(0.0, |a: f32, b| if b > a { b } else { a });
    if top < f32::MIN_POSITIVE * 32768.0 {
        return ([0; BLOCK], 0.0);
    }
    let (factor, round) = (f32x4::splat(largest / top), f32x4::splat(ROUND));
    let integers =
        values.map(|four| cast::<_, i32x4>(four * factor + round) - cast::<_, i32x4>(round));
    (cast(integers), top / largest)
}

/// One side of a product: rows or columns as integers, `N` together.
struct Side<const N: usize> {
    limits: Limits,
    count: usize,
    blocks: usize,
    /// For every piece of the depth, group, block, pair of depths: `N` pairs.
    pairs: Vec<[i32; N]>,
    scales: Vec<[f32; N]>,
}

impl<const N: usize> Side<N> {
    /// `block(line, number)` gives the integers of a block, 0 beyond the end, and their scale.
    fn new(
        limits: Limits,
        count: usize,
        depth: usize,
        block: impl Fn(usize, usize) -> ([i32; BLOCK], f32),
    ) -> Self {
        let (blocks, groups) = (depth.div_ceil(BLOCK), count.div_ceil(N));
        let mut pairs = vec![[0; N]; groups * blocks * PAIRS];
        let mut scales = vec![[0.0; N]; groups * blocks];
        for (line, number) in
            (0..count).flat_map(|line| (0..blocks).map(move |number| (line, number)))
        {
            let at = place(blocks, groups, line / N, number);
            let (integers, scale) = block(line, number);
            scales[at][line % N] = scale;
            let to = &mut pairs[at * PAIRS..][..PAIRS];
            for (to, two) in to.iter_mut().zip(integers.as_chunks::<2>().0) {
                to[line % N] = two[0] & 0xffff | two[1] << 16;
            }
        }
        Self {
            limits,
            count,
            blocks,
            pairs,
            scales,
        }
    }

    fn groups(&self) -> usize {
        self.count.div_ceil(N)
    }

    /// `deep` blocks of a group from `first` on: their pairs and scales.
    fn piece(&self, group: usize, first: usize, deep: usize) -> (&[[i32; N]], &[[f32; N]]) {
        let at = place(self.blocks, self.groups(), group, first);
        let pairs = &self.pairs[at * PAIRS..][..deep * PAIRS];
        (pairs, &self.scales[at..][..deep])
    }
}

/// The left side of products.
pub(in crate::kernels) struct Rows(Side<ROWS>);

impl Rows {
    /// `rows` rows of `depth` values, `stride` apart.
    pub(in crate::kernels) fn new(
        values: &[f32],
        rows: usize,
        depth: usize,
        stride: usize,
        limits: Limits,
    ) -> Self {
        Self(Side::new(limits, rows, depth, |row, number| {
            let first = number * BLOCK;
            let from = &values[row * stride..][first..(first + BLOCK).min(depth)];
            match from.as_array() {
                Some(block) => quantize(block, limits.rows),
                None => {
                    let mut block = [0.0; BLOCK];
                    block[..from.len()].copy_from_slice(from);
                    quantize(&block, limits.rows)
                }
            }
        }))
    }

    /// Multiplies row r with `factors[r]`.
    pub(in crate::kernels) fn scale(&mut self, factors: &[f32]) {
        let (blocks, groups) = (self.0.blocks, self.0.groups());
        for (row, factor) in factors.iter().enumerate() {
            for block in 0..blocks {
                self.0.scales[place(blocks, groups, row / ROWS, block)][row % ROWS] *= factor;
            }
        }
    }
}

/// The right side of products.
pub(in crate::kernels) struct Panels(Side<COLS>);

impl Panels {
    /// `block(column, number)` gives the integers of a block and their scale.
    pub(in crate::kernels) fn new(
        limits: Limits,
        cols: usize,
        depth: usize,
        block: impl Fn(usize, usize) -> ([i32; BLOCK], f32),
    ) -> Self {
        Self(Side::new(limits, cols, depth, block))
    }

    /// Of floats: element d of column c is `values[c * stride + d * step]`.
    pub(in crate::kernels) fn floats(
        values: &[f32],
        cols: usize,
        depth: usize,
        stride: usize,
        step: usize,
    ) -> Self {
        Self::new(Limits::FLOATS, cols, depth, |col, number| {
            let first = number * BLOCK;
            let mut block = [0.0; BLOCK];
            let from = values[col * stride + first * step..].iter().step_by(step);
            let pairs = block.iter_mut().zip(from).take(depth - first);
            pairs.for_each(|(to, from)| *to = *from);
            quantize(&block, Limits::FLOATS.columns)
        })
    }
}

/// `rows . panels` is added to `out` [rows, cols], its rows `stride` apart: the first `cols` columns, over the depth of the
/// shallower side.
pub(in crate::kernels) fn add_product(
    Rows(rows): &Rows,
    Panels(panels): &Panels,
    cols: usize,
    out: &mut [f32],
    stride: usize,
) {
    assert_eq!(
        rows.limits, panels.limits,
        "the sides of a product share their limits"
    );
    let blocks = rows.blocks.min(panels.blocks);
    for first in (0..blocks).step_by(DEEP) {
        let deep = DEEP.min(blocks - first);
        for top in (0..rows.groups()).step_by(TALL / ROWS) {
            for panel in 0..cols.div_ceil(COLS) {
                let columns = panels.piece(panel, first, deep);
                let width = COLS.min(cols - panel * COLS);
                for group in top..(top + TALL / ROWS).min(rows.groups()) {
                    let sums = tile(rows.piece(group, first, deep), columns);
                    let height = ROWS.min(rows.count - group * ROWS);
                    for (r, sums) in sums.iter().take(height).enumerate() {
                        let to = &mut out[(group * ROWS + r) * stride + panel * COLS..][..width];
                        to.iter_mut().zip(sums).for_each(|(v, sum)| *v += sum);
                    }
                }
            }
        }
    }
}

/// The sums of four rows and eight columns over some blocks.
#[inline(always)]
fn tile(
    (rows, scales): (&[[i32; ROWS]], &[[f32; ROWS]]),
    (columns, factors): (&[[i32; COLS]], &[[f32; COLS]]),
) -> [[f32; COLS]; ROWS] {
    let mut sums = [[f32x4::splat(0.0); 2]; ROWS];
    let rows = rows.as_chunks::<PAIRS>().0.iter().zip(scales);
    let columns = columns.as_chunks::<PAIRS>().0.iter().zip(factors);
    for ((rows, scales), (columns, factors)) in rows.zip(columns) {
        let mut block = [[i32x4::splat(0); 2]; ROWS];
        for (four, eight) in rows.iter().zip(columns) {
            let [left, right]: [i16x8; 2] = cast(*eight);
            for (block, &row) in block.iter_mut().zip(four) {
                let row: i16x8 = cast(i32x4::splat(row));
                block[0] += left.dot(row);
                block[1] += right.dot(row);
            }
        }
        let factors: [f32x4; 2] = cast(*factors);
        for ((sums, block), &scale) in sums.iter_mut().zip(block).zip(scales) {
            let scale = f32x4::splat(scale);
            sums[0] += block[0].round_float() * (factors[0] * scale);
            sums[1] += block[1].round_float() * (factors[1] * scale);
        }
    }
    sums.map(cast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overflows() {
        for limits in [Limits::FLOATS, Limits::STORED] {
            // The worst case: all of both sides at their largest.
            let ones = [1.0; 3 * BLOCK];
            let rows = Rows::new(&ones, 1, ones.len(), ones.len(), limits);
            let panels = Panels::new(limits, 1, ones.len(), |_, _| {
                quantize(&[1.0; BLOCK], limits.columns)
            });
            let mut out = [0.0];
            add_product(&rows, &panels, 1, &mut out, 1);
            let sum = ones.len() as f32;
            assert!((out[0] - sum).abs() < 1e-3, "{limits:?}: {out:?}");
        }
    }
}
