//! What happens to a product before it is written.

use burn::tensor::Tensor;

use crate::kernels::cpu::math::{gelu, silu};
use crate::kernels::launch::{Fragment, Launch, cpu, edit, elements, fragment, upload};

/// What a product [rows, cols] becomes.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Itself.
    None,
    /// `. + bias`, [cols].
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
    /// `silu(gate) * up` of columns gate | up (Shazeer 2020): [rows, cols / 2].
    SwiGlu,
}

/// In the order of the variants.
pub(super) const FRAGMENTS: [&[Fragment]; 6] = [
    &[COLUMNS, fragment!("shared/epilogue_none")],
    &[COLUMNS, fragment!("shared/epilogue_bias")],
    &[COLUMNS, fragment!("shared/epilogue_bias_gelu")],
    &[COLUMNS, fragment!("shared/epilogue_residual")],
    &[COLUMNS, fragment!("shared/epilogue_scaled_residual")],
    &[fragment!("shared/epilogue_swiglu")],
];
const COLUMNS: Fragment = fragment!("shared/columns");

impl Epilogue<'_> {
    pub(super) fn fragments(self) -> &'static [Fragment] {
        FRAGMENTS[match self {
            Self::None => 0,
            Self::Bias(_) => 1,
            Self::BiasGelu(_) => 2,
            Self::Residual(_) => 3,
            Self::ScaledResidual { .. } => 4,
            Self::SwiGlu => 5,
        }]
    }

    pub(super) fn bind(self, launch: Launch) -> Launch {
        match self {
            Self::None | Self::SwiGlu => launch,
            Self::Bias(bias) | Self::BiasGelu(bias) => launch.tensor(bias),
            Self::Residual(residual) => launch.tensor(residual),
            Self::ScaledResidual {
                bias,
                layer_scale,
                residual,
            } => launch.tensor(bias).tensor(layer_scale).tensor(residual),
        }
    }

    /// Columns of what a product of `cols` columns becomes.
    pub(super) fn width(self, cols: usize) -> usize {
        match self {
            Self::SwiGlu => cols / 2,
            _ => cols,
        }
    }

    /// The same on the CPU.
    pub(super) fn apply(self, mut product: Tensor<2>) -> Tensor<2> {
        match self {
            Self::None => {}
            Self::Bias(bias) => by_row(&mut product, bias, |v, b| v + b),
            Self::BiasGelu(bias) => by_row(&mut product, bias, |v, b| gelu(v + b)),
            Self::Residual(residual) => {
                let residual = cpu(residual);
                edit(&mut product, |all: &mut [f32]| {
                    let terms = all.iter_mut().zip(elements::<f32>(&residual));
                    terms.for_each(|(v, r)| *v += r);
                });
            }
            Self::ScaledResidual {
                bias,
                layer_scale,
                residual,
            } => {
                let (bias, scale, residual) = (cpu(bias), cpu(layer_scale), cpu(residual));
                let (bias, scale) = (elements::<f32>(&bias), elements::<f32>(&scale));
                edit(&mut product, |all: &mut [f32]| {
                    let rows = all.chunks_exact_mut(scale.len());
                    for (row, residual) in
                        rows.zip(elements::<f32>(&residual).chunks_exact(scale.len()))
                    {
                        let terms = residual.iter().zip(scale).zip(bias);
                        row.iter_mut()
                            .zip(terms)
                            .for_each(|(v, ((r, s), b))| *v = r + s * (*v + b));
                    }
                });
            }
            Self::SwiGlu => return gated(&product),
        }
        product
    }
}

fn by_row(product: &mut Tensor<2>, per_column: &Tensor<1>, f: impl Fn(f32, f32) -> f32) {
    let values = cpu(per_column);
    let values = elements::<f32>(&values);
    edit(product, |all: &mut [f32]| {
        for row in all.chunks_exact_mut(values.len()) {
            row.iter_mut().zip(values).for_each(|(v, c)| *v = f(*v, *c));
        }
    });
}

fn gated(product: &Tensor<2>) -> Tensor<2> {
    let [rows, cols] = product.dims();
    let source = cpu(product);
    let mut out = Vec::with_capacity(rows * cols / 2);
    for row in elements::<f32>(&source).chunks_exact(cols) {
        let (gate, up) = row.split_at(cols / 2);
        out.extend(gate.iter().zip(up).map(|(g, u)| silu(*g) * u));
    }
    upload(out, [rows, cols / 2], &product.device())
}
