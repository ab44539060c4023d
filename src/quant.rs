//! Block-quantized matrices: the layout the WGSL matmuls read, the pack stores and the import writes.
//!
//! A row of a `[rows, cols]` matrix is cut into blocks of [`BLOCK`] elements along its columns. A block is one f16 scale
//! d and 32 small integers q packed into u32 words, little-endian: element e of a row sits in word e / 4, byte e % 4 (q8)
//! or in word e / 8, nibble e % 8 (q4).
//!
//! | kind | stored | value | scale | bytes a block |
//! |---|---|---|---|---|
//! | q8 | i8, -127..=127 | q * d | max \|w\| / 127 | 34 |
//! | q4 | 0..=15 | (q - 8) * d | (signed w of largest magnitude) / -8 | 18 |
//!
//! The scale is computed in f32 and rounded to f16 first; the integers are chosen for the rounded scale. Both kinds are
//! ggml's `Q8_0` and `Q4_0` with scales and integers in separate arrays and q4 elements in natural order.

use half::f16;
use serde::{Deserialize, Serialize};

/// Elements that share a scale.
pub const BLOCK: usize = 32;

const _: () = assert!(size_of::<f16>() == 2 && size_of::<u32>() == 4);
const _: () =
    assert!(QuantKind::Q8.elements_per_word() == 4 && QuantKind::Q4.elements_per_word() == 8);
const _: () =
    assert!(QuantKind::Q8.bytes_per_block() == 34 && QuantKind::Q4.bytes_per_block() == 18);

/// A block layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuantKind {
    /// 8 bits an element.
    Q8,
    /// 4 bits an element.
    Q4,
}

impl QuantKind {
    /// Elements in one u32.
    pub const fn elements_per_word(self) -> usize {
        match self {
            Self::Q8 => 4,
            Self::Q4 => 8,
        }
    }

    /// The element of a block that comes `i`-th where words are unpacked to bytes: first all the low nibbles, then the high ones.
    pub(crate) const fn unpacked(self, i: usize) -> usize {
        match self {
            Self::Q8 => i,
            Self::Q4 => i % (BLOCK / 2) * 2 + i / (BLOCK / 2),
        }
    }

    /// Bytes of one block, scale included.
    pub const fn bytes_per_block(self) -> usize {
        BLOCK / self.elements_per_word() * size_of::<u32>() + size_of::<f16>()
    }

    /// The suffix of packed tensor names.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Q8 => "q8",
            Self::Q4 => "q4",
        }
    }
}

/// How a tensor is stored or handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Dense f32.
    F32,
    /// Dense, every value rounded to f16.
    F16,
    /// 8-bit blocks.
    Q8,
    /// 4-bit blocks.
    Q4,
}

impl Precision {
    /// The block layout, or `None` for the dense precisions.
    pub const fn quant(self) -> Option<QuantKind> {
        match self {
            Self::F32 | Self::F16 => None,
            Self::Q8 => Some(QuantKind::Q8),
            Self::Q4 => Some(QuantKind::Q4),
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8 => "q8",
            Self::Q4 => "q4",
        })
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "q8" => Ok(Self::Q8),
            "q4" => Ok(Self::Q4),
            other => Err(format!("{other:?} is not a precision: f32, f16, q8, q4")),
        }
    }
}

/// A matrix in blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedMatrix {
    /// Block layout.
    pub kind: QuantKind,
    /// Output dimension.
    pub rows: usize,
    /// Input dimension, a multiple of [`BLOCK`].
    pub cols: usize,
    /// Integers, `[rows, cols / elements_per_word]`.
    pub words: Vec<u32>,
    /// Scales, `[rows, cols / BLOCK]`.
    pub scales: Vec<f16>,
}

impl QuantizedMatrix {
    /// Quantizes a dense row-major `[rows, cols]` matrix of finite values.
    pub fn quantize(kind: QuantKind, rows: usize, cols: usize, dense: &[f32]) -> Self {
        let mut matrix = Self::empty(kind, cols);
        matrix.push_rows(dense);
        assert_eq!(matrix.rows, rows, "dense data must be [{rows}, {cols}]");
        matrix
    }

    /// A matrix of no rows, to be filled by [`Self::push_rows`].
    pub fn empty(kind: QuantKind, cols: usize) -> Self {
        assert!(
            cols > 0 && cols.is_multiple_of(BLOCK),
            "a row of {cols} columns is not a whole number of blocks"
        );
        Self {
            kind,
            rows: 0,
            cols,
            words: Vec::new(),
            scales: Vec::new(),
        }
    }

    /// Appends the rows of another matrix of this kind and width.
    pub(crate) fn append(&mut self, rows: Self) {
        self.words.extend(rows.words);
        self.scales.extend(rows.scales);
        self.rows += rows.rows;
    }

    /// Quantizes whole rows, row-major `[n, cols]`, and appends them: a large matrix need never be dense in memory.
    pub fn push_rows(&mut self, dense: &[f32]) {
        assert!(
            dense.len().is_multiple_of(self.cols),
            "{} values are not whole rows of {}",
            dense.len(),
            self.cols
        );
        self.words
            .reserve(dense.len() / self.kind.elements_per_word());
        self.scales.reserve(dense.len() / BLOCK);
        for block in dense.chunks_exact(BLOCK) {
            let scale = match self.kind {
                QuantKind::Q8 => push_q8(block, &mut self.words),
                QuantKind::Q4 => push_q4(block, &mut self.words),
            };
            self.scales.push(scale);
        }
        self.rows += dense.len() / self.cols;
    }

    /// Appends whole rows that are in blocks already: each block's scale, and its integers as `value / scale`.
    pub(crate) fn push_blocks(&mut self, blocks: impl Iterator<Item = (f16, [i8; BLOCK])>) {
        let before = self.scales.len();
        for (scale, integers) in blocks {
            self.scales.push(scale);
            match self.kind {
                QuantKind::Q8 => self.words.extend(
                    integers
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|four| u32::from_le_bytes(four.map(|q| q as u8))),
                ),
                QuantKind::Q4 => {
                    self.words
                        .extend(integers.as_chunks::<8>().0.iter().map(|eight| {
                            (0..8).fold(0, |word, j| word | ((eight[j] + 8) as u32 & 15) << (4 * j))
                        }));
                }
            }
        }
        self.rows += (self.scales.len() - before) * BLOCK / self.cols;
    }

    /// The dense `[rows, cols]` values: exactly what a kernel must see.
    pub fn dequantize(&self) -> Vec<f32> {
        let words_per_block = BLOCK / self.kind.elements_per_word();
        let mut dense = Vec::with_capacity(self.rows * self.cols);
        let mut integers = [0.0; BLOCK];
        for (words, scale) in self.words.chunks_exact(words_per_block).zip(&self.scales) {
            unpack_block(self.kind, words, &mut integers);
            dense.extend(integers.map(|q| q * scale.to_f32()));
        }
        dense
    }

    /// Stored bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice()) + size_of_val(self.scales.as_slice())
    }
}

/// The integers of one block, as floats and without their scale.
pub fn unpack_block(kind: QuantKind, words: &[u32], integers: &mut [f32; BLOCK]) {
    match kind {
        QuantKind::Q8 => {
            for (four, word) in integers.chunks_exact_mut(4).zip(words) {
                four.copy_from_slice(&word.to_le_bytes().map(|byte| f32::from(byte as i8)));
            }
        }
        QuantKind::Q4 => {
            for (eight, word) in integers.chunks_exact_mut(8).zip(words) {
                eight
                    .iter_mut()
                    .enumerate()
                    .for_each(|(j, q)| *q = (word >> (4 * j) & 15) as f32 - 8.0);
            }
        }
    }
}

/// The scale as stored, and the factor that turns a value into its integer. A block too small for an f16 scale is zero.
fn scale(d: f32) -> (f16, f32) {
    let stored = f16::from_f32(d.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()));
    let d = stored.to_f32();
    (stored, if d == 0.0 { 0.0 } else { 1.0 / d })
}

fn push_q8(block: &[f32], words: &mut Vec<u32>) -> f16 {
    let largest = block.iter().fold(0.0f32, |max, w| max.max(w.abs()));
    let (stored, inverse) = scale(largest / 127.0);
    words.extend(block.chunks_exact(4).map(|four| {
        u32::from_le_bytes(std::array::from_fn(|j| {
            (four[j] * inverse).round().clamp(-127.0, 127.0) as i8 as u8
        }))
    }));
    stored
}

fn push_q4(block: &[f32], words: &mut Vec<u32>) -> f16 {
    let largest = block
        .iter()
        .fold(0.0f32, |max, &w| if w.abs() > max.abs() { w } else { max });
    let (stored, inverse) = scale(if largest == 0.0 { 0.0 } else { largest / -8.0 });
    words.extend(block.chunks_exact(8).map(|eight| {
        (0..8).fold(0, |word, j| {
            word | ((eight[j] * inverse + 8.5).floor().clamp(0.0, 15.0) as u32) << (4 * j)
        })
    }));
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic values in -1..1 with no structure along blocks.
    fn noise(n: usize) -> Vec<f32> {
        let mut state = 0x9e37_79b9u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn q8_word_is_four_elements_little_endian() {
        let mut row = [0.0f32; BLOCK];
        (row[0], row[1], row[2], row[3], row[31]) = (127.0, -127.0, 1.0, -2.0, 64.0);
        let m = QuantizedMatrix::quantize(QuantKind::Q8, 1, BLOCK, &row);
        assert_eq!(m.words[0], u32::from_le_bytes([127, 0x81, 1, 0xfe]));
        assert_eq!(m.words[7], 64 << 24);
        assert_eq!(
            (m.words.len(), m.scales.as_slice()),
            (8, [f16::ONE].as_slice())
        );
    }

    #[test]
    fn q4_word_is_eight_elements_in_natural_order() {
        let mut row = [0.0f32; BLOCK];
        (row[0], row[1], row[7], row[8]) = (-8.0, 7.0, 1.0, -3.0);
        let m = QuantizedMatrix::quantize(QuantKind::Q4, 1, BLOCK, &row);
        assert_eq!(
            m.words,
            [0x9888_88f0, 0x8888_8885, 0x8888_8888, 0x8888_8888]
        );
        assert_eq!(m.scales, [f16::ONE]);
    }

    #[test]
    fn q4_keeps_the_sign_of_the_largest_value() {
        let mut row = [0.0f32; BLOCK];
        (row[3], row[4]) = (8.0, -4.0);
        let m = QuantizedMatrix::quantize(QuantKind::Q4, 1, BLOCK, &row);
        assert_eq!(m.scales, [-f16::ONE]);
        assert_eq!(&m.dequantize()[3..5], [8.0, -4.0]);
    }

    #[test]
    fn error_is_bounded_per_block() {
        let (rows, cols) = (5, 96);
        let mut dense = noise(rows * cols);
        dense[17] = 40.0; // an outlier only widens its own block
        dense[200] = -1e-3;
        // Half a step; a q4 value opposite to the largest may also be cut by the missing +8.
        for (kind, steps) in [(QuantKind::Q8, 0.5), (QuantKind::Q4, 1.0)] {
            let m = QuantizedMatrix::quantize(kind, rows, cols, &dense);
            let back = m.dequantize();
            for (i, (w, b)) in dense.iter().zip(&back).enumerate() {
                let step = m.scales[i / BLOCK].to_f32().abs();
                assert!(
                    (w - b).abs() <= steps * step * 1.01,
                    "{kind:?} element {i}: {w} became {b}, step {step}"
                );
            }
            assert!(m.scales.iter().all(|s| s.to_f32() != 0.0));
        }
    }

    #[test]
    fn zeros_stay_zero() {
        for kind in [QuantKind::Q8, QuantKind::Q4] {
            let m = QuantizedMatrix::quantize(kind, 2, 64, &[0.0; 128]);
            assert!(m.dequantize().iter().all(|&w| w == 0.0));
            assert!(m.scales.iter().all(|s| s.to_bits() == 0));
        }
    }

    #[test]
    fn extremes_stay_finite() {
        for kind in [QuantKind::Q8, QuantKind::Q4] {
            for w in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-9] {
                let m = QuantizedMatrix::quantize(kind, 1, BLOCK, &[w; BLOCK]);
                assert!(
                    m.dequantize().iter().all(|x| x.is_finite()),
                    "{kind:?} of {w}"
                );
            }
        }
    }

    #[test]
    fn quantized_values_are_a_fixed_point() {
        for kind in [QuantKind::Q8, QuantKind::Q4] {
            let once = QuantizedMatrix::quantize(kind, 3, 64, &noise(192));
            let twice = QuantizedMatrix::quantize(kind, 3, 64, &once.dequantize());
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn rows_may_arrive_in_pieces() {
        let dense = noise(6 * 64);
        let whole = QuantizedMatrix::quantize(QuantKind::Q4, 6, 64, &dense);
        let mut pieces = QuantizedMatrix::empty(QuantKind::Q4, 64);
        pieces.push_rows(&dense[..64]);
        pieces.push_rows(&dense[64..]);
        assert_eq!(whole, pieces);
        assert_eq!(whole.bytes(), 12 * QuantKind::Q4.bytes_per_block());
    }
}
