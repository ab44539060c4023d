//! A weight matrix, dense or in blocks.

use burn::tensor::{Device, Int, Tensor};
use half::f16;

use super::filling::Filling;
use crate::kernels::launch::{Fragment, Launch, cpu, cpu_words, elements, fragment};
use crate::quant::{BLOCK, QuantKind, QuantizedMatrix, unpack_block};

/// A weight matrix [cols, depth] on a device (one row an output), however it is stored.
#[derive(Clone, Debug)]
pub struct Matrix {
    cols: usize,
    depth: usize,
    /// One, unless that would be more than a buffer can hold.
    blocks: Vec<Block>,
}

/// Rows of a matrix in buffers of their own.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Block {
    /// The first of the product's columns that come of these rows.
    pub(in crate::kernels) first: usize,
    /// Rows.
    pub(in crate::kernels) cols: usize,
    pub(super) values: Values,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
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
        /// Packed weights, [cols, depth / weights a word].
        words: Tensor<1, Int>,
        /// Two f16 scales a word, [cols, depth / 32] halves in block order.
        scales: Tensor<1, Int>,
    },
}

impl Matrix {
    /// Brings dense weights, row-major [cols, depth], to `device`.
    pub fn dense(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Self {
        let mut filling = Filling::new(None, shape, 1, device, u64::MAX);
        filling.push_dense(&values);
        filling.finish()
    }

    /// Brings block-quantized weights to `device`.
    pub fn packed(matrix: QuantizedMatrix, device: &Device) -> Self {
        let shape = [matrix.rows, matrix.cols];
        let mut filling = Filling::new(Some(matrix.kind), shape, 1, device, u64::MAX);
        filling.push_packed(&matrix);
        filling.finish()
    }

    pub(super) fn new([cols, depth]: [usize; 2], blocks: Vec<Block>) -> Self {
        Self {
            cols,
            depth,
            blocks,
        }
    }

    /// `[cols, depth]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.cols, self.depth]
    }

    /// Rows in buffers of their own, in the order of the product's columns.
    pub(in crate::kernels) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Whether the weights are quantized.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.blocks[0].values, Values::Packed { .. })
    }

    pub(in crate::kernels) fn fragment(&self) -> Fragment {
        WEIGHTS[match self.blocks[0].values {
            Values::Dense { .. } => 0,
            Values::Packed { kind, .. } => match kind {
                QuantKind::Q8 => 1,
                QuantKind::Q4 => 2,
            },
        }]
    }

    /// Rows `rows` as f32 on the CPU device, [rows, depth].
    pub(in crate::kernels) fn dequantized_rows(
        &self,
        rows: impl Iterator<Item = usize>,
    ) -> Vec<f32> {
        let mut out = Vec::new();
        for row in rows {
            let holds = |block: &&Block| block.holds(row);
            let block = self.blocks.iter().find(holds).expect("a row of the matrix");
            block.dequantize(row - block.first, self.depth, &mut out);
        }
        out
    }
}

impl Block {
    /// Whether a row of the matrix is in here, where the rows are in the matrix's order.
    fn holds(&self, row: usize) -> bool {
        (self.first..self.first + self.cols).contains(&row)
    }

    /// Binds the weights and their scales at the next two indices.
    pub(in crate::kernels) fn bind(&self, launch: Launch) -> Launch {
        match &self.values {
            Values::Dense { values, one } => launch.tensor(values).tensor(one),
            Values::Packed { words, scales, .. } => launch.ints(words).ints(scales),
        }
    }

    /// Appends a row of the block as f32, on the CPU device.
    fn dequantize(&self, row: usize, depth: usize, out: &mut Vec<f32>) {
        match &self.values {
            Values::Dense { values, .. } => {
                let values = cpu(values);
                out.extend_from_slice(&elements::<f32>(&values)[row * depth..][..depth]);
            }
            Values::Packed {
                kind,
                words,
                scales,
            } => {
                let (words, scales) = (cpu_words(words), cpu_words(scales));
                let (words, scales) = (elements::<u32>(&words), elements::<u32>(&scales));
                let scales: &[f16] = bytemuck::cast_slice(scales);
                let (blocks, block_words) = (depth / BLOCK, BLOCK / kind.elements_per_word());
                let mut integers = [0.0; BLOCK];
                for at in row * blocks..(row + 1) * blocks {
                    let words = &words[at * block_words..][..block_words];
                    unpack_block(*kind, words, &mut integers);
                    out.extend(integers.map(|q| q * scales[at].to_f32()));
                }
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
