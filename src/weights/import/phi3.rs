//! Phi-3: Mini-InternVL 4B and InternVL2-4B. Fused projections, and LongRoPE beyond 4,096 positions.

use serde_json::json;

use super::language::{Defaults, Family, Qkv};

/// `Phi3ForCausalLM`; defaults of `Phi3Config`.
pub(super) const PHI3: Family = Family {
    model_type: "phi3",
    architecture: "Phi3ForCausalLM",
    defaults: Defaults {
        vocab_size: 32064,
        hidden_size: 3072,
        intermediate_size: 8192,
        layers: 32,
        heads: 32,
        kv_heads: None,
        head_dim: None,
        max_positions: 4096,
    },
    qkv: Qkv::Split,
    qkv_bias: false,
    qk_norm: false,
    names: &[
        ("embed_tokens", &["embed_tokens"]),
        ("attn_norm", &["input_layernorm"]),
        ("attn.qkv", &["self_attn.qkv_proj"]),
        ("attn.o_proj", &["self_attn.o_proj"]),
        ("mlp_norm", &["post_attention_layernorm"]),
        ("mlp.gate_up", &["mlp.gate_up_proj"]),
        ("mlp.down", &["mlp.down_proj"]),
        ("norm", &["norm"]),
    ],
    head: "lm_head.weight",
    check: |text| {
        text.only("attention_bias", &[json!(false)])?;
        // This class alone has another default than 1e-6.
        if text.number("rms_norm_eps")?.is_none() {
            return Err(text.wrong("rms_norm_eps", "missing".into()));
        }
        let context = text.size("max_position_embeddings")?.unwrap_or(4096);
        match text.size("sliding_window")? {
            Some(window) if window < context => Err(text.unsupported(
                "sliding_window",
                "a window of max_position_embeddings or more",
            )),
            _ => Ok(()),
        }
    },
};
