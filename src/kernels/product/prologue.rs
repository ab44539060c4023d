//! What happens to a product's rows before it.

use burn::tensor::Tensor;

use crate::kernels::launch::{Fragment, Launch, fragment};
use crate::kernels::{layer_norm, rms_norm};

/// A norm over each row, made as the rows pass through the product.
#[derive(Clone, Copy, Debug)]
pub enum Prologue<'a> {
    /// Nothing.
    None,
    /// [`rms_norm`].
    RmsNorm {
        /// [depth].
        weight: &'a Tensor<1>,
        /// Added to the mean square.
        eps: f32,
    },
    /// [`layer_norm`].
    LayerNorm {
        /// [depth].
        weight: &'a Tensor<1>,
        /// [depth].
        bias: &'a Tensor<1>,
        /// Added to the variance.
        eps: f32,
    },
}

/// By the number of tensors that each binds.
pub(super) const FRAGMENTS: [Fragment; 3] = [
    fragment!("shared/prologue_none"),
    fragment!("shared/prologue_rms_norm"),
    fragment!("shared/prologue_layer_norm"),
];

impl Prologue<'_> {
    pub(super) fn tensors(self) -> usize {
        match self {
            Self::None => 0,
            Self::RmsNorm { .. } => 1,
            Self::LayerNorm { .. } => 2,
        }
    }

    pub(super) fn fragment(self) -> Fragment {
        FRAGMENTS[self.tensors()]
    }

    pub(super) fn bind(self, launch: Launch) -> Launch {
        match self {
            Self::None => launch,
            Self::RmsNorm { weight, .. } => launch.tensor(weight),
            Self::LayerNorm { weight, bias, .. } => launch.tensor(weight).tensor(bias),
        }
    }

    pub(super) fn eps(self) -> f32 {
        match self {
            Self::None => 0.0,
            Self::RmsNorm { eps, .. } | Self::LayerNorm { eps, .. } => eps,
        }
    }

    /// The same by itself, [rows, depth].
    pub(super) fn apply(self, x: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::None => x.clone(),
            Self::RmsNorm { weight, eps } => rms_norm(x, weight, eps),
            Self::LayerNorm { weight, bias, eps } => layer_norm(x, weight, bias, eps),
        }
    }
}
