//! Matrix products on the CPU, in 16-bit integers.
//!
//! Both sides are cut into blocks of 32 along the depth. A block is one f32 scale and 32 integers, products of two blocks
//! are summed in 32 bits without overflow, and the blocks' sums are added up as floats. Quantized weights keep their own
//! integers, which are small, so that the other side has 16 bits; two dense sides have 13 and a half each. Either way
//! little more is lost than by summing in f32, at the speed of an 8-bit product: SIMD multiplies eight pairs at a time.
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

/// The largest integer of a side.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Limit(f32);

impl Limit {
    /// Against quantized weights: 32 products of i16 and i8 fit 32 bits.
    pub(in crate::kernels) const BESIDE_BYTES: Self = Self(32767.0);
    /// Where both sides are dense.
    pub(in crate::kernels) const DENSE: Self = Self(8191.0);
}

/// The integers of a block and their scale. The values must be finite.
#[inline]
pub(in crate::kernels) fn quantize(values: &[f32; BLOCK], limit: Limit) -> ([i32; BLOCK], f32) {
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
    let (inverse, round) = (f32x4::splat(limit.0 / top), f32x4::splat(ROUND));
    let integers =
        values.map(|four| cast::<_, i32x4>(four * inverse + round) - cast::<_, i32x4>(round));
    (cast(integers), top / limit.0)
}

fn pair(low: i32, high: i32) -> i32 {
    low & 0xffff | high << 16
}

/// The left side of products: rows of floats as integers, four rows together.
pub(in crate::kernels) struct Rows {
    rows: usize,
    blocks: usize,
    /// For every [`DEEP`] blocks, four rows, block, pair of depths: four pairs.
    pairs: Vec<i32>,
    scales: Vec<f32>,
}

impl Rows {
    /// `rows` rows of `depth` values, `stride` apart.
    pub(in crate::kernels) fn new(
        values: &[f32],
        rows: usize,
        depth: usize,
        stride: usize,
        limit: Limit,
    ) -> Self {
        let blocks = depth.div_ceil(BLOCK);
        let groups = rows.div_ceil(ROWS);
        let mut pairs = vec![0; groups * blocks * PAIRS * ROWS];
        let mut scales = vec![0.0; groups * blocks * ROWS];
        for row in 0..rows {
            let from = &values[row * stride..][..depth];
            let (full, rest) = from.as_chunks::<BLOCK>();
            let mut tail = [0.0; BLOCK];
            tail[..rest.len()].copy_from_slice(rest);
            for (block, values) in full
                .iter()
                .chain((!rest.is_empty()).then_some(&tail))
                .enumerate()
            {
                let at = place(blocks, groups, row / ROWS, block);
                let (integers, scale) = quantize(values, limit);
                scales[at * ROWS + row % ROWS] = scale;
                let to = &mut pairs[at * PAIRS * ROWS..][..PAIRS * ROWS];
                for (four, two) in to
                    .as_chunks_mut::<ROWS>()
                    .0
                    .iter_mut()
                    .zip(integers.as_chunks::<2>().0)
                {
                    four[row % ROWS] = pair(two[0], two[1]);
                }
            }
        }
        Self {
            rows,
            blocks,
            pairs,
            scales,
        }
    }
}

impl Rows {
    /// Multiplies row r with `factors[r]`.
    pub(in crate::kernels) fn scale(&mut self, factors: &[f32]) {
        let groups = self.rows.div_ceil(ROWS);
        for (row, factor) in factors.iter().enumerate() {
            for block in 0..self.blocks {
                self.scales[place(self.blocks, groups, row / ROWS, block) * ROWS + row % ROWS] *=
                    factor;
            }
        }
    }
}

/// Where a block of a group (of rows or columns) lies: all groups' first [`DEEP`] blocks, then their next.
fn place(blocks: usize, groups: usize, group: usize, block: usize) -> usize {
    let first = block / DEEP * DEEP;
    let deep = DEEP.min(blocks - first);
    groups * first + group * deep + block - first
}

/// The right side of products: columns, eight together.
pub(in crate::kernels) struct Panels {
    cols: usize,
    blocks: usize,
    /// For every [`DEEP`] blocks, eight columns, block, pair of depths: eight pairs.
    pairs: Vec<i32>,
    scales: Vec<f32>,
}

impl Panels {
    /// `block(column, number)` gives the integers of a block, 0 beyond the end, and their scale.
    pub(in crate::kernels) fn new(
        cols: usize,
        depth: usize,
        block: impl Fn(usize, usize) -> ([i32; BLOCK], f32),
    ) -> Self {
        let blocks = depth.div_ceil(BLOCK);
        let groups = cols.div_ceil(COLS);
        let mut pairs = vec![0; groups * blocks * PAIRS * COLS];
        let mut scales = vec![0.0; groups * blocks * COLS];
        for (col, number) in (0..cols).flat_map(|col| (0..blocks).map(move |number| (col, number)))
        {
            let at = place(blocks, groups, col / COLS, number);
            let (integers, scale) = block(col, number);
            scales[at * COLS + col % COLS] = scale;
            let to = &mut pairs[at * PAIRS * COLS..][..PAIRS * COLS];
            for (eight, two) in to
                .as_chunks_mut::<COLS>()
                .0
                .iter_mut()
                .zip(integers.as_chunks::<2>().0)
            {
                eight[col % COLS] = pair(two[0], two[1]);
            }
        }
        Self {
            cols,
            blocks,
            pairs,
            scales,
        }
    }

    /// Of dense columns: element d of column c is `values[c * stride + d * step]`.
    pub(in crate::kernels) fn dense(
        values: &[f32],
        cols: usize,
        depth: usize,
        stride: usize,
        step: usize,
    ) -> Self {
        Self::new(cols, depth, |col, number| {
            let first = number * BLOCK;
            let mut block = [0.0; BLOCK];
            let from = values[col * stride + first * step..].iter().step_by(step);
            block
                .iter_mut()
                .zip(from)
                .take(depth - first)
                .for_each(|(v, from)| *v = *from);
            quantize(&block, Limit::DENSE)
        })
    }
}

/// `rows . panels` is added to `out` [rows, cols], its rows `stride` apart: the first `cols` columns, over the depth of the
/// shallower side.
pub(in crate::kernels) fn add_product(
    rows: &Rows,
    panels: &Panels,
    cols: usize,
    out: &mut [f32],
    stride: usize,
) {
    let (groups, widths) = (rows.rows.div_ceil(ROWS), panels.cols.div_ceil(COLS));
    let blocks = rows.blocks.min(panels.blocks);
    for first in (0..blocks).step_by(DEEP) {
        let deep = DEEP.min(blocks - first);
        for top in (0..groups).step_by(TALL / ROWS) {
            for panel in 0..cols.div_ceil(COLS) {
                let at = place(panels.blocks, widths, panel, first);
                let columns = &panels.pairs[at * PAIRS * COLS..][..deep * PAIRS * COLS];
                let factors = &panels.scales[at * COLS..][..deep * COLS];
                let width = COLS.min(cols - panel * COLS);
                for group in top..(top + TALL / ROWS).min(groups) {
                    let at = place(rows.blocks, groups, group, first);
                    let four = &rows.pairs[at * PAIRS * ROWS..][..deep * PAIRS * ROWS];
                    let sums = tile(
                        four,
                        &rows.scales[at * ROWS..][..deep * ROWS],
                        columns,
                        factors,
                    );
                    let height = ROWS.min(rows.rows - group * ROWS);
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
fn tile(rows: &[i32], scales: &[f32], columns: &[i32], factors: &[f32]) -> [[f32; COLS]; ROWS] {
    let mut sums = [[f32x4::splat(0.0); 2]; ROWS];
    let rows = rows
        .as_chunks::<{ PAIRS * ROWS }>()
        .0
        .iter()
        .zip(scales.as_chunks::<ROWS>().0);
    let columns = columns
        .as_chunks::<{ PAIRS * COLS }>()
        .0
        .iter()
        .zip(factors.as_chunks::<COLS>().0);
    for ((rows, scales), (columns, factors)) in rows.zip(columns) {
        let mut block = [[i32x4::splat(0); 2]; ROWS];
        let columns = columns.as_chunks::<COLS>().0;
        for (four, eight) in rows.as_chunks::<ROWS>().0.iter().zip(columns) {
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
