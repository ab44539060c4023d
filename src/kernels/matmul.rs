//! Matrix product with dense or block-quantized weights and a fused epilogue: where nearly all the arithmetic is.

use burn::tensor::{Device, Int, Tensor};
use bytemuck::NoUninit;
use half::f16;

use super::GRID;
use super::cpu::math::gelu;
use super::cpu::stored::{self, Stored};
use super::launch::{
    Fragment, Launch, Shader, cpu, cpu_words, edit, elements, fragment, grid, on_gpu, upload,
    upload_words,
};
use super::matvec::matvec;
use crate::quant::{BLOCK, QuantKind, QuantizedMatrix, unpack_block};

/// Invocations a workgroup, for a tile of [`TILE`] x [`TILE`] outputs.
pub const WORKGROUP: usize = 64;
const TILE: usize = 32;

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

    pub(super) fn fragment(&self) -> Fragment {
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
    pub(super) fn bind(&self, launch: Launch) -> Launch {
        match self {
            Self::Dense { values, one } => launch.tensor(values).tensor(one),
            Self::Packed { words, scales, .. } => launch.ints(words).ints(scales),
        }
    }

    /// Rows `rows` as f32 on the CPU device, [rows, depth].
    pub(super) fn dequantized_rows(&self, rows: impl Iterator<Item = usize>) -> Vec<f32> {
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

/// What happens to a product before it is written.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Nothing.
    None,
    /// `+ bias`, [cols].
    Bias(&'a Tensor<1>),
    /// `gelu(. + bias)`, the exact (erf) form; bias [cols].
    BiasGelu(&'a Tensor<1>),
    /// `residual + .`, [rows, cols].
    Residual(&'a Tensor<2>),
    /// `residual + layer_scale * (. + bias)`: InternViT's LayerScale (Touvron et al. 2021).
    ScaledResidual {
        /// [cols].
        bias: &'a Tensor<1>,
        /// [cols].
        layer_scale: &'a Tensor<1>,
        /// [rows, cols].
        residual: &'a Tensor<2>,
    },
}

impl Epilogue<'_> {
    pub(super) fn fragment(&self) -> Fragment {
        EPILOGUES[match self {
            Self::None => 0,
            Self::Bias(_) => 1,
            Self::BiasGelu(_) => 2,
            Self::Residual(_) => 3,
            Self::ScaledResidual { .. } => 4,
        }]
    }

    pub(super) fn bind(&self, launch: Launch) -> Launch {
        match self {
            Self::None => launch,
            Self::Bias(bias) | Self::BiasGelu(bias) => launch.tensor(bias),
            Self::Residual(residual) => launch.tensor(residual),
            Self::ScaledResidual {
                bias,
                layer_scale,
                residual,
            } => launch.tensor(bias).tensor(layer_scale).tensor(residual),
        }
    }

    /// The same on the CPU, over the product [rows, cols].
    fn apply(&self, product: &mut [f32], cols: usize) {
        match self {
            Self::None => {}
            Self::Bias(bias) => by_row(product, bias, |v, b| v + b),
            Self::BiasGelu(bias) => by_row(product, bias, |v, b| gelu(v + b)),
            Self::Residual(residual) => {
                let residual = cpu(residual);
                product
                    .iter_mut()
                    .zip(elements::<f32>(&residual))
                    .for_each(|(v, r)| *v += r);
            }
            Self::ScaledResidual {
                bias,
                layer_scale,
                residual,
            } => {
                by_row(product, bias, |v, b| v + b);
                let (scale, residual) = (cpu(layer_scale), cpu(residual));
                let rows = product
                    .chunks_exact_mut(cols)
                    .zip(elements::<f32>(&residual).chunks_exact(cols));
                for (row, residual) in rows {
                    let terms = residual.iter().zip(elements::<f32>(&scale));
                    row.iter_mut()
                        .zip(terms)
                        .for_each(|(v, (r, s))| *v = r + s * *v);
                }
            }
        }
    }
}

fn by_row(product: &mut [f32], per_column: &Tensor<1>, f: impl Fn(f32, f32) -> f32) {
    let values = cpu(per_column);
    let values = elements::<f32>(&values);
    for row in product.chunks_exact_mut(values.len()) {
        row.iter_mut().zip(values).for_each(|(v, c)| *v = f(*v, *c));
    }
}

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
pub(super) struct Params {
    pub(super) rows: u32,
    pub(super) cols: u32,
    pub(super) depth: u32,
}

/// The weight layouts a kernel can be composed with.
pub(super) const WEIGHTS: [Fragment; 3] = [
    fragment!("shared/weights_f32"),
    fragment!("shared/weights_q8"),
    fragment!("shared/weights_q4"),
];

/// The epilogues, in the order of [`Epilogue`]'s variants.
pub(super) const EPILOGUES: [Fragment; 5] = [
    fragment!("shared/epilogue_none"),
    fragment!("shared/epilogue_bias"),
    fragment!("shared/epilogue_bias_gelu"),
    fragment!("shared/epilogue_residual"),
    fragment!("shared/epilogue_scaled_residual"),
];

/// A kernel of the product family: x at 0, out at 1, the weights and scales at 2 and 3, the epilogue's tensors from 4 on.
pub(super) fn product_shader(main: Fragment, weights: Fragment, epilogue: Fragment) -> Shader {
    Shader::new(&[GRID, weights, epilogue, main])
        .constant("WORKGROUP", WORKGROUP)
        .constant("WEIGHTS", 2)
        .constant("EPILOGUE", 4)
}

pub(super) fn shader(weights: Fragment, epilogue: Fragment) -> Shader {
    product_shader(fragment!("matmul"), weights, epilogue)
}

/// `finish(x . weights^T)`: `x` [rows, depth], `weights` [cols, depth] -> [rows, cols]. One row goes through [`matvec`].
pub fn matmul(x: &Tensor<2>, weights: &Matrix, epilogue: Epilogue<'_>) -> Tensor<2> {
    let [rows, depth] = x.dims();
    let [cols, weights_depth] = weights.dims();
    assert_eq!(
        depth, weights_depth,
        "matmul: x [{rows}, {depth}] against weights [{cols}, {weights_depth}]"
    );
    assert!(depth % 4 == 0, "matmul: depth {depth} is no multiple of 4");
    if on_gpu(x) {
        if rows == 1 {
            return matvec(x, weights, epilogue);
        }
        let params = Params {
            rows: rows as u32,
            cols: cols as u32,
            depth: depth as u32,
        };
        let launch = Launch::new(shader(weights.fragment(), epilogue.fragment()))
            .tensor(x)
            .output([rows, cols]);
        let workgroups = [cols.div_ceil(TILE), rows.div_ceil(TILE), 1];
        return epilogue
            .bind(weights.bind(launch))
            .run_into(&params, workgroups, 1);
    }
    let device = x.device();
    let mut product = match weights {
        Matrix::Dense { values, .. } => x.clone().matmul(values.clone().transpose()),
        Matrix::Packed {
            kind,
            words,
            scales,
            ..
        } => {
            let (x, words, scales) = (cpu(x), cpu_words(words), cpu_words(scales));
            let weights = Stored {
                kind: *kind,
                depth,
                words: elements(&words),
                scales: bytemuck::cast_slice(elements::<u32>(&scales)),
            };
            let product = stored::product(elements(&x), weights, cols);
            upload(product, [rows, cols], &device)
        }
    };
    edit(&mut product, |all| epilogue.apply(all, cols));
    product
}

/// Workgroups of a matvec with this many outputs.
pub(super) fn matvec_grid(cols: usize) -> [usize; 3] {
    grid(cols.div_ceil(4))
}
