//! Llama: the InternLM2 of converted checkpoints. Its tensor names are those of Qwen2 and Qwen3 as well.

use serde_json::json;

use super::language::{Defaults, Family, Qkv};

/// `LlamaForCausalLM`; defaults of `LlamaConfig`.
pub(super) const LLAMA: Family = Family {
    model_type: "llama",
    architecture: "LlamaForCausalLM",
    defaults: Defaults {
        vocab_size: 32000,
        hidden_size: 4096,
        intermediate_size: 11008,
        layers: 32,
        heads: 32,
        kv_heads: None,
        head_dim: None,
        max_positions: 2048,
    },
    qkv: Qkv::Split,
    qkv_bias: false,
    qk_norm: false,
    names: NAMES,
    head: "lm_head.weight",
    check: |text| {
        text.only("attention_bias", &[json!(false)])?;
        text.only("mlp_bias", &[json!(false)])?;
        text.only("pretraining_tp", &[json!(1)])
    },
};

/// Canonical stems and the stems whose rows they stack.
pub(super) const NAMES: super::Names = &[
    ("embed_tokens", &["embed_tokens"]),
    ("attn_norm", &["input_layernorm"]),
    (
        "attn.qkv",
        &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    ),
    ("attn.q_norm", &["self_attn.q_norm"]),
    ("attn.k_norm", &["self_attn.k_norm"]),
    ("attn.o_proj", &["self_attn.o_proj"]),
    ("mlp_norm", &["post_attention_layernorm"]),
    ("mlp.gate_up", &["mlp.gate_proj", "mlp.up_proj"]),
    ("mlp.down", &["mlp.down_proj"]),
    ("norm", &["norm"]),
];
