//! Pixel shuffle and `mlp1` (InternVL 1.5, section 3.1): a tile's 1,024 patches become 256 tokens of the decoder's width.

use burn::tensor::Tensor;

use crate::config::{ModelConfig, PixelShuffle};
use crate::error::Result;
use crate::kernels::{Prologue, pixel_shuffle};
use crate::nn::{Linear, Loader, Norm};

/// PyTorch's default, in every checkpoint; not the encoder's epsilon.
const NORM_EPS: f32 = 1e-5;

/// The projector.
pub struct Projector {
    side: usize,      // patches a side
    transposed: bool, // ps_version v1
    norm: Norm,       // [4C]
    fc1: Linear,      // [D, 4C]
    fc2: Linear,      // [D, D]
}

impl Projector {
    /// Reads the projector's weights, in the order of the pack.
    pub async fn load(config: &ModelConfig, loader: &mut Loader<'_>) -> Result<Self> {
        Ok(Self {
            side: config.vision.patches_per_side(),
            transposed: config.projector.shuffle == PixelShuffle::V1,
            norm: loader.norm("projector.norm", true, NORM_EPS).await?,
            fc1: loader.linear("projector.fc1", true).await?,
            fc2: loader.linear("projector.fc2", true).await?,
        })
    }

    /// Hidden states [tiles * (1 + N), C] -> visual tokens [tiles * N / 4, D].
    pub fn forward(&self, hidden: &Tensor<2>) -> Tensor<2> {
        let tokens = pixel_shuffle(hidden, self.side, self.transposed);
        let widened = self.fc1.forward_gelu(&tokens, self.norm.prologue());
        self.fc2.forward(&widened, Prologue::None)
    }
}
