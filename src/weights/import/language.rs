//! What the language families have in common: one decoder, described by numbers, flags and a table of names.

use serde_json::json;

use super::Names;
use super::internlm2::INTERNLM2;
use super::llama::LLAMA;
use super::qwen2::QWEN2;
use super::qwen3::QWEN3;
use super::section::Section;
use crate::config::LanguageConfig;
use crate::error::{Error, Result};

const FAMILIES: [&Family; 4] = [&INTERNLM2, &LLAMA, &QWEN2, &QWEN3];

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
    /// Three tensors.
    Split,
    /// One, ordered by key-value head.
    Grouped,
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
    let known = FAMILIES
        .into_iter()
        .find(|f| f.model_type == found || f.architecture == found);
    known.ok_or_else(|| Error::UnknownArchitecture {
        key: text.name(key),
        found: found.into(),
    })
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
        rope_theta: rope_theta(text)?,
        max_positions: text
            .size("max_position_embeddings")?
            .unwrap_or(d.max_positions),
        qkv_bias: family.qkv_bias,
        qk_norm: family.qk_norm,
        tied_embeddings,
    })
}

/// The RoPE base, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (4).
///
/// The `dynamic` type is plain RoPE up to `max_position_embeddings`, where the engine ends a conversation.
fn rope_theta(text: &Section) -> Result<f32> {
    text.only("partial_rotary_factor", &[json!(1)])?;
    let mut theta = text.number("rope_theta")?;
    for key in ["rope_scaling", "rope_parameters"] {
        let Some(rope) = text.child(key)? else {
            continue;
        };
        for kind in ["type", "rope_type"] {
            rope.only(kind, &[json!("default"), json!("dynamic")])?;
        }
        rope.only("partial_rotary_factor", &[json!(1)])?;
        if rope.has("full_attention") {
            return Err(text.unsupported(key, "one set of parameters for all layers"));
        }
        theta = rope.number("rope_theta")?.or(theta);
    }
    Ok(theta.unwrap_or(10_000.0))
}
