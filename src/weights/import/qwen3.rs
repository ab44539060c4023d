//! Qwen3: InternVL 3.5. No qkv bias, a norm on each head of q and k, and a head size of its own.

use serde_json::json;

use super::language::{Defaults, Family, Qkv};
use super::{llama, qwen2};

/// `Qwen3ForCausalLM`; defaults of `Qwen3Config`.
pub(super) const QWEN3: Family = Family {
    model_type: "qwen3",
    architecture: "Qwen3ForCausalLM",
    defaults: Defaults {
        vocab_size: 151936,
        hidden_size: 4096,
        intermediate_size: 22016,
        layers: 32,
        heads: 32,
        kv_heads: Some(32),
        head_dim: Some(128),
        max_positions: 32768,
    },
    qkv: Qkv::Split,
    qkv_bias: false,
    qk_norm: true,
    names: llama::NAMES,
    head: "lm_head.weight",
    check: |text| {
        text.only("attention_bias", &[json!(false)])?;
        qwen2::full_attention(text)
    },
};
