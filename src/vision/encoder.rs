//! InternViT (InternVL, section 3; modeling_intern_vit.py): a pre-norm ViT with a class token and LayerScale. Both shapes:
//! 300M (LayerNorm, qkv bias) and 6B (RMSNorm, full-width q/k RMSNorm, no qkv bias).

use std::ops::Range;

use burn::tensor::Tensor;

use crate::config::{NormKind, VisionConfig};
use crate::error::Result;
use crate::kernels::launch::submit;
use crate::kernels::{Prologue, attention, patches, positions, qk_norm};
use crate::nn::{Linear, Loader, Norm};

struct Layer {
    norm1: Norm,
    qkv: Linear,                      // [3C, C], rows q | k | v
    qk_norms: Option<[Tensor<1>; 2]>, // [C] each
    proj: Linear,                     // [C, C]
    ls1: Tensor<1>,                   // [C]
    norm2: Norm,
    fc1: Linear,    // [F, C]
    fc2: Linear,    // [C, F]
    ls2: Tensor<1>, // [C]
}

/// The vision encoder.
pub struct VisionEncoder {
    config: VisionConfig,
    class_embedding: Tensor<1>,    // [C]
    patch_embedding: Linear,       // [C, 3 * P * P]
    position_embedding: Tensor<2>, // [1 + N, C]
    layers: Vec<Layer>,
}

impl VisionEncoder {
    /// Reads the encoder's weights, in the order of the pack.
    pub async fn load(config: &VisionConfig, loader: &mut Loader<'_>) -> Result<Self> {
        let class_embedding = loader.vector("vision.class_embedding").await?;
        let patch_embedding = loader.linear("vision.patch_embedding", true).await?;
        let position_embedding = loader
            .table("vision.position_embedding", config.hidden_size)
            .await?;
        let norm_bias = config.norm == NormKind::LayerNorm;
        let mut layers = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            let name = |part: &str| format!("vision.layers.{index}.{part}");
            let norm1 = loader.norm(&name("norm1"), norm_bias, config.eps).await?;
            let qkv = loader.linear(&name("attn.qkv"), config.qkv_bias).await?;
            let qk_norms = match config.qk_norm {
                true => Some([
                    loader.vector(&name("attn.q_norm.weight")).await?,
                    loader.vector(&name("attn.k_norm.weight")).await?,
                ]),
                false => None,
            };
            layers.push(Layer {
                norm1,
                qkv,
                qk_norms,
                proj: loader.linear(&name("attn.proj"), true).await?,
                ls1: loader.vector(&name("ls1")).await?,
                norm2: loader.norm(&name("norm2"), norm_bias, config.eps).await?,
                fc1: loader.linear(&name("mlp.fc1"), true).await?,
                fc2: loader.linear(&name("mlp.fc2"), true).await?,
                ls2: loader.vector(&name("ls2")).await?,
            });
        }
        Ok(Self {
            config: config.clone(),
            class_embedding,
            patch_embedding,
            position_embedding,
            layers,
        })
    }

    /// Some tiles of `pixel_values` [n, 3, S, S] -> their last hidden states [tiles * (1 + N), C], the class token first.
    pub fn forward(&self, pixel_values: &Tensor<4>, tiles: Range<usize>) -> Tensor<2> {
        let patches = patches(pixel_values, tiles, self.config.patch_size);
        let patches = self.patch_embedding.forward(&patches, Prologue::None);
        let x = positions(&patches, &self.class_embedding, &self.position_embedding);
        self.layers.iter().fold(x, |x, layer| {
            let x = self.block(layer, &x);
            submit(&x);
            x
        })
    }

    /// The dispatches of one layer, in order.
    fn block(&self, layer: &Layer, x: &Tensor<2>) -> Tensor<2> {
        let VisionConfig { heads, eps, .. } = self.config;
        let mut qkv = layer.qkv.forward(x, layer.norm1.prologue());
        if let Some([q_norm, k_norm]) = &layer.qk_norms {
            qk_norm(&mut qkv, [q_norm, k_norm], eps);
        }
        let mixed = attention(&qkv, self.config.positions(), heads);
        let x = layer.proj.forward_scaled_residual(&mixed, &layer.ls1, x);
        let hidden = layer.fc1.forward_gelu(&x, layer.norm2.prologue());
        layer.fc2.forward_scaled_residual(&hidden, &layer.ls2, &x)
    }
}
