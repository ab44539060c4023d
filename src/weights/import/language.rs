//! What the language families have in common: one decoder, described by numbers, flags and a table of names.

use serde_json::json;

use super::Names;
use super::internlm2::INTERNLM2;
use super::llama::LLAMA;
use super::phi3::PHI3;
use super::qwen2::QWEN2;
use super::qwen3::QWEN3;
use super::section::Section;
use crate::config::{LanguageConfig, LongRope};
use crate::error::{Error, Result};

const FAMILIES: [&Family; 5] = [&INTERNLM2, &LLAMA, &PHI3, &QWEN2, &QWEN3];

/// A language family at import; nothing behind the import knows of it.
pub(super) struct Family {
    pub(super) model_type: &'static str,
    /// `architectures[0]`, which old configs write in place of `model_type`.
    pub(super) architecture: &'static str,
    pub(super) defaults: Defaults,
    pub(super) qkv: Qkv,
    pub(super) qkv_bias: bool,
    pub(super) qk_norm: bool,
    pub(super) names: Names,
    /// Name of the untied head in the original layout, after the language prefix.
    pub(super) head: &'static str,
    /// Refuses what this family's config can ask for and the decoder does not do.
    pub(super) check: fn(&Section) -> Result<()>,
}

/// What a key that the config leaves out means. Every class agrees on eps 1e-6 and theta 10000.
pub(super) struct Defaults {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    /// `None`: as many as query heads.
    pub(super) kv_heads: Option<usize>,
    /// `None`: hidden size over heads.
    pub(super) head_dim: Option<usize>,
    pub(super) max_positions: usize,
}

/// How a checkpoint stores the qkv projection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Qkv {
    /// Three tensors, or one with the rows of q, k and v in this order.
    Split,
    /// One, ordered by key-value head.
    Grouped,
    /// Three tensors; the rows of each head of q and k are ordered for RoPE on neighbours.
    Interleaved,
}

/// The family a text config belongs to.
pub(super) fn family(text: &Section) -> Result<&'static Family> {
    let named = match text.text("model_type")? {
        Some(model_type) => Some(("model_type", model_type)),
        None => text
            .first("architectures")
            .map(|architecture| ("architectures", architecture)),
    };
    let Some((key, found)) = named else {
        return Err(text.wrong("model_type", "missing".into()));
    };
    let unknown = |key: &str, found: &str| Error::UnknownArchitecture {
        key: text.name(key),
        found: found.into(),
    };
    // Mono-InternVL keeps InternLM2's model_type, with experts of its own for visual tokens.
    if let Some(class @ "InternLM2VEForCausalLM") = text.first("architectures") {
        return Err(unknown(
            "architectures",
            &format!("{class} (Mono-InternVL)"),
        ));
    }
    let known = FAMILIES
        .into_iter()
        .find(|f| f.model_type == found || f.architecture == found);
    known.ok_or_else(|| unknown(key, found))
}

/// The decoder's config. Whether the head is tied depends on the tensors and is decided by the caller.
pub(super) fn config(
    family: &Family,
    text: &Section,
    tied_embeddings: bool,
) -> Result<LanguageConfig> {
    text.only("hidden_act", &[json!("silu")])?;
    (family.check)(text)?;
    let d = &family.defaults;
    let hidden_size = text.size("hidden_size")?.unwrap_or(d.hidden_size);
    let heads = text.size("num_attention_heads")?.unwrap_or(d.heads);
    // `null` asks for the heads' number, absence for the class default.
    let kv_heads = match text.size("num_key_value_heads")? {
        None if text.has("num_key_value_heads") => heads,
        None => d.kv_heads.unwrap_or(heads),
        Some(kv_heads) => kv_heads,
    };
    let head_dim = match text.size("head_dim")?.or(d.head_dim) {
        Some(head_dim) => head_dim,
        None if heads > 0 && hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => {
            return Err(text.wrong(
                "hidden_size",
                format!("{hidden_size} does not divide by {heads} heads"),
            ));
        }
    };
    let max_positions = text
        .size("max_position_embeddings")?
        .unwrap_or(d.max_positions);
    let (rope_theta, long_rope) = rope(text, max_positions)?;
    Ok(LanguageConfig {
        vocab_size: text.size("vocab_size")?.unwrap_or(d.vocab_size),
        hidden_size,
        intermediate_size: text
            .size("intermediate_size")?
            .unwrap_or(d.intermediate_size),
        layers: text.size("num_hidden_layers")?.unwrap_or(d.layers),
        heads,
        kv_heads,
        head_dim,
        eps: text.number("rms_norm_eps")?.unwrap_or(1e-6),
        rope_theta,
        max_positions,
        long_rope,
        qkv_bias: family.qkv_bias,
        qk_norm: family.qk_norm,
        tied_embeddings,
    })
}

/// The RoPE base and LongRoPE's factors, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (4).
///
/// The `dynamic` type is plain RoPE up to `max_position_embeddings`, where the engine ends a conversation.
fn rope(text: &Section, max_positions: usize) -> Result<(f32, Option<LongRope>)> {
    text.only("partial_rotary_factor", &[json!(1)])?;
    let mut theta = text.number("rope_theta")?;
    let mut long_rope = None;
    for key in ["rope_scaling", "rope_parameters"] {
        let Some(rope) = text.child(key)? else {
            continue;
        };
        let mut long = false;
        for kind in ["type", "rope_type"] {
            let supported = ["default", "dynamic", "longrope", "su"];
            rope.only(kind, &supported.map(|name| json!(name)))?;
            long |= matches!(rope.text(kind)?, Some("longrope" | "su"));
        }
        rope.only("partial_rotary_factor", &[json!(1)])?;
        if rope.has("full_attention") {
            return Err(text.unsupported(key, "one set of parameters for all layers"));
        }
        theta = rope.number("rope_theta")?.or(theta);
        if long {
            let original = "original_max_position_embeddings";
            let positions = rope.size(original)?.or(text.size(original)?);
            let Some(positions) = positions.filter(|n| (1..=max_positions).contains(n)) else {
                return Err(text.wrong(original, "missing, or not below the context".into()));
            };
            long_rope = Some(LongRope {
                short: rope.numbers("short_factor")?,
                long: rope.numbers("long_factor")?,
                original_positions: positions,
                scale: match rope.number("attention_factor")? {
                    Some(scale) => scale,
                    None => long_rope_scale(max_positions, positions),
                },
            });
        }
    }
    Ok((theta.unwrap_or(10_000.0), long_rope))
}

/// What LongRoPE's authors multiply cos and sin by, for a context stretched from `original` positions to `stretched`.
pub(super) fn long_rope_scale(stretched: usize, original: usize) -> f32 {
    let factor = stretched as f64 / original as f64;
    match factor > 1.0 {
        true => (1.0 + factor.ln() / (original as f64).ln()).sqrt() as f32,
        false => 1.0,
    }
}
