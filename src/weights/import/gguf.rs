//! GGUF files as llama.cpp's converter writes them: a language model and, for InternVL, an `mmproj` file with encoder and
//! projector (spec section 7.2).
//!
//! The encoder's file keeps the class token's position first, as the model has it, and does not say what kind its norms
//! are: an RMSNorm has no bias. Its projector's epsilon and its exact GELU are InternVL's, whatever the file says of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::language::{Qkv, long_rope_scale};
use super::recipe::{self, Naming, Namings};
use super::section::Section;
use super::{IMAGENET_MEAN, IMAGENET_STD, Import, Names, chat, tokenizer};
use crate::config::{
    LanguageConfig, LongRope, ModelConfig, NormKind, PixelShuffle, ProjectorConfig, TilingConfig,
    VisionConfig,
};
use crate::error::{Error, Result, TensorDefect};
use crate::weights::gguf::{self, Gguf};
use crate::weights::safetensors::{Dtype, Tensor, merge};
use crate::weights::source::Source;

const ARCHITECTURE: &str = "general.architecture";

/// A language family as llama.cpp stores it.
struct Family {
    architecture: &'static str,
    qkv: Qkv,
    qkv_bias: bool,
    qk_norm: bool,
    names: Names,
}

/// Llama and InternLM2 are stored for RoPE on neighbours, the others for RoPE on halves.
const FAMILIES: [Family; 5] = [
    Family {
        architecture: "internlm2",
        qkv: Qkv::Interleaved,
        qkv_bias: false,
        qk_norm: false,
        names: NAMES,
    },
    Family {
        architecture: "llama",
        qkv: Qkv::Interleaved,
        qkv_bias: false,
        qk_norm: false,
        names: NAMES,
    },
    Family {
        architecture: "phi3",
        qkv: Qkv::Split,
        qkv_bias: false,
        qk_norm: false,
        names: PHI3_NAMES,
    },
    Family {
        architecture: "qwen2",
        qkv: Qkv::Split,
        qkv_bias: true,
        qk_norm: false,
        names: NAMES,
    },
    Family {
        architecture: "qwen3",
        qkv: Qkv::Split,
        qkv_bias: false,
        qk_norm: true,
        names: NAMES,
    },
];

const NAMES: Names = &[
    ("embed_tokens", &["token_embd"]),
    ("attn_norm", &["attn_norm"]),
    ("attn.qkv", &["attn_q", "attn_k", "attn_v"]),
    ("attn.q_norm", &["attn_q_norm"]),
    ("attn.k_norm", &["attn_k_norm"]),
    ("attn.o_proj", &["attn_output"]),
    ("mlp_norm", &["ffn_norm"]),
    ("mlp.gate_up", &["ffn_gate", "ffn_up"]),
    ("mlp.down", &["ffn_down"]),
    ("norm", &["output_norm"]),
];

/// Phi-3's fused projections; its `ffn_up` holds gate and up.
const PHI3_NAMES: Names = &[
    ("embed_tokens", &["token_embd"]),
    ("attn_norm", &["attn_norm"]),
    ("attn.qkv", &["attn_qkv"]),
    ("attn.o_proj", &["attn_output"]),
    ("mlp_norm", &["ffn_norm"]),
    ("mlp.gate_up", &["ffn_up"]),
    ("mlp.down", &["ffn_down"]),
    ("norm", &["output_norm"]),
];

const VISION_NAMES: Names = &[
    ("class_embedding", &["class_embd"]),
    ("patch_embedding", &["patch_embd"]),
    ("position_embedding", &["position_embd.weight"]),
    ("norm1", &["ln1"]),
    ("attn.qkv", &["attn_q", "attn_k", "attn_v"]),
    ("attn.q_norm", &["attn_q_norm"]),
    ("attn.k_norm", &["attn_k_norm"]),
    ("attn.proj", &["attn_out"]),
    ("ls1", &["ls1.weight"]),
    ("norm2", &["ln2"]),
    ("mlp.fc1", &["ffn_up"]),
    ("mlp.fc2", &["ffn_down"]),
    ("ls2", &["ls2.weight"]),
];

const PROJECTOR_NAMES: Names = &[("norm", &["0"]), ("fc1", &["1"]), ("fc2", &["3"])];

/// Reads the headers and whatever else is small.
pub(super) async fn open(source: &Source, model: &str, mmproj: Option<&str>) -> Result<Import> {
    let Gguf {
        metadata,
        mut tensors,
    } = gguf::open(source, model).await?;
    let metadata = Value::Object(metadata);
    let text = Section::root(model, &metadata)?;
    let Some(architecture) = text.text(ARCHITECTURE)? else {
        return Err(text.wrong(ARCHITECTURE, "missing".into()));
    };
    let Some(family) = FAMILIES.iter().find(|f| f.architecture == architecture) else {
        return Err(Error::UnknownArchitecture {
            key: ARCHITECTURE.into(),
            found: architecture.into(),
        });
    };
    let mut language = language(family, &text, &tensors)?;
    language.long_rope = long_rope(source, &text, &language, &mut tensors).await?;

    let (mut vision, mut tiling) = (VisionConfig::NONE, NO_TILES);
    if let Some(file) = mmproj {
        let mmproj = gguf::open(source, file).await?;
        (vision, tiling) = encoder(file, mmproj.metadata, &mmproj.tensors)?;
        merge(&mut tensors, mmproj.tensors.into_iter().collect())?;
    }
    let sees = mmproj.is_some();
    let tokenizer = tokenizer::of_gguf(model, architecture, &text)?;
    let config = ModelConfig {
        projector: ProjectorConfig {
            shuffle: PixelShuffle::V2,
            downsample: 2,
        },
        chat: chat::of_gguf(&text, &tokenizer, sees)?,
        vision,
        language,
        tiling,
    };
    config.validate()?;
    let naming = |prefix: &str, layers, names| Naming {
        prefix: prefix.into(),
        layers,
        names,
    };
    let namings = Namings {
        vision: naming("v.", "blk.", VISION_NAMES),
        projector: naming("mm.", "", PROJECTOR_NAMES),
        language: naming("", "blk.", family.names),
        head: "output.weight".into(),
        qkv: family.qkv,
        leading_ones: false,
    };
    let recipes = recipe::plan(&config, &namings, &tensors)?;
    Ok(Import {
        config,
        tensors,
        recipes,
        tokenizer,
    })
}

type Tensors = BTreeMap<String, Tensor>;

/// The decoder's config, LongRoPE aside.
fn language(family: &Family, text: &Section, tensors: &Tensors) -> Result<LanguageConfig> {
    let key = |name: &str| format!("{}.{name}", family.architecture);
    let size = |name: &str| text.size(&key(name));
    let needed = |name: &str| size(name)?.ok_or_else(|| text.wrong(&key(name), "missing".into()));
    let hidden_size = needed("embedding_length")?;
    let heads = needed("attention.head_count")?;
    let head_dim = match size("attention.key_length")? {
        Some(head_dim) => head_dim,
        None if heads > 0 && hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => {
            return Err(text.wrong(
                &key("embedding_length"),
                format!("{hidden_size} does not divide by {heads} heads"),
            ));
        }
    };
    for name in ["attention.value_length", "rope.dimension_count"] {
        text.only(&key(name), &[json!(head_dim)])?;
    }
    text.only(
        &key("rope.scaling.type"),
        &[json!("none"), json!("longrope")],
    )?;
    text.only(&key("attention.causal"), &[json!(true)])?;
    let max_positions = needed("context_length")?;
    let window = "attention.sliding_window";
    if size(window)?.is_some_and(|window| window < max_positions) {
        return Err(text.unsupported(&key(window), "a window of context_length or more"));
    }
    let eps = "attention.layer_norm_rms_epsilon";
    let embedding = tensors.get("token_embd.weight");
    Ok(LanguageConfig {
        // Rows of the embedding; tokens there may be fewer.
        vocab_size: embedding
            .and_then(|tensor| tensor.shape.first())
            .and_then(|&rows| usize::try_from(rows).ok())
            .ok_or_else(|| Error::MissingTensor {
                tensor: "token_embd.weight".into(),
            })?,
        hidden_size,
        intermediate_size: needed("feed_forward_length")?,
        layers: needed("block_count")?,
        heads,
        kv_heads: size("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        eps: text
            .number(&key(eps))?
            .ok_or_else(|| text.wrong(&key(eps), "missing".into()))?,
        rope_theta: text.number(&key("rope.freq_base"))?.unwrap_or(10_000.0),
        max_positions,
        long_rope: None,
        qkv_bias: family.qkv_bias,
        qk_norm: family.qk_norm,
        tied_embeddings: !tensors.contains_key("output.weight"),
    })
}

/// LongRoPE's factors, two small tensors, which are taken out of `tensors`.
async fn long_rope(
    source: &Source,
    text: &Section<'_>,
    language: &LanguageConfig,
    tensors: &mut Tensors,
) -> Result<Option<LongRope>> {
    let mut factors = Vec::new();
    for name in ["rope_factors_short.weight", "rope_factors_long.weight"] {
        let Some(tensor) = tensors.remove(name) else {
            continue;
        };
        tensor.check_shape(name, &[language.head_dim / 2])?;
        let bytes = source.read(&tensor.file, tensor.range.clone()).await?;
        if tensor.dtype != Dtype::F32 {
            let dtype = format!("{:?}", tensor.dtype);
            return Err(TensorDefect::Dtype(dtype).of(&tensor.file, name));
        }
        let mut values = Vec::new();
        tensor.dtype.widen(&bytes, &mut values);
        factors.push(values);
    }
    let key = "phi3.rope.scaling.original_context_length";
    let (original, scale) = (
        text.size(key)?,
        text.number("phi3.rope.scaling.attn_factor")?,
    );
    match (<[Vec<f32>; 2]>::try_from(factors), original) {
        (Ok([short, long]), Some(original_positions)) if original_positions > 0 => {
            let usual = long_rope_scale(language.max_positions, original_positions);
            Ok(Some(LongRope {
                short,
                long,
                original_positions,
                scale: scale.unwrap_or(usual),
            }))
        }
        (Err(factors), _) if factors.is_empty() => Ok(None),
        _ => Err(text.wrong(key, "missing beside the factors, or one factor is".into())),
    }
}

/// Where there is no encoder.
const NO_TILES: TilingConfig = TilingConfig {
    min_tiles: 0,
    max_tiles: 0,
    thumbnail: false,
};

/// Config of the encoder in an `mmproj` file, and of the tiles it is given.
fn encoder(
    file: &str,
    metadata: Map<String, Value>,
    tensors: &Tensors,
) -> Result<(VisionConfig, TilingConfig)> {
    let metadata = Value::Object(metadata);
    let clip = Section::root(file, &metadata)?;
    if clip.text(ARCHITECTURE)? != Some("clip") {
        return Err(clip.unsupported(ARCHITECTURE, "clip, in the mmproj file"));
    }
    let kind = ["clip.projector_type", "clip.vision.projector_type"]
        .into_iter()
        .find(|key| clip.get(key).is_some())
        .unwrap_or("clip.projector_type");
    if clip.text(kind)? != Some("internvl") {
        return Err(clip.unsupported(kind, "internvl"));
    }
    let key = |name: &str| format!("clip.vision.{name}");
    let size = |name: &str| clip.size(&key(name));
    let needed = |name: &str| size(name)?.ok_or_else(|| clip.wrong(&key(name), "missing".into()));
    clip.only(&key("projector.scale_factor"), &[json!(2)])?;
    clip.only("clip.use_silu", &[json!(false)])?;
    for (name, supported) in [("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD)] {
        let same = clip
            .numbers(&key(name))?
            .into_iter()
            .eq(supported.map(|x| x as f32));
        if !same {
            return Err(clip.unsupported(&key(name), &format!("{supported:?} (ImageNet)")));
        }
    }
    let has = |name: &str| tensors.contains_key(&format!("v.blk.0.{name}"));
    let eps = "attention.layer_norm_epsilon";
    let vision = VisionConfig {
        image_size: needed("image_size")?,
        patch_size: needed("patch_size")?,
        hidden_size: needed("embedding_length")?,
        intermediate_size: needed("feed_forward_length")?,
        layers: needed("block_count")?,
        heads: needed("attention.head_count")?,
        norm: match has("ln1.bias") {
            true => NormKind::LayerNorm,
            false => NormKind::RmsNorm,
        },
        eps: clip
            .number(&key(eps))?
            .ok_or_else(|| clip.wrong(&key(eps), "missing".into()))?,
        qkv_bias: has("attn_q.bias"),
        qk_norm: has("attn_q_norm.weight"),
    };
    let tiling = TilingConfig {
        min_tiles: size("preproc_min_tiles")?.unwrap_or(1),
        max_tiles: size("preproc_max_tiles")?.unwrap_or(12),
        thumbnail: true,
    };
    Ok((vision, tiling))
}
