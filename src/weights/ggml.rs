//! The block types of ggml that GGUF files store matrices in, brought back to f32 exactly as ggml does, and into our own
//! blocks where they fit unchanged.
//!
//! A row is cut into blocks along its columns. d and m are f16 scales, q an element's integer, s and t the 6- or 8-bit
//! integers of a sub-block; bits of q above the fourth are in a plane of their own.
//!
//! | type | elements | bytes | value |
//! |---|---|---|---|
//! | Q4_0 | 32 | 18 | d (q - 8) |
//! | Q4_1 | 32 | 20 | d q + m |
//! | Q5_0 | 32 | 22 | d (q - 16) |
//! | Q8_0 | 32 | 34 | d q |
//! | Q4_K | 256 | 144 | (d s) q - (m t), sub-blocks of 32 |
//! | Q5_K | 256 | 176 | (d s) q - (m t), sub-blocks of 32 |
//! | Q6_K | 256 | 210 | (d s) (q - 32), sub-blocks of 16 |

use half::f16;

use crate::quant::{BLOCK, QuantKind, QuantizedMatrix};

/// Elements of a block of the K types.
const K: usize = 256;

/// A block type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    Q4_0,
    Q4_1,
    Q5_0,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl Blocks {
    /// (elements, bytes) of a block.
    pub(crate) const fn size(self) -> (usize, usize) {
        match self {
            Self::Q4_0 => (BLOCK, 18),
            Self::Q4_1 => (BLOCK, 20),
            Self::Q5_0 => (BLOCK, 22),
            Self::Q8_0 => (BLOCK, 34),
            Self::Q4K => (K, 144),
            Self::Q5K => (K, 176),
            Self::Q6K => (K, 210),
        }
    }

    /// Appends the values of whole blocks.
    pub(crate) fn widen(self, bytes: &[u8], values: &mut Vec<f32>) {
        for block in bytes.chunks_exact(self.size().1) {
            match self {
                Self::Q4_1 => {
                    let (d, m) = (scale(block, 0), scale(block, 2));
                    values.extend(nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
                }
                Self::Q4_0 | Self::Q5_0 | Self::Q8_0 => {
                    let d = scale(block, 0);
                    values.extend(self.integers(block).map(|q| d * f32::from(q)));
                }
                Self::Q4K => min_blocks(block, &[0; 32], &block[16..], values),
                Self::Q5K => min_blocks(block, &block[16..48], &block[48..], values),
                Self::Q6K => signed_blocks(block, values),
            }
        }
    }

    /// Appends whole rows to `matrix` with the very integers and scales of the file, where its kind can hold them.
    pub(crate) fn copy(self, bytes: &[u8], matrix: &mut QuantizedMatrix) -> bool {
        let fits = match matrix.kind {
            QuantKind::Q4 => self == Self::Q4_0,
            QuantKind::Q8 => matches!(self, Self::Q4_0 | Self::Q5_0 | Self::Q8_0),
        };
        if fits {
            let blocks = bytes.chunks_exact(self.size().1);
            matrix.push_blocks(blocks.map(|block| (half(block, 0), self.integers(block))));
        }
        fits
    }

    /// The signed integers of a block that has one scale and no offset.
    fn integers(self, block: &[u8]) -> [i8; BLOCK] {
        let mut integers = [0; BLOCK];
        match self {
            Self::Q4_0 => {
                for (to, q) in integers.iter_mut().zip(nibbles(&block[2..])) {
                    *to = q as i8 - 8;
                }
            }
            Self::Q5_0 => {
                let high = |e: usize| block[2 + e / 8] >> (e % 8) & 1;
                for (e, q) in nibbles(&block[6..]).enumerate() {
                    integers[e] = (q | high(e) << 4) as i8 - 16;
                }
            }
            Self::Q8_0 => {
                for (to, &q) in integers.iter_mut().zip(&block[2..]) {
                    *to = q as i8;
                }
            }
            _ => unreachable!("{self:?} has scales within a block"),
        }
        integers
    }
}

fn half(block: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([block[at], block[at + 1]])
}

fn scale(block: &[u8], at: usize) -> f32 {
    half(block, at).to_f32()
}

/// 32 elements of 4 bits: the first 16 in the low halves of 16 bytes, the others in the high halves.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let bytes = &bytes[..BLOCK / 2];
    bytes
        .iter()
        .map(|b| b & 15)
        .chain(bytes.iter().map(|b| b >> 4))
}

/// Q4_K and Q5_K: eight sub-blocks of 32, two to 32 bytes of `low`; bit j of `high` is the fifth bit of sub-block j.
fn min_blocks(block: &[u8], high: &[u8], low: &[u8], values: &mut Vec<f32>) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let packed = &block[4..16];
    for j in 0..8 {
        // Six bits each: whole for the first four, split over two bytes for the others.
        let (s, t) = match j {
            0..4 => (packed[j] & 63, packed[j + 4] & 63),
            _ => (
                packed[j + 4] & 15 | packed[j - 4] >> 6 << 4,
                packed[j + 4] >> 4 | packed[j] >> 6 << 4,
            ),
        };
        let (d, m) = (d * f32::from(s), m * f32::from(t));
        for (low, high) in low[j / 2 * 32..][..32].iter().zip(high) {
            let q = low >> (j % 2 * 4) & 15 | (high >> j & 1) << 4;
            values.push(d * f32::from(q) - m);
        }
    }
}

/// Q6_K: two halves of 128, each with 64 bytes of low bits and 32 bytes of high bits; scales of 16 elements are i8.
fn signed_blocks(block: &[u8], values: &mut Vec<f32>) {
    let d = scale(block, 208);
    for e in 0..K {
        let (half, row, column) = (e / 128, e / 32 % 4, e % 32);
        let low = block[half * 64 + row % 2 * 32 + column] >> (row / 2 * 4) & 15;
        let high = block[128 + half * 32 + column] >> (row * 2) & 3;
        let q = (low | high << 4) as i8 - 32;
        values.push(d * f32::from(block[192 + e / 16] as i8) * f32::from(q));
    }
}
