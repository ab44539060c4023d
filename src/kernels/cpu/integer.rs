//! Matrix products on the CPU, in integers of 16 bits, or of 8 where the processor multiplies those faster.
//!
//! Both sides are cut into blocks of 32 along the depth. A block is one f32 scale and 32 integers; products of two blocks
//! are summed in 32 bits, which their [`Format`] keeps from overflowing, and the blocks' sums are added up as floats. In 16
//! bits little more is lost than by summing in f32, at the speed of plain SIMD's 8-bit product: it multiplies eight pairs at a
//! time.
//!
//! The blocking is Goto and van de Geijn's (2008): a piece of the left side stays in the second-level cache, a panel of
//! eight columns of the right in the first, a tile of 6 x 8 sums in registers.

use std::array::from_fn;
use std::ops::Range;

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4};

use super::{COLS, processor, put};
use crate::quant::BLOCK;

pub(super) const PAIRS: usize = BLOCK / 2;
/// Rows of a tile, where products are added to their sums at once: twelve sums of four columns each leave three registers of those
/// that V8 gives.
pub(super) const ROWS: usize = 6;
/// Blocks, and groups of rows, of the piece of the left side that is worked on.
const DEEP: usize = 16;
const TALL: usize = 43;
/// Groups of columns whose sums are written together.
const WIDE: usize = 8;

/// The integers of both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Format {
    /// Two share a word: rows of at most 2^15 - 1, columns of 8 bits.
    Words,
    /// Four share a word; to those of columns an offset has been added.
    Bytes { offset: i32 },
}

impl Format {
    /// The largest integer of a row: 32 products with a column's stay below 2^31.
    fn largest(self) -> f32 {
        match self {
            Self::Words => 32767.0,
            Self::Bytes { .. } => 127.0,
        }
    }

    /// Words of a block.
    pub(super) fn words(self) -> usize {
        match self {
            Self::Words => PAIRS,
            Self::Bytes { .. } => processor::FOURS,
        }
    }

    /// The words of a block, zeros behind them.
    pub(super) fn pack(self, integers: &[i32; BLOCK]) -> [i32; PAIRS] {
        match self {
            Self::Words => cast(integers.map(|integer| integer as i16)),
            Self::Bytes { .. } => {
                let mut words = [0; PAIRS];
                let fours = words.iter_mut().zip(integers.as_chunks::<4>().0);
                fours.for_each(|(to, [a, b, c, d])| {
                    *to = a & 255 | (b & 255) << 8 | (c & 255) << 16 | d << 24;
                });
                words
            }
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
pub(super) fn quantize(values: &[f32; BLOCK], largest: f32) -> ([i32; BLOCK], f32) {
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
    /// `block(line, number)` gives the words of a block and its scale.
    fn new(
        format: Format,
        count: usize,
        blocks: usize,
        mut block: impl FnMut(usize, usize) -> ([i32; PAIRS], f32),
    ) -> Self {
        let groups = count.div_ceil(N);
        let mut words = vec![[0; N]; groups * blocks * format.words()];
        let mut scales = vec![[0.0; N]; groups * blocks];
        for (group, number) in
            (0..groups).flat_map(|group| (0..blocks).map(move |number| (group, number)))
        {
            let at = place(blocks, groups, group, number);
            let mut all = [[0; PAIRS]; N];
            let lines = group * N..count.min((group + 1) * N);
            for ((line, words), scale) in lines.zip(&mut all).zip(&mut scales[at]) {
                (*words, *scale) = block(line, number);
            }
            let to = &mut words[at * format.words()..][..format.words()];
            for (i, to) in to.iter_mut().enumerate() {
                *to = from_fn(|line| all[line][i]);
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
pub(super) struct Rows {
    side: Side<ROWS>,
    /// For every block: where its sums begin, less what the columns' offset adds to them.
    shifts: Vec<[i32; ROWS]>,
}

impl Rows {
    /// Rows of `depth` values, which are whole blocks.
    pub(super) fn new(values: &[f32], depth: usize, format: Format) -> Self {
        let (blocks, rows) = (depth / BLOCK, values.len() / depth);
        let values = values.as_chunks::<BLOCK>().0;
        let groups = rows.div_ceil(ROWS);
        let mut shifts = vec![[processor::BIAS; ROWS]; groups * blocks];
        let side = Side::new(format, rows, blocks, |row, number| {
            let (integers, scale) = quantize(&values[row * blocks + number], format.largest());
            if let Format::Bytes { offset } = format {
                let sum: i32 = integers.iter().sum();
                shifts[place(blocks, groups, row / ROWS, number)][row % ROWS] -= offset * sum;
            }
            (format.pack(&integers), scale)
        });
        Self { side, shifts }
    }

    fn shifts(&self, groups: Range<usize>, first: usize, deep: usize) -> &[[i32; ROWS]] {
        let at = place(self.side.blocks, self.side.groups(), groups.start, first);
        &self.shifts[at..at + groups.len() * deep]
    }
}

/// The right side of products.
pub(super) struct Panels(Side<COLS>);

impl Panels {
    /// `block(column, number)` gives the words of a block and its scale.
    pub(super) fn new(
        format: Format,
        cols: usize,
        blocks: usize,
        block: impl Fn(usize, usize) -> ([i32; PAIRS], f32),
    ) -> Self {
        Self(Side::new(format, cols, blocks, block))
    }
}

/// `rows . panels` to `out` [rows, columns], its rows `stride` apart.
pub(super) fn multiply(rows: &Rows, Panels(panels): &Panels, out: &mut [f32], stride: usize) {
    let (side, format) = (&rows.side, panels.format);
    assert_eq!(
        (side.format, side.blocks),
        (format, panels.blocks),
        "the sides of a product share their format and depth"
    );
    // Rows of `out` stand far apart, often by a power of two, of which a cache holds few: each gets many columns at a time.
    let mut sums = vec![[0.0; COLS]; WIDE * TALL * ROWS];
    for top in (0..side.groups()).step_by(TALL) {
        let groups = top..(top + TALL).min(side.groups());
        let height = groups.len() * ROWS;
        for left in (0..panels.groups()).step_by(WIDE) {
            sums.fill([0.0; COLS]);
            for (panel, sums) in (left..panels.groups())
                .zip(sums.chunks_exact_mut(height))
                .take(WIDE)
            {
                for first in (0..side.blocks).step_by(DEEP) {
                    let deep = DEEP.min(side.blocks - first);
                    let columns = panels.piece(panel..panel + 1, first, deep);
                    let shifts = rows.shifts(groups.clone(), first, deep);
                    let rows = side.piece(groups.clone(), first, deep);
                    if processor::add(format, rows, shifts, columns, sums) {
                        continue;
                    }
                    let sums = sums.as_chunks_mut::<ROWS>().0;
                    for (group, sums) in groups.clone().zip(sums) {
                        add(side.piece(group..group + 1, first, deep), columns, sums);
                    }
                }
            }
            let columns = left * COLS..panels.count.min((left + WIDE) * COLS);
            for row in 0..height.min(side.count - top * ROWS) {
                let to = &mut out[(top * ROWS + row) * stride..][columns.clone()];
                let parts = to.chunks_mut(COLS).zip(sums.chunks_exact(height));
                parts.for_each(|(to, sums)| put(&sums[row], to));
            }
        }
    }
}

/// Adds the products of a group of rows with eight columns over some blocks, so few rows at a time that all sums and what they
/// are made of stay in registers.
#[inline(always)]
fn add(rows: Piece<'_, ROWS>, columns: Piece<'_, COLS>, sums: &mut [[f32; COLS]; ROWS]) {
    const FEW: usize = 3;
    let rows = rows.words.as_chunks::<PAIRS>().0.iter().zip(rows.scales);
    let columns = columns
        .words
        .as_chunks::<PAIRS>()
        .0
        .iter()
        .zip(columns.scales);
    for ((rows, scales), (columns, factors)) in rows.zip(columns) {
        let factors: [f32x4; 2] = cast(*factors);
        let parts = sums.as_chunks_mut::<FEW>().0.iter_mut();
        for (part, (sums, scales)) in parts.zip(scales.as_chunks::<FEW>().0).enumerate() {
            let mut block = [[i32x4::splat(0); 2]; FEW];
            for (group, eight) in rows.iter().zip(columns) {
                let [left, right]: [i16x8; 2] = cast(*eight);
                for (block, &row) in block.iter_mut().zip(&group[part * FEW..]) {
                    let row: i16x8 = cast(i32x4::splat(row));
                    block[0] += left.dot(row);
                    block[1] += right.dot(row);
                }
            }
            for ((sums, block), &scale) in sums.iter_mut().zip(block).zip(scales) {
                let (mut both, scale): ([f32x4; 2], _) = (cast(*sums), f32x4::splat(scale));
                both[0] += block[0].round_float() * (factors[0] * scale);
                both[1] += block[1].round_float() * (factors[1] * scale);
                *sums = cast(both);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::QuantKind;

    #[test]
    fn nothing_overflows() {
        let bytes = |kind| processor::offset(kind).map(|offset| Format::Bytes { offset });
        for (format, largest) in [
            (Some(Format::Words), 127.0),
            (bytes(QuantKind::Q8), 127.0),
            (bytes(QuantKind::Q4), 7.0),
        ] {
            let Some(format) = format else { continue };
            let offset = match format {
                Format::Words => 0,
                Format::Bytes { offset } => offset,
            };
            // The worst case: all of both sides at their largest.
            let ones = [1.0; 3 * BLOCK];
            let rows = Rows::new(&ones, ones.len(), format);
            let panels = Panels::new(format, 1, 3, |_, _| {
                let (integers, scale) = quantize(&[1.0; BLOCK], largest);
                (format.pack(&integers.map(|q| q + offset)), scale)
            });
            let mut out = [0.0];
            multiply(&rows, &panels, &mut out, 1);
            let sum = ones.len() as f32;
            assert!((out[0] - sum).abs() < 1e-3, "{format:?}: {out:?}");
        }
    }
}
