//! The one decoder (spec section 4): RMSNorm, grouped-query attention with rotate-half RoPE and optional per-head q/k
//! norms, SwiGLU. Families differ only in their config; their weights were brought to this shape at import.

use burn::tensor::{Device, Int, Tensor};

use super::cache::{KvCache, LayerCache};
use super::rope::angles;
use crate::config::LanguageConfig;
use crate::error::Result;
use crate::kernels::embed::{Source, words};
use crate::kernels::launch::submit;
use crate::kernels::{
    self, Epilogue, HeadNorms, Matrix, Prologue, attention_causal, attention_decode, product,
    rms_norm, rope,
};
use crate::nn::{Linear, Loader, Norm};

struct Layer {
    attn_norm: Norm,                  // [D]
    qkv: Linear,                      // [(H + 2 Hkv) * hd, D], rows q | k | v
    qk_norms: Option<[Tensor<1>; 2]>, // [hd] each
    o_proj: Linear,                   // [D, H * hd]
    mlp_norm: Norm,                   // [D]
    gate_up: Linear,                  // [2F, D], rows gate | up
    down: Linear,                     // [D, F]
}

/// The language model.
pub struct Decoder {
    config: LanguageConfig,
    embed_tokens: Matrix, // [V, D]
    layers: Vec<Layer>,
    norm: Tensor<1>,         // [D]
    lm_head: Option<Matrix>, // [V, D]; None: tied to embed_tokens
    angles: Tensor<3>,       // [context, hd / 2, 2]
    /// Of conversations beyond LongRoPE's original context, [context, hd / 2, 2].
    long_angles: Option<Tensor<3>>,
}

impl Decoder {
    /// Reads the decoder's weights, in the order of the pack.
    pub async fn load(
        config: &LanguageConfig,
        loader: &mut Loader<'_>,
        context: usize,
    ) -> Result<Self> {
        let embed_tokens = loader.matrix("language.embed_tokens.weight").await?;
        let mut layers = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            let name = |part: &str| format!("language.layers.{index}.{part}");
            let attn_norm = loader.norm(&name("attn_norm"), false, config.eps).await?;
            let qkv = loader.linear(&name("attn.qkv"), config.qkv_bias).await?;
            let qk_norms = match config.qk_norm {
                true => Some([
                    loader.vector(&name("attn.q_norm.weight")).await?,
                    loader.vector(&name("attn.k_norm.weight")).await?,
                ]),
                false => None,
            };
            layers.push(Layer {
                attn_norm,
                qkv,
                qk_norms,
                o_proj: loader.linear(&name("attn.o_proj"), false).await?,
                mlp_norm: loader.norm(&name("mlp_norm"), false, config.eps).await?,
                gate_up: loader.gate_up(&name("mlp.gate_up")).await?,
                down: loader.linear(&name("mlp.down"), false).await?,
            });
        }
        let norm = loader.vector("language.norm.weight").await?;
        let lm_head = match config.tied_embeddings {
            true => None,
            false => Some(loader.matrix("language.lm_head.weight").await?),
        };
        let angles_of = |long| angles(context, config, long, loader.device());
        let long_angles = config.is_long(context).then(|| angles_of(true));
        let angles = angles_of(false);
        Ok(Self {
            config: config.clone(),
            embed_tokens,
            layers,
            norm,
            lm_head,
            angles,
            long_angles,
        })
    }

    /// Input rows for `sources`, [T, D]; `visual` is [visual tokens, D].
    pub fn embed(
        &self,
        sources: &[Source],
        visual: Option<&Tensor<2>>,
        device: &Device,
    ) -> Tensor<2> {
        let words = words(sources, &self.embed_tokens, visual, device);
        kernels::embed(&words, &self.embed_tokens, visual)
    }

    /// The input row for the token whose id is in `chosen` [1], [1, D].
    pub fn embed_chosen(&self, chosen: &Tensor<1, Int>) -> Tensor<2> {
        kernels::embed(chosen, &self.embed_tokens, None)
    }

    /// Runs `x` [T, D] at the cache's end and returns the logits after its last row, [1, V].
    pub fn forward(&self, x: Tensor<2>, cache: &mut KvCache) -> Tensor<2> {
        let rows = x.dims()[0];
        let start = cache.length;
        let mut x = x;
        let angles = match &self.long_angles {
            Some(long) if cache.long => long,
            _ => &self.angles,
        };
        for (layer, cache) in self.layers.iter().zip(&mut cache.layers) {
            x = self.block(layer, &x, cache, start, angles);
            if rows > 1 {
                submit(&x);
            }
        }
        cache.length = start + rows;
        let last = match rows {
            1 => x,
            _ => kernels::rows(&x, rows - 1..rows),
        };
        let last = rms_norm(&last, &self.norm, self.config.eps);
        let lm_head = self.lm_head.as_ref().unwrap_or(&self.embed_tokens);
        product(&last, Prologue::None, lm_head, Epilogue::None)
    }

    /// The dispatches of one layer, in order.
    fn block(
        &self,
        layer: &Layer,
        x: &Tensor<2>,
        cache: &mut LayerCache,
        start: usize,
        angles: &Tensor<3>,
    ) -> Tensor<2> {
        let mut qkv = layer.qkv.forward(x, layer.attn_norm.prologue());
        let norms = layer.qk_norms.as_ref().map(|[q, k]| HeadNorms {
            weights: [q, k],
            eps: self.config.eps,
        });
        rope(&mut qkv, norms, angles, cache, start);
        let mixed = match x.dims()[0] {
            1 => attention_decode(&qkv, cache, start),
            _ => attention_causal(&qkv, cache, start),
        };
        let x = layer.o_proj.forward_residual(&mixed, x);
        let gated = layer.gate_up.forward_swiglu(&x, layer.mlp_norm.prologue());
        layer.down.forward_residual(&gated, &x)
    }
}
