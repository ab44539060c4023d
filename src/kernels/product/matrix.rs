//! A weight matrix, dense or in blocks.

use burn::tensor::{Device, Int, Tensor};
use half::f16;

use crate::kernels::launch::{
    Fragment, Launch, cpu, cpu_words, elements, fragment, upload, upload_words,
};
use crate::quant::{BLOCK, QuantKind, QuantizedMatrix, unpack_block};

/// A weight matrix [cols, depth] on a device (one row an output), however it is stored.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// f32.
    Dense {
        /// [cols, depth].
        values: Tensor<2>,
        /// The factor 1.0: what the scales are for the quantized kinds.
        one: Tensor<1>,
    },
    /// Blocks of 32 along depth; the layouts are those of [`crate::quant`].
    Packed {
        /// Bits a weight.
        kind: QuantKind,
        /// Outputs.
        cols: usize,
        /// Inputs, a multiple of 32.
        depth: usize,
        /// Packed weights, [cols, depth / weights a word].
        words: Tensor<1, Int>,
        /// Two f16 scales a word, [cols, depth / 32] halves in block order.
        scales: Tensor<1, Int>,
    },
}

impl Matrix {
    /// Brings dense weights, row-major [cols, depth], to `device`.
    pub fn dense(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Self {
        Self::Dense {
            values: upload(values, shape, device),
            one: upload(vec![1.0], [1], device),
        }
    }

    /// Brings block-quantized weights to `device`.
    pub fn packed(matrix: QuantizedMatrix, device: &Device) -> Self {
        let QuantizedMatrix {
            kind,
            rows: cols,
            cols: depth,
            words,
            mut scales,
        } = matrix;
        scales.resize(scales.len().next_multiple_of(2), f16::ZERO);
        let pair = |two: &[f16]| u32::from(two[0].to_bits()) | u32::from(two[1].to_bits()) << 16;
        let scales = upload_words(scales.chunks_exact(2).map(pair).collect(), device);
        Self::Packed {
            kind,
            cols,
            depth,
            words: upload_words(words, device),
            scales,
        }
    }

    /// `[cols, depth]`.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Dense { values, .. } => values.dims(),
            Self::Packed { cols, depth, .. } => [*cols, *depth],
        }
    }

    pub(in crate::kernels) fn fragment(&self) -> Fragment {
        match self {
            Self::Dense { .. } => WEIGHTS[0],
            Self::Packed {
                kind: QuantKind::Q8,
                ..
            } => WEIGHTS[1],
            Self::Packed {
                kind: QuantKind::Q4,
                ..
            } => WEIGHTS[2],
        }
    }

    /// Binds the weights and their scales at the next two indices.
    pub(in crate::kernels) fn bind(&self, launch: Launch) -> Launch {
        match self {
            Self::Dense { values, one } => launch.tensor(values).tensor(one),
            Self::Packed { words, scales, .. } => launch.ints(words).ints(scales),
        }
    }

    /// Rows `rows` as f32 on the CPU device, [rows, depth].
    pub(in crate::kernels) fn dequantized_rows(
        &self,
        rows: impl Iterator<Item = usize>,
    ) -> Vec<f32> {
        match self {
            Self::Dense { values, .. } => {
                let (values, depth) = (cpu(values), values.dims()[1]);
                let values = elements::<f32>(&values);
                rows.flat_map(|row| values[row * depth..(row + 1) * depth].iter().copied())
                    .collect()
            }
            Self::Packed {
                kind,
                depth,
                words,
                scales,
                ..
            } => {
                let (words, scales) = (cpu_words(words), cpu_words(scales));
                let (words, scales) = (elements::<u32>(&words), elements::<u32>(&scales));
                let scales: &[f16] = bytemuck::cast_slice(scales);
                let (blocks, block_words) = (depth / BLOCK, BLOCK / kind.elements_per_word());
                let mut integers = [0.0; BLOCK];
                let mut out = Vec::new();
                for at in rows.flat_map(|row| row * blocks..(row + 1) * blocks) {
                    unpack_block(
                        *kind,
                        &words[at * block_words..][..block_words],
                        &mut integers,
                    );
                    out.extend(integers.map(|q| q * scales[at].to_f32()));
                }
                out
            }
        }
    }
}

/// The layouts a kernel can be composed with.
pub(in crate::kernels) const WEIGHTS: [Fragment; 3] = [
    fragment!("shared/weights_f32"),
    fragment!("shared/weights_q8"),
    fragment!("shared/weights_q4"),
];
