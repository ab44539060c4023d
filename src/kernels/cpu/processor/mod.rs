//! What a processor multiplies faster than plain SIMD does: products in bytes, four depths of a row times those of eight columns
//! at a time, and products in floats, with one instruction for a multiplication and the addition after it.
//!
//! In a browser that is relaxed SIMD. Its dot products take the right side's bytes as one processor or another finds it easy:
//! with a sign, without one, or without one and in sums of two that stop at 16 bits. Which it is is tried once; columns are
//! stored to suit, so that no sum loses anything, and 8-bit weights stay in 16 bits where they would. Outside of one it is AVX:
//! without a sign if the processor has dot products of bytes (VNNI), else in such sums of two.

#[cfg(target_arch = "x86_64")]
mod avx;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
mod plain;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
use native as own;
#[cfg(target_arch = "wasm32")]
use web as own;

use std::array::from_fn;
use std::sync::atomic::{AtomicU8, Ordering};

use super::integer::{Format, Piece, ROWS, quantize};
use super::stored::Stored;
use super::{COLS, float};
use crate::quant::{BLOCK, QuantKind};

/// Words of a block of a row or column, four bytes each.
pub(super) const FOURS: usize = BLOCK / 4;

/// What quantized weights are multiplied in on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integers {
    /// 16 bits, by plain SIMD, and so are floats.
    Words,
    /// Bytes, summed in 32 bits.
    Bytes,
    /// Bytes, summed in 16 bits, for 4-bit weights.
    Nibbles,
}

const CHOICES: [Integers; 3] = [Integers::Words, Integers::Bytes, Integers::Nibbles];

/// The number of one of [`CHOICES`], else what suits the processor.
static CHOICE: AtomicU8 = AtomicU8::new(u8::MAX);

/// Multiplies in these from now on, in 16 bits where the processor cannot; or in what suits it best.
pub fn multiply_in(integers: Option<Integers>) {
    let number = integers.and_then(|one| CHOICES.iter().position(|&other| other == one));
    CHOICE.store(
        number.map_or(u8::MAX, |number| number as u8),
        Ordering::Relaxed,
    );
}

/// How the right side's bytes are taken.
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "what a page's processor may be like")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Signed,
    Unsigned,
    /// Without a sign, sums of two products at most 2^15 - 1.
    Saturating,
}

fn choice(right: Right) -> Integers {
    let chosen = CHOICES.get(usize::from(CHOICE.load(Ordering::Relaxed)));
    chosen.copied().unwrap_or(match right {
        _ if !own::fast() => Integers::Words,
        Right::Saturating => Integers::Nibbles,
        Right::Signed | Right::Unsigned => Integers::Bytes,
    })
}

/// Whether products with such weights are made in bytes.
pub fn in_bytes(kind: QuantKind) -> bool {
    offset(kind).is_some()
}

/// What is added to the integers of such weights to make the bytes of columns, or `None` where they stay in 16 bits.
pub(super) fn offset(kind: QuantKind) -> Option<i32> {
    let right = own::right()?;
    match (choice(right), kind, right) {
        (Integers::Words, ..) => None,
        (_, QuantKind::Q4, _) => Some(8),
        (Integers::Bytes, _, Right::Signed) => Some(0),
        (Integers::Bytes, _, Right::Unsigned) => Some(128),
        _ => None,
    }
}

/// The bits of 1.5 * 2^23: an integer below 2^22 added to them is, as a float, that integer more.
pub(super) const BIAS: i32 = 0x4b40_0000;

/// Whether there is anything that may be used here and is faster than plain SIMD.
fn beyond_plain() -> bool {
    own::right().is_some_and(|right| choice(right) != Integers::Words)
}

/// Adds the products of some groups of rows with eight columns to `out`, a line for each row, where this is faster so. Each
/// block's sums begin at its `shifts`, [`BIAS`] included.
pub(super) fn add(
    format: Format,
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) -> bool {
    let able = beyond_plain();
    if able {
        let (blocks, groups) = (columns.scales.len(), out.len() / ROWS);
        // The module reads and writes without looking.
        assert!(
            blocks > 0
                && rows.words.len() == groups * blocks * format.words()
                && rows.scales.len() == groups * blocks
                && shifts.len() == groups * blocks
                && columns.words.len() == blocks * format.words(),
            "{format:?}: {groups} groups of {blocks} blocks"
        );
        own::add(format, rows, shifts, columns, out);
    }
    able
}

/// Runs `work` with the widest vectors that there are, which its loops are compiled for where they are inlined.
pub(in crate::kernels) fn widest<T>(work: impl FnOnce() -> T) -> T {
    own::widest(work)
}

/// `rows . columns` over their depth, where this is faster so, to a line of `out` for each row.
pub(super) fn floats(
    rows: &[[f32; float::ROWS]],
    columns: &[[f32; COLS]],
    out: &mut [[f32; COLS]],
) -> bool {
    let able = beyond_plain();
    if able {
        let groups = rows.len() / columns.len();
        assert!(
            rows.len() == groups * columns.len() && out.len() >= groups * float::ROWS,
            "floats: {groups} groups of {}",
            columns.len()
        );
        own::floats(rows, columns, &mut out[..groups * float::ROWS]);
    }
    able
}

/// Heads of attention that share keys and values.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Heads {
    pub(in crate::kernels) heads: usize,
    pub(in crate::kernels) depth: usize,
    /// Keys or values.
    pub(in crate::kernels) count: usize,
    /// From one head's scores to the next one's.
    pub(in crate::kernels) stride: usize,
}

impl Heads {
    /// Whether the loops, which look at nothing, stay within `scores`, `cells` (keys or values) and `rows` (a head's each).
    fn fit(self, scores: &[f32], cells: &[f32], rows: &[f32]) -> bool {
        self.heads > 0
            && rows.len() == self.heads * self.depth
            && cells.len() >= self.count * self.depth
            && scores.len() >= (self.heads - 1) * self.stride + self.count
    }

    /// As the loops take them: depth by fours, heads, count and stride.
    #[cfg(target_arch = "wasm32")]
    fn numbers(self) -> (usize, usize, usize, usize) {
        (self.depth / 4, self.heads, self.count, self.stride)
    }
}

/// How many of the keys or values the loops for heads take: fours of them, where they are faster than plain SIMD.
fn taken(shape: Heads) -> usize {
    match beyond_plain() && shape.depth.is_multiple_of(8) {
        true => shape.count / 4 * 4,
        false => 0,
    }
}

/// The products of `queries` [heads, depth] with as many of the `keys` [count, depth] as are faster so; how many that is.
pub(super) fn scores(shape: Heads, queries: &[f32], keys: &[f32], out: &mut [f32]) -> usize {
    let count = taken(shape);
    let shape = Heads { count, ..shape };
    assert!(shape.fit(out, keys, queries), "scores of {count} keys");
    if count > 0 {
        own::scores(shape, queries, keys, out);
    }
    count
}

/// Adds to `out` [heads, depth] as many of the `values` [count, depth], times their weights, as are faster so; how many that is.
pub(super) fn weigh(shape: Heads, weights: &[f32], values: &[f32], out: &mut [f32]) -> usize {
    let count = taken(shape);
    let shape = Heads { count, ..shape };
    assert!(shape.fit(weights, values, out), "weights of {count} values");
    if count > 0 {
        own::weigh(shape, weights, values, out);
    }
    count
}

/// A single row in bytes.
pub(super) struct Row {
    /// In the order in which 32 weights are unpacked: those of 4 bits first the even ones, then the odd ones.
    integers: Vec<[i8; BLOCK]>,
    scales: Vec<f32>,
    /// For each block less what `offset` adds to its sum.
    shifts: Vec<i32>,
    offset: i32,
}

impl Row {
    /// Of a row to be multiplied with weights of this kind, whose bytes are off by `offset`.
    pub(super) fn new(values: &[f32], kind: QuantKind, offset: i32) -> Self {
        let mut row = Self {
            integers: Vec::new(),
            scales: Vec::new(),
            shifts: Vec::new(),
            offset,
        };
        for block in values.as_chunks::<BLOCK>().0 {
            let (integers, scale) = quantize(block, 127.0);
            row.integers
                .push(from_fn(|i| integers[kind.unpacked(i)] as i8));
            row.scales.push(scale);
            row.shifts.push(-offset * integers.iter().sum::<i32>());
        }
        row
    }

    /// Products with each column.
    pub(super) fn dots(&self, weights: Stored<'_>, out: &mut [f32]) {
        let (blocks, words) = (self.scales.len(), weights.kind.elements_per_word());
        // The module reads and writes without looking.
        assert!(
            weights.scales.len() == out.len() * blocks
                && weights.words.len() == out.len() * blocks * BLOCK / words,
            "{} columns of {blocks} blocks",
            out.len()
        );
        own::dots(self, weights, out);
    }
}

/// Products of a row, as 16-bit integers and their scales, with 8-bit weights, where this is faster so.
pub(super) fn dots_of_words(
    row: &[[i16; BLOCK]],
    scales: &[f32],
    weights: Stored<'_>,
    out: &mut [f32],
) -> bool {
    beyond_plain() && own::dots_of_words(row, scales, weights, out)
}
