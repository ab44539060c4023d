//! Qwen2 and Qwen2.5: InternVL2-1B, InternVL 2.5 1B and 4B, InternVL3.

use serde_json::json;

use super::language::{Defaults, Family, Qkv};
use super::{llama, section::Section};
use crate::error::Result;

/// `Qwen2ForCausalLM`; defaults of `Qwen2Config`.
pub(super) const QWEN2: Family = Family {
    model_type: "qwen2",
    architecture: "Qwen2ForCausalLM",
    defaults: Defaults {
        vocab_size: 151936,
        hidden_size: 4096,
        intermediate_size: 22016,
        layers: 32,
        heads: 32,
        kv_heads: Some(32),
        head_dim: None,
        max_positions: 32768,
    },
    qkv: Qkv::Split,
    qkv_bias: true,
    qk_norm: false,
    names: llama::NAMES,
    head: "lm_head.weight",
    check: full_attention,
};

/// Refuses sliding windows, which both Qwen generations can ask for in two ways.
pub(super) fn full_attention(text: &Section) -> Result<()> {
    text.only("use_sliding_window", &[json!(false)])?;
    let layers = text.get("layer_types").and_then(|types| types.as_array());
    match layers.is_some_and(|types| types.iter().any(|kind| kind != "full_attention")) {
        true => Err(text.unsupported("layer_types", "full_attention in every layer")),
        false => Ok(()),
    }
}
