//! InternViT and the projector, in both layouts.

use serde_json::json;

use super::section::Section;
use super::{Layout, Names};
use crate::config::{NormKind, VisionConfig};
use crate::error::{Error, Result};

/// The encoder's config. Left-out keys mean the first InternViT-6B in the original layout (`InternVisionConfig`) and the
/// 300M in the other (`InternVLVisionConfig`).
pub(super) fn config(layout: Layout, vision: &Section) -> Result<VisionConfig> {
    let (model_type, bias, qk_norm) = match layout {
        Layout::Original => ("intern_vit_6b", "qkv_bias", "qk_normalization"),
        Layout::Hf { .. } => ("internvl_vision", "attention_bias", "use_qk_norm"),
    };
    // Converted checkpoints keep the original class name.
    for (key, found, known) in [
        (
            "model_type",
            vision.text("model_type")?,
            [model_type, model_type],
        ),
        (
            "architectures",
            vision.first("architectures"),
            ["InternVisionModel", "InternVLVisionModel"],
        ),
    ] {
        if let Some(found) = found.filter(|found| !known.contains(found)) {
            return Err(Error::UnknownArchitecture {
                key: vision.name(key),
                found: found.into(),
            });
        }
    }
    vision.only("hidden_act", &[json!("gelu")])?;
    vision.only("num_channels", &[json!(3)])?;
    vision.only("use_absolute_position_embeddings", &[json!(true)])?;
    // Without mean pooling the class applies one more LayerNorm at the end.
    vision.only("use_mean_pooling", &[json!(true)])?;

    let defaults = match layout {
        Layout::Original => VisionConfig {
            image_size: 224,
            patch_size: 14,
            hidden_size: 3200,
            intermediate_size: 12800,
            layers: 48,
            heads: 25,
            norm: NormKind::RmsNorm,
            eps: 1e-6,
            qkv_bias: false,
            qk_norm: true,
        },
        Layout::Hf { .. } => VisionConfig {
            image_size: 448,
            patch_size: 14,
            hidden_size: 1024,
            intermediate_size: 4096,
            layers: 24,
            heads: 16,
            norm: NormKind::LayerNorm,
            eps: 1e-6,
            qkv_bias: false,
            qk_norm: false,
        },
    };
    let config = VisionConfig {
        image_size: vision.square("image_size")?.unwrap_or(defaults.image_size),
        patch_size: vision.square("patch_size")?.unwrap_or(defaults.patch_size),
        hidden_size: vision.size("hidden_size")?.unwrap_or(defaults.hidden_size),
        intermediate_size: vision
            .size("intermediate_size")?
            .unwrap_or(defaults.intermediate_size),
        layers: vision.size("num_hidden_layers")?.unwrap_or(defaults.layers),
        heads: vision
            .size("num_attention_heads")?
            .unwrap_or(defaults.heads),
        norm: match vision.text("norm_type")? {
            None => defaults.norm,
            Some("layer_norm") => NormKind::LayerNorm,
            Some("rms_norm") => NormKind::RmsNorm,
            Some(_) => return Err(vision.unsupported("norm_type", "\"layer_norm\", \"rms_norm\"")),
        },
        eps: vision.number("layer_norm_eps")?.unwrap_or(defaults.eps),
        qkv_bias: vision.flag(bias)?.unwrap_or(defaults.qkv_bias),
        qk_norm: vision.flag(qk_norm)?.unwrap_or(defaults.qk_norm),
    };
    // That class gives its q and k norms an epsilon of their own.
    if matches!(layout, Layout::Hf { .. }) && config.qk_norm && config.eps != 1e-6 {
        return Err(vision.unsupported("layer_norm_eps", "1e-6 beside use_qk_norm"));
    }
    Ok(config)
}

/// Encoder names in the original layout, under `vision_model.`; layers under `encoder.layers.`.
pub(super) const ORIGINAL: Names = &[
    ("class_embedding", &["embeddings.class_embedding"]),
    ("patch_embedding", &["embeddings.patch_embedding"]),
    ("position_embedding", &["embeddings.position_embedding"]),
    ("norm1", &["norm1"]),
    ("attn.qkv", &["attn.qkv"]),
    ("attn.q_norm", &["attn.q_norm"]),
    ("attn.k_norm", &["attn.k_norm"]),
    ("attn.proj", &["attn.proj"]),
    ("ls1", &["ls1"]),
    ("norm2", &["norm2"]),
    ("mlp.fc1", &["mlp.fc1"]),
    ("mlp.fc2", &["mlp.fc2"]),
    ("ls2", &["ls2"]),
];

/// Encoder names in the `-hf` layout, under `vision_tower.`; layers under `encoder.layer.`.
pub(super) const HF: Names = &[
    ("class_embedding", &["embeddings.cls_token"]),
    (
        "patch_embedding",
        &["embeddings.patch_embeddings.projection"],
    ),
    ("position_embedding", &["embeddings.position_embeddings"]),
    ("norm1", &["layernorm_before"]),
    (
        "attn.qkv",
        &["attention.q_proj", "attention.k_proj", "attention.v_proj"],
    ),
    ("attn.q_norm", &["attention.q_norm"]),
    ("attn.k_norm", &["attention.k_norm"]),
    ("attn.proj", &["attention.projection_layer"]),
    ("ls1", &["lambda_1"]),
    ("norm2", &["layernorm_after"]),
    ("mlp.fc1", &["mlp.fc1"]),
    ("mlp.fc2", &["mlp.fc2"]),
    ("ls2", &["lambda_2"]),
];

/// Projector names in the original layout, under `mlp1.`.
pub(super) const PROJECTOR: Names = &[("norm", &["0"]), ("fc1", &["1"]), ("fc2", &["3"])];

/// Projector names in the `-hf` layout, under `multi_modal_projector.`.
pub(super) const HF_PROJECTOR: Names = &[
    ("norm", &["layer_norm"]),
    ("fc1", &["linear_1"]),
    ("fc2", &["linear_2"]),
];
