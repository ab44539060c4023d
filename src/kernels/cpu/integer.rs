//! Matrix products on the CPU, in integers of 16 bits, or of 8 where the processor multiplies those faster.
//!
//! Both sides are cut into blocks of 32 along the depth. A block is one f32 scale and 32 integers; products of two blocks
//! are summed in 32 bits, which their [`Format`] keeps from overflowing, and the blocks' sums are added up as floats. In 16
//! bits little more is lost than by summing in f32, at the speed of plain SIMD's 8-bit product: it multiplies eight pairs at a
//! time.
//!
//! The blocking is Goto and van de Geijn's (2008): a piece of the left side stays in the second-level cache, a panel of
//! eight columns of the right in the first, a tile of 4 x 8 sums in registers.

use std::ops::Range;

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4};

use super::relaxed;
use crate::quant::BLOCK;

/// Rows and columns of the tile of sums that is held in registers.
pub(super) const ROWS: usize = 4;
pub(super) const COLS: usize = 8;
const PAIRS: usize = BLOCK / 2;
/// Blocks and rows of the piece of the left side that is worked on.
const DEEP: usize = 16;
const TALL: usize = 256;

/// The integers of both sides: the largest of them, 32 * rows * columns < 2^31, and how many share a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::kernels) struct Format {
    pub(in crate::kernels) rows: f32,
    pub(in crate::kernels) columns: f32,
    /// What is added to the columns' integers where four share a word as bytes; else it is two.
    offset: Option<i32>,
}

impl Format {
    /// Where both sides are floats.
    pub(in crate::kernels) const FLOATS: Self = Self {
        rows: 8191.0,
        columns: 8191.0,
        offset: None,
    };
    /// Where the columns are quantized weights, whose own integers are kept.
    pub(in crate::kernels) const STORED: Self = Self {
        rows: 32767.0,
        columns: 127.0,
        offset: None,
    };

    /// Where the columns are quantized weights and everything is in bytes.
    pub(in crate::kernels) fn bytes(offset: i32) -> Self {
        Self {
            rows: 127.0,
            columns: 127.0,
            offset: Some(offset),
        }
    }

    fn words(self) -> usize {
        match self.offset {
            None => PAIRS,
            Some(_) => relaxed::FOURS,
        }
    }
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
    format: Format,
    count: usize,
    blocks: usize,
    /// For every piece of the depth, group, block, two or four depths: a word of each of `N`.
    words: Vec<[i32; N]>,
    scales: Vec<[f32; N]>,
}

impl<const N: usize> Side<N> {
    /// `block(line, number)` gives the integers of a block, 0 beyond the end, and their scale; `offset` is added to bytes.
    fn new(
        format: Format,
        offset: i32,
        count: usize,
        depth: usize,
        mut block: impl FnMut(usize, usize) -> ([i32; BLOCK], f32),
    ) -> Self {
        let (blocks, groups) = (depth.div_ceil(BLOCK), count.div_ceil(N));
        let mut words = vec![[0; N]; groups * blocks * format.words()];
        let mut scales = vec![[0.0; N]; groups * blocks];
        for (line, number) in
            (0..count).flat_map(|line| (0..blocks).map(move |number| (line, number)))
        {
            let at = place(blocks, groups, line / N, number);
            let (integers, scale) = block(line, number);
            scales[at][line % N] = scale;
            let to = words[at * format.words()..].iter_mut();
            match format.offset {
                None => to.zip(integers.as_chunks::<2>().0).for_each(|(to, two)| {
                    to[line % N] = two[0] & 0xffff | two[1] << 16;
                }),
                Some(_) => to.zip(integers.as_chunks::<4>().0).for_each(|(to, four)| {
                    to[line % N] = i32::from_le_bytes(four.map(|q| (q + offset) as u8));
                }),
            }
        }
        Self {
            format,
            count,
            blocks,
            words,
            scales,
        }
    }

    fn groups(&self) -> usize {
        self.count.div_ceil(N)
    }

    /// `deep` blocks from `first` on of some groups: their words and scales.
    fn piece(&self, groups: Range<usize>, first: usize, deep: usize) -> Piece<'_, N> {
        let at = place(self.blocks, self.groups(), groups.start, first);
        let (count, words) = (groups.len() * deep, self.format.words());
        Piece {
            words: &self.words[at * words..][..count * words],
            scales: &self.scales[at..][..count],
        }
    }
}

/// Some blocks of some groups, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a, const N: usize> {
    pub(super) words: &'a [[i32; N]],
    pub(super) scales: &'a [[f32; N]],
}

/// The left side of products.
pub(in crate::kernels) struct Rows {
    side: Side<ROWS>,
    /// For every block, where there are bytes: where its sums begin, less what the columns' offset adds to them.
    shifts: Vec<[i32; ROWS]>,
}

impl Rows {
    /// `rows` rows of `depth` values, `stride` apart.
    pub(in crate::kernels) fn new(
        values: &[f32],
        rows: usize,
        depth: usize,
        stride: usize,
        format: Format,
    ) -> Self {
        let (blocks, groups) = (depth.div_ceil(BLOCK), rows.div_ceil(ROWS));
        let mut shifts = vec![[0; ROWS]; format.offset.map_or(0, |_| groups * blocks)];
        let side = Side::new(format, 0, rows, depth, |row, number| {
            let first = number * BLOCK;
            let from = &values[row * stride..][first..(first + BLOCK).min(depth)];
            let (integers, scale) = match from.as_array() {
                Some(block) => quantize(block, format.rows),
                None => {
                    let mut block = [0.0; BLOCK];
                    block[..from.len()].copy_from_slice(from);
                    quantize(&block, format.rows)
                }
            };
            if let Some(offset) = format.offset {
                let sum: i32 = integers.iter().sum();
                shifts[place(blocks, groups, row / ROWS, number)][row % ROWS] =
                    relaxed::BIAS - offset * sum;
            }
            (integers, scale)
        });
        Self { side, shifts }
    }

    /// Multiplies row r with `factors[r]`.
    pub(in crate::kernels) fn scale(&mut self, factors: &[f32]) {
        let (blocks, groups) = (self.side.blocks, self.side.groups());
        for (row, factor) in factors.iter().enumerate() {
            for block in 0..blocks {
                self.side.scales[place(blocks, groups, row / ROWS, block)][row % ROWS] *= factor;
            }
        }
    }

    fn shifts(&self, groups: Range<usize>, first: usize, deep: usize) -> &[[i32; ROWS]] {
        let at = place(self.side.blocks, self.side.groups(), groups.start, first);
        &self.shifts[at..][..groups.len() * deep]
    }
}

/// The right side of products.
pub(in crate::kernels) struct Panels(Side<COLS>);

impl Panels {
    /// `block(column, number)` gives the integers of a block and their scale.
    pub(in crate::kernels) fn new(
        format: Format,
        cols: usize,
        depth: usize,
        block: impl Fn(usize, usize) -> ([i32; BLOCK], f32),
    ) -> Self {
        let offset = format.offset.unwrap_or(0);
        Self(Side::new(format, offset, cols, depth, block))
    }

    /// Of floats: element d of column c is `values[c * stride + d * step]`.
    pub(in crate::kernels) fn floats(
        values: &[f32],
        cols: usize,
        depth: usize,
        stride: usize,
        step: usize,
    ) -> Self {
        Self::new(Format::FLOATS, cols, depth, |col, number| {
            let first = number * BLOCK;
            let mut block = [0.0; BLOCK];
            let from = values[col * stride + first * step..].iter().step_by(step);
            let pairs = block.iter_mut().zip(from).take(depth - first);
            pairs.for_each(|(to, from)| *to = *from);
            quantize(&block, Format::FLOATS.columns)
        })
    }
}

/// `rows . panels` is added to `out` [rows, cols], its rows `stride` apart: the first `cols` columns, over the depth of the
/// shallower side.
pub(in crate::kernels) fn add_product(
    rows: &Rows,
    Panels(panels): &Panels,
    cols: usize,
    out: &mut [f32],
    stride: usize,
) {
    let (side, format) = (&rows.side, panels.format);
    assert_eq!(
        side.format, format,
        "the sides of a product share their format"
    );
    let blocks = side.blocks.min(panels.blocks);
    for first in (0..blocks).step_by(DEEP) {
        let deep = DEEP.min(blocks - first);
        for top in (0..side.groups()).step_by(TALL / ROWS) {
            let end = (top + TALL / ROWS).min(side.groups());
            for panel in 0..cols.div_ceil(COLS) {
                let columns = panels.piece(panel..panel + 1, first, deep);
                let width = COLS.min(cols - panel * COLS);
                let bytes = |groups: Range<usize>, out: &mut [f32], stride| {
                    let shifts = rows.shifts(groups.clone(), first, deep);
                    relaxed::add(
                        side.piece(groups, first, deep),
                        shifts,
                        columns,
                        out,
                        stride,
                    );
                };
                let mut next = top;
                if format.offset.is_some() && width == COLS {
                    next = end.min(side.count / ROWS);
                    let out = &mut out[top * ROWS * stride + panel * COLS..];
                    bytes(top..next, out, stride);
                }
                for group in next..end {
                    let mut sums = [[0.0; COLS]; ROWS];
                    match format.offset {
                        None => sums = tile(side.piece(group..group + 1, first, deep), columns),
                        Some(_) => bytes(group..group + 1, sums.as_flattened_mut(), COLS),
                    }
                    let height = ROWS.min(side.count - group * ROWS);
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
fn tile(rows: Piece<'_, ROWS>, columns: Piece<'_, COLS>) -> [[f32; COLS]; ROWS] {
    let mut sums = [[f32x4::splat(0.0); 2]; ROWS];
    let rows = rows.words.as_chunks::<PAIRS>().0.iter().zip(rows.scales);
    let columns = columns
        .words
        .as_chunks::<PAIRS>()
        .0
        .iter()
        .zip(columns.scales);
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
        for format in [
            Format::FLOATS,
            Format::STORED,
            Format::bytes(0),
            Format::bytes(128),
        ] {
            // The worst case: all of both sides at their largest.
            let ones = [1.0; 3 * BLOCK];
            let rows = Rows::new(&ones, 1, ones.len(), ones.len(), format);
            let panels = Panels::new(format, 1, ones.len(), |_, _| {
                quantize(&[1.0; BLOCK], format.columns)
            });
            let mut out = [0.0];
            add_product(&rows, &panels, 1, &mut out, 1);
            let sum = ones.len() as f32;
            assert!((out[0] - sum).abs() < 1e-3, "{format:?}: {out:?}");
        }
    }
}
