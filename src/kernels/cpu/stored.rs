//! Products with weights as they are stored, in blocks of 8 or 4 bits: row by row where there are few rows, which a decode
//! step is, else unpacked into panels.

use std::array::from_fn;
use std::ops::Range;

use bytemuck::{cast, cast_slice};
use half::f16;
use wide::{f32x4, i16x8, i32x4, u8x16};

use super::integer::{Format, PAIRS, Panels, Rows, multiply, quantize};
use super::math::{by_rows, widen};
use super::processor;
use crate::quant::{BLOCK, QuantKind};

/// Block-quantized weights [cols, depth] as they are stored.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Stored<'a> {
    pub(in crate::kernels) kind: QuantKind,
    pub(in crate::kernels) depth: usize,
    pub(in crate::kernels) words: &'a [u32],
    pub(in crate::kernels) scales: &'a [f16],
}

impl Stored<'_> {
    /// Columns `cols` alone.
    fn columns(&self, cols: Range<usize>) -> Self {
        let part = |len: usize| cols.start * len..cols.end * len;
        Self {
            words: &self.words[part(self.depth / self.kind.elements_per_word())],
            scales: &self.scales[part(self.depth / BLOCK)],
            ..*self
        }
    }

    /// Columns `cols` as a right side.
    fn panels(&self, format: Format, cols: Range<usize>) -> Panels {
        let blocks = self.depth / BLOCK;
        Panels::new(format, cols.len(), blocks, |col, number| {
            let block = (cols.start + col) * blocks + number;
            let words = match format {
                Format::Words => format.pack(&self.integers(block)),
                Format::Bytes { offset } => self.bytes(block, offset),
            };
            (words, widen(self.scales[block]))
        })
    }

    /// The words of a block: what [`Format::pack`] would make of its integers.
    fn bytes(&self, block: usize, offset: i32) -> [i32; PAIRS] {
        let mut bytes = [0; PAIRS];
        let words = BLOCK / self.kind.elements_per_word();
        let words = &self.words[block * words..][..words];
        match self.kind {
            QuantKind::Q8 => {
                // 128 more, modulo 256, is another topmost bit.
                let top = if offset == 0 { 0 } else { 0x8080_8080 };
                let pairs = bytes.iter_mut().zip(words);
                pairs.for_each(|(to, word)| *to = (word ^ top) as i32);
            }
            QuantKind::Q4 => {
                let apart = |half: u32| {
                    let pairs = (half | half << 8) & 0x00ff_00ff;
                    ((pairs | pairs << 4) & 0x0f0f_0f0f) as i32
                };
                let pairs = bytes.as_chunks_mut::<2>().0.iter_mut().zip(words);
                pairs.for_each(|(to, word)| *to = [apart(word & 0xffff), apart(word >> 16)]);
            }
        }
        bytes
    }

    pub(super) fn integers(&self, block: usize) -> [i32; BLOCK] {
        let mut integers = [0; BLOCK];
        let words = BLOCK / self.kind.elements_per_word();
        let bytes = cast_slice::<u32, u8>(&self.words[block * words..][..words]);
        match self.kind {
            QuantKind::Q8 => {
                let pairs = integers.iter_mut().zip(bytes);
                pairs.for_each(|(q, byte)| *q = i32::from(*byte as i8));
            }
            QuantKind::Q4 => {
                let pairs = integers.as_chunks_mut::<2>().0.iter_mut().zip(bytes);
                pairs.for_each(|(two, byte)| {
                    *two = [i32::from(byte & 15) - 8, i32::from(byte >> 4) - 8];
                });
            }
        }
        integers
    }

    /// Products of one row with each column: what a decode step is made of.
    fn dots(&self, x: &Row, out: &mut [f32]) {
        if self.kind == QuantKind::Q8
            && processor::dots_of_words(&x.integers, &x.scales, *self, out)
        {
            return;
        }
        let blocks = self.depth / BLOCK;
        let mut scales = vec![0.0; blocks];
        let words = blocks * BLOCK / self.kind.elements_per_word();
        let columns = self.words.chunks_exact(words);
        let columns = columns.zip(self.scales.chunks_exact(blocks));
        for ((words, stored), out) in columns.zip(out) {
            let factors = stored.iter().zip(&x.scales);
            scales
                .iter_mut()
                .zip(factors)
                .for_each(|(to, (w, x))| *to = widen(*w) * x);
            *out = match self.kind {
                QuantKind::Q8 => dot_q8(words.as_chunks().0, x, &scales),
                QuantKind::Q4 => dot_q4(words.as_chunks().0, x, &scales),
            };
        }
    }
}

/// Up to so many rows are multiplied one by one: fewer do not pay for packing the weights.
pub(super) const FEW: usize = 8;
/// Columns that are packed at a time.
pub(super) const WIDE: usize = 1024;

/// `x . weights^T`: `x` [rows, depth], `weights` [cols, depth] -> [rows, cols].
pub(in crate::kernels) fn product(x: &[f32], weights: Stored<'_>, cols: usize) -> Vec<f32> {
    let depth = weights.depth;
    let rows = x.len() / depth;
    let mut out = vec![0.0; rows * cols];
    let offset = processor::offset(weights.kind);
    if rows <= FEW {
        for (x, out) in x.chunks_exact(depth).zip(out.chunks_exact_mut(cols)) {
            let few = (1 << 20) / depth;
            match offset {
                None => {
                    let x = Row::new(x, weights.kind);
                    by_rows(out, 1, few, |first, out| {
                        weights.columns(first..first + out.len()).dots(&x, out);
                    });
                }
                Some(offset) => {
                    let x = processor::Row::new(x, weights.kind, offset);
                    by_rows(out, 1, few, |first, out| {
                        x.dots(weights.columns(first..first + out.len()), out);
                    });
                }
            }
        }
        return out;
    }
    let format = offset.map_or(Format::Words, |offset| Format::Bytes { offset });
    by_rows(&mut out, cols, 64, |first, out| {
        let rows = out.len() / cols;
        let x = Rows::new(&x[first * depth..][..rows * depth], depth, format);
        for first in (0..cols).step_by(WIDE) {
            let wide = WIDE.min(cols - first);
            let panels = weights.panels(format, first..first + wide);
            multiply(&x, &panels, &mut out[first..], cols);
        }
    });
    out
}

/// A single row in 16 bits.
struct Row {
    /// For 4-bit weights the even elements of a block, then the odd ones; else in order.
    integers: Vec<[i16; BLOCK]>,
    scales: Vec<f32>,
    /// -8 times the sum of each block: what 4-bit integers stored from 0 to 15 lack.
    shifts: Vec<i32>,
}

impl Row {
    /// Of a row to be multiplied with weights of this kind.
    fn new(values: &[f32], kind: QuantKind) -> Self {
        let mut row = Self {
            integers: Vec::new(),
            scales: Vec::new(),
            shifts: Vec::new(),
        };
        for block in values.as_chunks::<BLOCK>().0 {
            let (integers, scale) = quantize(block, 32767.0);
            row.scales.push(scale);
            row.integers
                .push(from_fn(|i| integers[kind.unpacked(i)] as i16));
            row.shifts.push(-8 * integers.iter().sum::<i32>());
        }
        row
    }
}

fn dot_q8(blocks: &[[u32; 8]], x: &Row, scales: &[f32]) -> f32 {
    let zero = u8x16::splat(0);
    let mut sums = f32x4::splat(0.0);
    for ((words, x), scale) in blocks.iter().zip(&x.integers).zip(scales) {
        let mut sum = i32x4::splat(0);
        let halves: [u8x16; 2] = cast(*words);
        for (bytes, x) in halves.into_iter().zip(x.as_chunks::<16>().0) {
            let x: [i16x8; 2] = cast(*x);
            // A byte above zero and shifted down is the byte with its sign.
            let low: i16x8 = cast(u8x16::unpack_low(zero, bytes));
            let high: i16x8 = cast(u8x16::unpack_high(zero, bytes));
            sum += (low >> 8i32).dot(x[0]) + (high >> 8i32).dot(x[1]);
        }
        sums += sum.round_float() * f32x4::splat(*scale);
    }
    sums.reduce_add()
}

fn dot_q4(blocks: &[[u32; 4]], x: &Row, scales: &[f32]) -> f32 {
    let (zero, mask) = (u8x16::splat(0), u8x16::splat(15));
    let mut sums = f32x4::splat(0.0);
    for (((words, x), shift), scale) in blocks.iter().zip(&x.integers).zip(&x.shifts).zip(scales) {
        let mut sum = i32x4::new([*shift, 0, 0, 0]);
        let bytes: u8x16 = cast(*words);
        let high: u8x16 = cast(cast::<_, i16x8>(bytes) >> 4i32);
        for (nibbles, x) in [bytes & mask, high & mask]
            .into_iter()
            .zip(x.as_chunks::<16>().0)
        {
            let x: [i16x8; 2] = cast(*x);
            let low: i16x8 = cast(u8x16::unpack_low(nibbles, zero));
            let high: i16x8 = cast(u8x16::unpack_high(nibbles, zero));
            sum += low.dot(x[0]) + high.dot(x[1]);
        }
        sums += sum.round_float() * f32x4::splat(*scale);
    }
    sums.reduce_add()
}
