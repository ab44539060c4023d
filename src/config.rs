//! The one description of a model: what every InternVL checkpoint becomes at import and what a pack stores. It names no
//! family: whatever differs is a number or a flag here, or was settled by the import.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::quant::{self, Precision};

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

/// Which of the three parts of the model a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Encoder.
    Vision,
    /// Projector.
    Projector,
    /// Decoder.
    Language,
}

/// What a tensor is for, which decides how it may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One row per token of the vocabulary, as input or as head: quantized, but never below 8 bits.
    Embedding,
    /// The weight of a linear layer, `[out, in]`: quantized.
    Matrix,
    /// Norms, biases, layer scales and position embeddings: always f32.
    Vector,
}

/// One canonical tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Canonical name, such as `language.layers.0.attn.qkv.weight`.
    pub name: String,
    /// Row-major shape; a matrix is `[out, in]`.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Where it belongs.
    pub part: Part,
}

impl TensorSpec {
    /// The precision this tensor really gets where `vision` and `language` are asked for: the one policy for packing and
    /// for quantizing on load. The projector follows the encoder.
    pub fn precision(&self, vision: Precision, language: Precision) -> Precision {
        let wanted = match self.part {
            Part::Vision | Part::Projector => vision,
            Part::Language => language,
        };
        match self.role {
            Role::Embedding if wanted == Precision::Q4 => self.storable(Precision::Q8),
            _ => self.storable(wanted),
        }
    }

    /// `wanted`, or the nearest dense precision where this tensor cannot be stored in blocks.
    pub fn storable(&self, wanted: Precision) -> Precision {
        let blocks = |cols: usize| cols.is_multiple_of(quant::BLOCK);
        match wanted {
            _ if self.role == Role::Vector => Precision::F32,
            Precision::Q8 | Precision::Q4 if !blocks(self.shape[1]) => Precision::F16,
            _ => wanted,
        }
    }
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

    /// Every canonical tensor, in the order the model loads them and a pack stores them.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = List {
            specs: Vec::new(),
            part: Part::Vision,
        };
        if self.sees() {
            self.eyes(&mut list);
        }
        let l = &self.language;
        let (d, f) = (l.hidden_size, l.intermediate_size);

        list.part = Part::Language;
        let queries = l.heads * l.head_dim;
        let qkv = queries + 2 * l.kv_heads * l.head_dim;
        list.embedding("language.embed_tokens.weight", l.vocab_size, d);
        for i in 0..l.layers {
            let layer = format!("language.layers.{i}");
            list.norm(&format!("{layer}.attn_norm"), d, false);
            list.linear(&format!("{layer}.attn.qkv"), qkv, d, l.qkv_bias);
            if l.qk_norm {
                list.norm(&format!("{layer}.attn.q_norm"), l.head_dim, false);
                list.norm(&format!("{layer}.attn.k_norm"), l.head_dim, false);
            }
            list.linear(&format!("{layer}.attn.o_proj"), d, queries, false);
            list.norm(&format!("{layer}.mlp_norm"), d, false);
            list.linear(&format!("{layer}.mlp.gate_up"), 2 * f, d, false);
            list.linear(&format!("{layer}.mlp.down"), d, f, false);
        }
        list.norm("language.norm", d, false);
        if !l.tied_embeddings {
            list.embedding("language.lm_head.weight", l.vocab_size, d);
        }
        list.specs
    }

    /// The tensors of encoder and projector.
    fn eyes(&self, list: &mut List) {
        let v = &self.vision;
        let (c, f) = (v.hidden_size, v.intermediate_size);
        list.vector("vision.class_embedding".into(), &[c]);
        let pixels = 3 * v.patch_size.pow(2);
        list.linear("vision.patch_embedding", c, pixels, true);
        list.vector("vision.position_embedding".into(), &[v.positions(), c]);
        for i in 0..v.layers {
            let layer = format!("vision.layers.{i}");
            list.norm(&format!("{layer}.norm1"), c, v.norm == NormKind::LayerNorm);
            list.linear(&format!("{layer}.attn.qkv"), 3 * c, c, v.qkv_bias);
            if v.qk_norm {
                list.norm(&format!("{layer}.attn.q_norm"), c, false);
                list.norm(&format!("{layer}.attn.k_norm"), c, false);
            }
            list.linear(&format!("{layer}.attn.proj"), c, c, true);
            list.vector(format!("{layer}.ls1"), &[c]);
            list.norm(&format!("{layer}.norm2"), c, v.norm == NormKind::LayerNorm);
            list.linear(&format!("{layer}.mlp.fc1"), f, c, true);
            list.linear(&format!("{layer}.mlp.fc2"), c, f, true);
            list.vector(format!("{layer}.ls2"), &[c]);
        }

        list.part = Part::Projector;
        let d = self.language.hidden_size;
        let merged = c * self.projector.downsample.pow(2);
        list.norm("projector.norm", merged, true);
        list.linear("projector.fc1", d, merged, true);
        list.linear("projector.fc2", d, d, true);
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

struct List {
    specs: Vec<TensorSpec>,
    part: Part,
}

impl List {
    fn push(&mut self, name: String, shape: &[usize], role: Role) {
        let (shape, part) = (shape.to_vec(), self.part);
        self.specs.push(TensorSpec {
            name,
            shape,
            role,
            part,
        });
    }

    fn vector(&mut self, name: String, shape: &[usize]) {
        self.push(name, shape, Role::Vector);
    }

    fn embedding(&mut self, name: &str, rows: usize, cols: usize) {
        self.push(name.into(), &[rows, cols], Role::Embedding);
    }

    fn linear(&mut self, stem: &str, out: usize, input: usize, bias: bool) {
        self.push(format!("{stem}.weight"), &[out, input], Role::Matrix);
        if bias {
            self.vector(format!("{stem}.bias"), &[out]);
        }
    }

    fn norm(&mut self, stem: &str, width: usize, bias: bool) {
        self.vector(format!("{stem}.weight"), &[width]);
        if bias {
            self.vector(format!("{stem}.bias"), &[width]);
        }
    }
}
