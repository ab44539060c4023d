//! The sizes that are measured.

use std::str::FromStr;

use crate::config::{LanguageConfig, ModelConfig, NormKind, VisionConfig};
use crate::error::{Error, Result};

/// The sizes of a published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The model that ships, as it is.
    Tiny,
    /// InternVL2.5-1B: InternViT-300M and Qwen2.5-0.5B.
    InternVl25B1,
    /// InternVL2-2B: InternViT-300M and InternLM2-1.8B.
    InternVl2B2,
}

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "tiny" => Ok(Self::Tiny),
            "internvl2_5-1b" => Ok(Self::InternVl25B1),
            "internvl2-2b" => Ok(Self::InternVl2B2),
            other => Err(Error::Request {
                what: format!("shape {other:?}"),
                reason: "the choices are tiny, internvl2_5-1b and internvl2-2b".to_owned(),
            }),
        }
    }
}

impl Shape {
    /// `base` at these sizes.
    pub fn apply(self, base: &ModelConfig) -> ModelConfig {
        let (width, heads, kv_heads, head_dim, intermediate_size, vocab_size, qkv_bias) = match self
        {
            Self::Tiny => return base.clone(),
            Self::InternVl25B1 => (896, 14, 2, 64, 4864, 151_674, true),
            Self::InternVl2B2 => (2048, 16, 8, 128, 8192, 92_553, false),
        };
        ModelConfig {
            vision: VisionConfig {
                hidden_size: 1024,
                intermediate_size: 4096,
                layers: 24,
                heads: 16,
                norm: NormKind::LayerNorm,
                eps: 1e-6,
                qkv_bias: true,
                qk_norm: false,
                ..base.vision.clone()
            },
            language: LanguageConfig {
                vocab_size,
                hidden_size: width,
                intermediate_size,
                layers: 24,
                heads,
                kv_heads,
                head_dim,
                eps: 1e-6,
                rope_theta: 1e6,
                max_positions: 16_384,
                long_rope: None,
                qkv_bias,
                qk_norm: false,
                tied_embeddings: false,
            },
            ..base.clone()
        }
    }
}
