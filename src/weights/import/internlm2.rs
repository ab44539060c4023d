//! InternLM2 and InternLM2.5 as published: own tensor names, and q, k, v fused per key-value head.

use serde_json::json;

use super::language::{Defaults, Family, Qkv};

/// `InternLM2ForCausalLM`; defaults of `InternLM2Config`, whose `bias` defaults to true.
pub(super) const INTERNLM2: Family = Family {
    model_type: "internlm2",
    architecture: "InternLM2ForCausalLM",
    defaults: Defaults {
        vocab_size: 103168,
        hidden_size: 4096,
        intermediate_size: 11008,
        layers: 32,
        heads: 32,
        kv_heads: None,
        head_dim: None,
        max_positions: 2048,
    },
    qkv: Qkv::Grouped,
    qkv_bias: false,
    qk_norm: false,
    names: &[
        ("embed_tokens", &["tok_embeddings"]),
        ("attn_norm", &["attention_norm"]),
        ("attn.qkv", &["attention.wqkv"]),
        ("attn.o_proj", &["attention.wo"]),
        ("mlp_norm", &["ffn_norm"]),
        ("mlp.gate_up", &["feed_forward.w1", "feed_forward.w3"]),
        ("mlp.down", &["feed_forward.w2"]),
        ("norm", &["norm"]),
    ],
    head: "output.weight",
    check: |text| {
        if text.flag("bias")? != Some(false) {
            return Err(text.unsupported("bias", "false"));
        }
        text.only("pretraining_tp", &[json!(1)])?;
        text.only("rope_pos_id_version", &[json!("default")])
    },
};
