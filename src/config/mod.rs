//! The one description of a model: what every InternVL checkpoint becomes at import and what a pack stores. It names no
//! family: whatever differs is a number or a flag here, or was settled by the import.

mod tensors;

use serde::{Deserialize, Serialize};

pub use tensors::{Part, Role, TensorSpec};

use crate::error::{Error, Result};

/// A whole model: encoder, projector, decoder, and the facts about pages and chat that belong to the checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// InternViT.
    pub vision: VisionConfig,
    /// Pixel shuffle and the two-layer MLP.
    pub projector: ProjectorConfig,
    /// The language model.
    pub language: LanguageConfig,
    /// How a page is cut into tiles.
    pub tiling: TilingConfig,
    /// Template, marker tokens and stop tokens.
    pub chat: ChatConfig,
}

/// InternViT (spec section 2): 300M has LayerNorm and a qkv bias, 6B has RMSNorm and full-width q/k norms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisionConfig {
    /// Tile edge in pixels (448).
    pub image_size: usize,
    /// Patch edge in pixels (14).
    pub patch_size: usize,
    /// C.
    pub hidden_size: usize,
    /// F.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; C divides by it.
    pub heads: usize,
    /// Kind of the two norms of a block.
    pub norm: NormKind,
    /// Epsilon of every norm in the encoder.
    pub eps: f32,
    /// Whether the qkv projection has a bias.
    pub qkv_bias: bool,
    /// RMSNorm over the full width of q and k, before the split into heads.
    pub qk_norm: bool,
}

impl VisionConfig {
    /// No encoder: what a language model alone has in its place.
    pub const NONE: Self = Self {
        image_size: 0,
        patch_size: 1,
        hidden_size: 0,
        intermediate_size: 0,
        layers: 0,
        heads: 1,
        norm: NormKind::LayerNorm,
        eps: 0.0,
        qkv_bias: false,
        qk_norm: false,
    };
}

/// The norm of an encoder block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Mean and variance, weight and bias.
    LayerNorm,
    /// Mean of squares, weight only.
    RmsNorm,
}

/// From encoder patches to visual tokens (spec section 3). Its LayerNorm epsilon is PyTorch's 1e-5 in every checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectorConfig {
    /// Order of the output tokens.
    pub shuffle: PixelShuffle,
    /// Patches per side of the square that becomes one token (2).
    pub downsample: usize,
}

/// Token order of the pixel shuffle; the channel order inside a token is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelShuffle {
    /// Column-major: the transposed order of checkpoints before V1-5.
    V1,
    /// Row-major.
    V2,
}

/// The decoder (spec section 4): RMSNorm, grouped-query attention with rotate-half RoPE, SwiGLU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// V: rows of the embedding, which may exceed the tokenizer's vocabulary.
    pub vocab_size: usize,
    /// D.
    pub hidden_size: usize,
    /// F.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// H query heads.
    pub heads: usize,
    /// Hkv key and value heads; H divides by it.
    pub kv_heads: usize,
    /// hd; H * hd need not equal D.
    pub head_dim: usize,
    /// Epsilon of every norm in the decoder.
    pub eps: f32,
    /// RoPE base.
    pub rope_theta: f32,
    /// Positions the RoPE was trained for: the ceiling of a conversation.
    pub max_positions: usize,
    /// LongRoPE's factors, where the checkpoint has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_rope: Option<LongRope>,
    /// Whether the qkv projection has a bias.
    pub qkv_bias: bool,
    /// RMSNorm over each head of q and k, before RoPE.
    pub qk_norm: bool,
    /// The head multiplies by the embedding: there is no `language.lm_head.weight`.
    pub tied_embeddings: bool,
}

/// LongRoPE (spec section 4.4): the frequencies are divided by one set of factors as long as all positions fit the
/// original context and by another as soon as they do not, which changes every key there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongRope {
    /// Divisors within the original context, [hd / 2].
    pub short: Vec<f32>,
    /// Divisors beyond it, [hd / 2].
    pub long: Vec<f32>,
    /// Positions of the original context.
    pub original_positions: usize,
    /// What cos and sin are multiplied by in either.
    pub scale: f32,
}

impl LanguageConfig {
    /// Whether a conversation of `length` positions is rotated by LongRoPE's long factors.
    pub fn is_long(&self, length: usize) -> bool {
        self.long_rope
            .as_ref()
            .is_some_and(|rope| length > rope.original_positions)
    }
}

/// Limits of the tile grid (spec section 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TilingConfig {
    /// Fewest tiles of a grid.
    pub min_tiles: usize,
    /// Most tiles of a grid, thumbnail not counted.
    pub max_tiles: usize,
    /// Whether a page of more than one tile is followed by its thumbnail.
    pub thumbnail: bool,
}

/// What the checkpoint says about conversations. Tokens are stored by content: ids differ between generations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// How messages become text.
    pub template: Template,
    /// The checkpoint's own system message; `None` means the template's default.
    pub system_message: Option<String>,
    /// The token whose embedding rows the visual tokens replace (`<IMG_CONTEXT>`); this and the next two are empty where
    /// there is no encoder.
    pub image_context: String,
    /// The token before a page's visual tokens (`<img>`).
    pub image_start: String,
    /// The token after a page's visual tokens (`</img>`).
    pub image_end: String,
    /// Tokens that end an answer, each present in the tokenizer.
    pub stop: Vec<String>,
    /// `bos_token` as a Jinja template sees it.
    pub bos_token: Option<String>,
    /// `eos_token` as a Jinja template sees it.
    pub eos_token: Option<String>,
}

/// The conversation templates of the family (spec section 6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// `internlm2-chat`: ChatML without newlines between turns.
    InternLm2Chat,
    /// `Hermes-2`: the same shape for Qwen2.
    Hermes2,
    /// `phi3-chat`.
    Phi3Chat,
    /// `internvl2_5`: ChatML with newlines; InternVL 2.5, 3 and 3.5.
    InternVl25,
    /// The checkpoint's own Jinja source.
    Jinja(String),
}

impl VisionConfig {
    /// Patches along one edge of a tile (32).
    pub fn patches_per_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Rows of the position embedding: the class token and every patch (1025).
    pub fn positions(&self) -> usize {
        1 + self.patches_per_side().pow(2)
    }
}

impl ProjectorConfig {
    /// Visual tokens of one tile (256).
    pub fn tokens_per_tile(&self, vision: &VisionConfig) -> usize {
        (vision.patches_per_side() / self.downsample).pow(2)
    }
}

impl ModelConfig {
    /// Whether there is an encoder: a language model alone reads no pictures.
    pub fn sees(&self) -> bool {
        self.vision != VisionConfig::NONE
    }

    /// Refuses numbers that no model can have, so that all behind it may divide and multiply freely.
    pub fn validate(&self) -> Result<()> {
        let (v, p, l, t) = (&self.vision, &self.projector, &self.language, &self.tiling);
        // The projector's factor stays a divisor even where it is not used.
        let unused =
            |key: &str| !self.sees() && (key.starts_with("vision.") || key.starts_with("tiling."));
        for (key, value, ceiling) in [
            ("vision.image_size", v.image_size, 1 << 12),
            ("vision.patch_size", v.patch_size, 1 << 8),
            ("vision.hidden_size", v.hidden_size, 1 << 16),
            ("vision.intermediate_size", v.intermediate_size, 1 << 18),
            ("vision.layers", v.layers, 1 << 10),
            ("vision.heads", v.heads, 1 << 10),
            ("projector.downsample", p.downsample, 1 << 4),
            ("language.vocab_size", l.vocab_size, 1 << 22),
            ("language.hidden_size", l.hidden_size, 1 << 16),
            ("language.intermediate_size", l.intermediate_size, 1 << 18),
            ("language.layers", l.layers, 1 << 10),
            ("language.heads", l.heads, 1 << 10),
            ("language.kv_heads", l.kv_heads, 1 << 10),
            ("language.head_dim", l.head_dim, 1 << 12),
            ("language.max_positions", l.max_positions, 1 << 30),
            ("tiling.min_tiles", t.min_tiles, 1 << 10),
            ("tiling.max_tiles", t.max_tiles, 1 << 10),
        ] {
            check(key, unused(key) || (1..=ceiling).contains(&value), || {
                format!("{value} is not in 1..={ceiling}")
            })?;
        }
        for (key, value) in [
            ("vision.eps", v.eps),
            ("language.eps", l.eps),
            ("language.rope_theta", l.rope_theta),
        ] {
            check(key, unused(key) || positive(value), || {
                format!("{value} is not a positive number")
            })?;
        }
        for (key, a, b) in [
            ("vision.image_size", v.image_size, v.patch_size),
            ("vision.hidden_size", v.hidden_size, v.heads),
            ("vision.patches", v.patches_per_side(), p.downsample),
            ("language.heads", l.heads, l.kv_heads),
            ("language.head_dim", l.head_dim, 2),
        ] {
            check(key, a.is_multiple_of(b), || {
                format!("{a} is not a multiple of {b}")
            })?;
        }
        if let Some(rope) = &l.long_rope {
            for (key, factors) in [
                ("language.long_rope.short", &rope.short),
                ("language.long_rope.long", &rope.long),
            ] {
                let fit = factors.len() == l.head_dim / 2 && factors.iter().all(|&f| positive(f));
                check(key, fit, || {
                    format!("not {} positive factors", l.head_dim / 2)
                })?;
            }
            check("language.long_rope.scale", positive(rope.scale), || {
                format!("{} is not a positive number", rope.scale)
            })?;
        }
        check("tiling.min_tiles", t.min_tiles <= t.max_tiles, || {
            format!("{} is above max_tiles {}", t.min_tiles, t.max_tiles)
        })
    }
}

fn positive(value: f32) -> bool {
    value.is_finite() && value > 0.0
}

fn check(key: &str, holds: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if holds {
        return Ok(());
    }
    let (key, reason) = (key.into(), reason());
    Err(Error::ConfigValue { key, reason })
}
