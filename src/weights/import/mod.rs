//! Checkpoints of the InternVL family: config.json and its companions, or the metadata of GGUF files, become a
//! [`ModelConfig`], and each canonical tensor gets a recipe. The last place that knows families and layouts; whatever
//! changes numbers and is not implemented is refused here, by name.

mod chat;
mod gguf;
mod internlm2;
mod language;
mod llama;
mod phi3;
mod qwen2;
mod qwen3;
mod recipe;
mod section;
mod sentencepiece;
mod tokenizer;
mod vision;
mod vocabulary;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) use self::recipe::Recipe;
pub(crate) use self::tokenizer::TOKENIZER;

use self::recipe::{Naming, Namings};
use self::section::Section;
use super::safetensors::{self, Tensor};
use super::source::Source;
use crate::config::{ModelConfig, PixelShuffle, ProjectorConfig, TilingConfig};
use crate::error::{Error, Result};

const CONFIG: &str = "config.json";
const PROCESSOR: &str = "processor_config.json";
const OLD_PROCESSOR: &str = "preprocessor_config.json";
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// Canonical stems, each with the checkpoint stems whose rows it stacks.
type Names = &'static [(&'static str, &'static [&'static str])];

/// The two layouts of published checkpoints (spec section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `InternVLChatModel`: remote code.
    Original,
    /// `InternVLForConditionalGeneration`.
    Hf {
        /// All names but the head's begin with `model.`.
        nested: bool,
    },
}

/// A checkpoint understood: its config, its tensors, and how to make ours from them.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) config: ModelConfig,
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) recipes: BTreeMap<String, Recipe>,
    /// A tokenizer.json.
    pub(crate) tokenizer: Vec<u8>,
}

impl Import {
    /// Reads every file but the weights themselves.
    pub(crate) async fn open(source: &Source) -> Result<Self> {
        let Some(bytes) = source.read_all(CONFIG).await? else {
            return Err(Error::MissingFile {
                file: CONFIG.into(),
            });
        };
        let value: Value = safetensors::json(CONFIG, &bytes)?;
        let root = Section::root(CONFIG, &value)?;
        // The tensors' names settle two questions that the config leaves open: the prefix, and whether there is a head.
        let mut layout = match root.text("model_type")? {
            Some("internvl_chat") => Layout::Original,
            Some("internvl") => Layout::Hf { nested: false },
            Some(found) => {
                return Err(Error::UnknownArchitecture {
                    key: "model_type".into(),
                    found: found.into(),
                });
            }
            None => return Err(root.wrong("model_type", "missing".into())),
        };
        refuse(&root)?;
        let text = root.required(if layout == Layout::Original {
            "llm_config"
        } else {
            "text_config"
        })?;
        let family = language::family(&text)?;
        let vision = vision::config(layout, &root.required("vision_config")?)?;

        let tensors = safetensors::open(source).await?;
        if let Layout::Hf { nested } = &mut layout {
            *nested = tensors.keys().any(|name| name.starts_with("model."));
        }
        let heads = match layout {
            Layout::Original => vec![format!("language_model.{}", family.head)],
            Layout::Hf { .. } => vec![
                "lm_head.weight".into(),
                "language_model.lm_head.weight".into(),
            ],
        };
        let tokenizer = tokenizer::of_folder(source).await?;
        let head = heads.iter().find(|name| tensors.contains_key(*name));
        let tied = says_tied(layout, &root, &text)? && head.is_none();
        let head = head.unwrap_or(&heads[heads.len() - 1]).clone();

        let config = ModelConfig {
            projector: ProjectorConfig {
                shuffle: shuffle(layout, &root)?,
                downsample: 2,
            },
            tiling: match layout {
                Layout::Original => tiling(&root, vision.image_size)?,
                Layout::Hf { .. } => hf_tiling(source, vision.image_size).await?,
            },
            vision,
            language: language::config(family, &text, tied)?,
            chat: chat::config(source, &tokenizer, layout, &root, &text).await?,
        };
        config.validate()?;
        let namings = namings(layout, family, head);
        let recipes = recipe::plan(&config, &namings, &tensors)?;
        Ok(Self {
            config,
            tensors,
            recipes,
            tokenizer,
        })
    }

    /// Reads the headers of GGUF files: a language model and, where it sees, its encoder.
    pub(crate) async fn open_gguf(
        source: &Source,
        model: &str,
        mmproj: Option<&str>,
    ) -> Result<Self> {
        gguf::open(source, model, mmproj).await
    }
}

/// Top-level keys of either layout that change what the model computes, with the values that are implemented.
fn refuse(root: &Section) -> Result<()> {
    for (key, supported) in [
        ("downsample_ratio", json!(0.5)),
        ("select_layer", json!(-1)),
        ("vision_feature_layer", json!(-1)),
        ("vision_feature_select_strategy", json!("default")),
        ("projector_hidden_act", json!("gelu")),
        ("pad2square", json!(false)),
        ("use_backbone_lora", json!(0)),
        ("use_llm_lora", json!(0)),
        ("flash_mode", json!(false)),
    ] {
        root.only(key, &[supported])?;
    }
    match root.get("quantization_config") {
        Some(_) => Err(root.unsupported("quantization_config", "unquantized checkpoints")),
        None => Ok(()),
    }
}

fn shuffle(layout: Layout, root: &Section) -> Result<PixelShuffle> {
    match (layout, root.text("ps_version")?) {
        (Layout::Hf { .. }, _) | (Layout::Original, Some("v2")) => Ok(PixelShuffle::V2),
        (Layout::Original, None | Some("v1")) => Ok(PixelShuffle::V1),
        (Layout::Original, Some(_)) => Err(root.unsupported("ps_version", "v1, v2")),
    }
}

/// What the config says about a head that is not in the files. Each layout has its own section that decides.
fn says_tied(layout: Layout, root: &Section, text: &Section) -> Result<bool> {
    let (top, inner) = (
        root.flag("tie_word_embeddings")?,
        text.flag("tie_word_embeddings")?,
    );
    Ok(match layout {
        Layout::Original => inner.or(top).unwrap_or(false),
        Layout::Hf { .. } => top.or(inner).unwrap_or(true),
    })
}

/// Tile limits of the original layout; defaults of `InternVLChatConfig`.
fn tiling(root: &Section, image_size: usize) -> Result<TilingConfig> {
    if root
        .size("force_image_size")?
        .is_some_and(|forced| forced != image_size)
    {
        return Err(root.unsupported("force_image_size", "the encoder's own image_size"));
    }
    let thumbnail = root.flag("use_thumbnail")?.unwrap_or(false);
    if !root.flag("dynamic_image_size")?.unwrap_or(false) {
        return Ok(TilingConfig {
            min_tiles: 1,
            max_tiles: 1,
            thumbnail,
        });
    }
    let min_tiles = root.size("min_dynamic_patch")?.unwrap_or(1);
    Ok(TilingConfig {
        min_tiles,
        max_tiles: root.size("max_dynamic_patch")?.unwrap_or(6),
        thumbnail,
    })
}

/// Tile limits of the `-hf` layout: `InternVLProcessor` always cuts and always adds the thumbnail. Where the file is
/// there, what it leaves out means the defaults of `GotOcr2ImageProcessor`, which are not InternVL's.
async fn hf_tiling(source: &Source, image_size: usize) -> Result<TilingConfig> {
    let mut tiling = TilingConfig {
        min_tiles: 1,
        max_tiles: 12,
        thumbnail: true,
    };
    let processor = optional(source, PROCESSOR).await?;
    let old = optional(source, OLD_PROCESSOR).await?;
    let images = match Section::root(PROCESSOR, &processor)?.child("image_processor")? {
        Some(images) => images,
        None if old.as_object().is_none_or(|map| map.is_empty()) => return Ok(tiling),
        None => Section::root(OLD_PROCESSOR, &old)?,
    };
    if images
        .text("image_processor_type")?
        .is_some_and(|kind| !kind.starts_with("GotOcr2ImageProcessor"))
    {
        return Err(images.unsupported("image_processor_type", "GotOcr2ImageProcessor"));
    }
    for (key, supported) in [("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD)] {
        if images.get(key) != Some(&json!(supported)) {
            return Err(images.unsupported(key, &format!("{supported:?} (ImageNet)")));
        }
    }
    for (key, supported) in [
        ("do_resize", json!(true)),
        ("do_rescale", json!(true)),
        ("do_normalize", json!(true)),
        ("do_center_crop", json!(false)),
        ("do_pad", json!(false)),
        ("resample", json!(3)),
        ("rescale_factor", json!(1.0 / 255.0)),
    ] {
        images.only(key, &[supported])?;
    }
    let sides = images
        .child("size")?
        .map(|size| Ok((size.size("height")?, size.size("width")?)))
        .transpose()?;
    if sides != Some((Some(image_size), Some(image_size))) {
        return Err(images.unsupported(
            "size",
            &format!("the encoder's {image_size} x {image_size}"),
        ));
    }
    tiling.min_tiles = images.size("min_patches")?.unwrap_or(tiling.min_tiles);
    tiling.max_tiles = images.size("max_patches")?.unwrap_or(tiling.max_tiles);
    Ok(tiling)
}

fn namings(layout: Layout, family: &language::Family, head: String) -> Namings {
    let naming = |prefix: &str, layers, names| Naming {
        prefix: prefix.into(),
        layers,
        names,
    };
    let (vision, projector, prefix) = match layout {
        Layout::Original => (
            naming("vision_model.", "encoder.layers.", vision::ORIGINAL),
            naming("mlp1.", "", vision::PROJECTOR),
            "language_model.model.",
        ),
        Layout::Hf { nested } => {
            let model = if nested { "model." } else { "" };
            (
                naming(
                    &format!("{model}vision_tower."),
                    "encoder.layer.",
                    vision::HF,
                ),
                naming(
                    &format!("{model}multi_modal_projector."),
                    "",
                    vision::HF_PROJECTOR,
                ),
                if nested {
                    "model.language_model."
                } else {
                    "language_model.model."
                },
            )
        }
    };
    let language = naming(prefix, "layers.", family.names);
    Namings {
        vision,
        projector,
        language,
        head,
        qkv: family.qkv,
        leading_ones: true,
    }
}

/// A JSON file that need not be there; an empty object where it is not.
async fn optional(source: &Source, file: &str) -> Result<Value> {
    match source.read_all(file).await? {
        Some(bytes) => safetensors::json(file, &bytes),
        None => Ok(json!({})),
    }
}
