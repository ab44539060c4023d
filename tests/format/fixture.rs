//! Tiny checkpoints of every family and layout, spelled out by hand: the names come from the published classes, not from
//! the code under test. Every value follows from the tensor's name and index.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use half::{bf16, f16};
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source, write_pack};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// C, F, D, V and the decoder's F of every fixture; patches of 7 in tiles of 28; two layers in each tower.
pub(crate) const C: usize = 32;
pub(crate) const VF: usize = 64;
pub(crate) const D: usize = 64;
pub(crate) const V: usize = 48;
pub(crate) const LF: usize = 96;
pub(crate) const HEADS: usize = 4;
pub(crate) const KV: usize = 2;
pub(crate) const LAYERS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    Original,
    Hf,
    /// `-hf` with the `model.` prefix.
    HfNested,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Qwen2,
    Qwen3,
    InternLm2,
    Llama,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tower {
    /// LayerNorm, qkv bias.
    Small,
    /// RMSNorm, q/k norm, no qkv bias.
    Big,
}

/// A checkpoint that tests may bend before it is opened.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) layout: Layout,
    pub(crate) family: Family,
    pub(crate) config: Value,
    pub(crate) tensors: Vec<(String, Vec<usize>)>,
    pub(crate) dtype: Dtype,
    /// Every file but config.json and the weights.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Fixture {
    pub(crate) fn new(layout: Layout, family: Family, tower: Tower) -> Self {
        let mut tensors = vision(layout, tower);
        tensors.extend(projector(layout));
        tensors.extend(language(layout, family));
        let files = BTreeMap::from([
            ("tokenizer.json".into(), json_bytes(&tokenizer())),
            (
                "tokenizer_config.json".into(),
                json_bytes(&json!({ "eos_token": "<|im_end|>" })),
            ),
            (
                "chat_template.jinja".into(),
                b"{{ messages }}<|im_end|>".to_vec(),
            ),
        ]);
        Self {
            layout,
            family,
            config: config(layout, family, tower),
            tensors,
            dtype: Dtype::F32,
            files,
        }
    }

    /// The usual subject of a test about something else.
    pub(crate) fn plain() -> Self {
        Self::new(Layout::Original, Family::Qwen2, Tower::Small)
    }

    pub(crate) fn hf() -> Self {
        Self::new(Layout::Hf, Family::Qwen2, Tower::Small)
    }

    /// Sets the config key at a JSON pointer.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        self.config
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert(key.into(), value);
        self
    }

    pub(crate) fn unset(mut self, pointer: &str) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        self.config
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(key);
        self
    }

    pub(crate) fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.into(), bytes.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.files.remove(name);
        self
    }

    /// Replaces the shape of a tensor, or adds one.
    pub(crate) fn tensor(mut self, name: &str, shape: &[usize]) -> Self {
        self.tensors.retain(|(known, _)| known != name);
        self.tensors.push((name.into(), shape.to_vec()));
        self
    }

    pub(crate) fn drop_tensor(mut self, name: &str) -> Self {
        self.tensors.retain(|(known, _)| known != name);
        self
    }

    /// All files, weights in one.
    pub(crate) fn build(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        files.insert("config.json".into(), json_bytes(&self.config));
        files.insert("model.safetensors".into(), shard(&self.tensors, self.dtype));
        files
    }

    pub(crate) fn open(&self) -> pagelens::Result<Checkpoint> {
        open(self.build())
    }
}

pub(crate) fn open(files: BTreeMap<String, Vec<u8>>) -> pagelens::Result<Checkpoint> {
    promptly(|| pollster::block_on(Checkpoint::open(Source::Memory(files))))
}

/// What a reader makes of a file. One that it refuses must be refused within this time, and its error is printed, so that
/// `cargo test --release --test format -- --nocapture 2>&1 | grep ^refused: | sort -u` lists them.
pub(crate) fn promptly<T>(read: impl FnOnce() -> pagelens::Result<T>) -> pagelens::Result<T> {
    const LIMIT: Duration = Duration::from_millis(100);
    let begin = Instant::now();
    let result = read();
    if let Err(error) = &result {
        let took = begin.elapsed();
        assert!(took < LIMIT, "refused after {took:?}: {error}");
        eprintln!("refused: {error}");
    }
    result
}

/// The files of the pack of a checkpoint.
pub(crate) fn pack(
    checkpoint: &Checkpoint,
    vision: Precision,
    language: Precision,
) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    pollster::block_on(write_pack(
        checkpoint,
        folder.path(),
        "Tiny",
        vision,
        language,
        |done, total| {
            assert!(last <= done && done <= total);
            last = done;
        },
    ))
    .unwrap();
    assert_eq!(last, checkpoint.bytes(), "every byte was read once");
    let entries = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

/// The elements of a tensor: multiples of 1/128, exact in every float type.
pub(crate) fn values(name: &str, elements: Range<usize>) -> impl Iterator<Item = f32> + use<> {
    let seed = name.bytes().fold(0x811c_9dc5u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    elements.map(move |i| {
        f32::from(((seed ^ i as u32).wrapping_mul(0x9e37_79b1) >> 24) as u8 as i8) / 128.0
    })
}

/// A safetensors file.
pub(crate) fn shard(tensors: &[(String, Vec<usize>)], dtype: Dtype) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(name, shape)| bytes(name, shape, dtype))
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, shape), data)| {
        (
            name.as_str(),
            TensorView::new(dtype, shape.clone(), data).unwrap(),
        )
    });
    safetensors::serialize(views, None).unwrap()
}

fn bytes(name: &str, shape: &[usize], dtype: Dtype) -> Vec<u8> {
    let values = values(name, 0..shape.iter().product());
    match dtype {
        Dtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
        Dtype::F16 => values
            .flat_map(|v| f16::from_f32(v).to_le_bytes())
            .collect(),
        Dtype::BF16 => values
            .flat_map(|v| bf16::from_f32(v).to_le_bytes())
            .collect(),
        other => panic!("no fixture has {other:?}"),
    }
}

/// A safetensors file around any header text.
pub(crate) fn raw_shard(header: &str, data: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; data]].concat()
}

pub(crate) fn json_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

pub(crate) fn tokenizer() -> Value {
    let contents = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<img>",
        "</img>",
        "<IMG_CONTEXT>",
        "<|end|>",
    ];
    let added: Vec<Value> = contents
        .iter()
        .enumerate()
        .map(|(i, content)| json!({ "id": 40 + i, "content": content }))
        .collect();
    json!({ "version": "1.0", "added_tokens": added, "model": { "vocab": {} } })
}

fn config(layout: Layout, family: Family, tower: Tower) -> Value {
    let big = tower == Tower::Big;
    let mut text = json!({
        "vocab_size": V, "hidden_size": D, "intermediate_size": LF, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV, "rms_norm_eps": 1e-5, "rope_theta": 1e6,
        "max_position_embeddings": 512, "hidden_act": "silu", "tie_word_embeddings": false,
        "model_type": match family {
            Family::Qwen2 => "qwen2",
            Family::Qwen3 => "qwen3",
            Family::InternLm2 => "internlm2",
            Family::Llama => "llama",
        },
    });
    match family {
        Family::InternLm2 => text["bias"] = json!(false),
        Family::Qwen3 => text["head_dim"] = json!(32),
        Family::Qwen2 | Family::Llama => {}
    }
    let mut vision = json!({
        "hidden_size": C, "intermediate_size": VF, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "norm_type": if big { "rms_norm" } else { "layer_norm" }, "layer_norm_eps": 1e-6,
    });
    if layout == Layout::Original {
        vision["model_type"] = json!("intern_vit_6b");
        (vision["image_size"], vision["patch_size"]) = (json!(28), json!(7));
        (vision["qkv_bias"], vision["qk_normalization"]) = (json!(!big), json!(big));
        return json!({
            "model_type": "internvl_chat", "llm_config": text, "vision_config": vision, "template": "internvl2_5",
            "ps_version": "v2", "downsample_ratio": 0.5, "select_layer": -1, "dynamic_image_size": true,
            "use_thumbnail": true, "min_dynamic_patch": 1, "max_dynamic_patch": 12, "force_image_size": 28,
        });
    }
    vision["model_type"] = json!("internvl_vision");
    (vision["image_size"], vision["patch_size"]) = (json!([28, 28]), json!([7, 7]));
    (vision["attention_bias"], vision["use_qk_norm"]) = (json!(!big), json!(big));
    json!({
        "model_type": "internvl", "text_config": text, "vision_config": vision, "image_token_id": 45,
        "downsample_ratio": 0.5, "vision_feature_layer": -1, "vision_feature_select_strategy": "default",
        "projector_hidden_act": "gelu", "tie_word_embeddings": false,
    })
}

fn vision(layout: Layout, tower: Tower) -> Vec<(String, Vec<usize>)> {
    let (mut list, big) = (List(Vec::new()), tower == Tower::Big);
    let norm = |list: &mut List, stem: String| {
        list.add(format!("{stem}.weight"), &[C]);
        if !big {
            list.add(format!("{stem}.bias"), &[C]);
        }
    };
    let p = match layout {
        Layout::Original => "vision_model.",
        Layout::Hf => "vision_tower.",
        Layout::HfNested => "model.vision_tower.",
    };
    if layout == Layout::Original {
        list.add(format!("{p}embeddings.class_embedding"), &[1, 1, C]);
        list.add(
            format!("{p}embeddings.patch_embedding.weight"),
            &[C, 3, 7, 7],
        );
        list.add(format!("{p}embeddings.patch_embedding.bias"), &[C]);
        list.add(format!("{p}embeddings.position_embedding"), &[1, 17, C]);
        for i in 0..LAYERS {
            let l = format!("{p}encoder.layers.{i}");
            norm(&mut list, format!("{l}.norm1"));
            norm(&mut list, format!("{l}.norm2"));
            list.linear(format!("{l}.attn.qkv"), 3 * C, C, !big);
            if big {
                list.add(format!("{l}.attn.q_norm.weight"), &[C]);
                list.add(format!("{l}.attn.k_norm.weight"), &[C]);
            }
            list.linear(format!("{l}.attn.proj"), C, C, true);
            list.linear(format!("{l}.mlp.fc1"), VF, C, true);
            list.linear(format!("{l}.mlp.fc2"), C, VF, true);
            list.add(format!("{l}.ls1"), &[C]);
            list.add(format!("{l}.ls2"), &[C]);
        }
        return list.0;
    }
    list.add(format!("{p}embeddings.cls_token"), &[1, 1, C]);
    list.add(
        format!("{p}embeddings.patch_embeddings.projection.weight"),
        &[C, 3, 7, 7],
    );
    list.add(
        format!("{p}embeddings.patch_embeddings.projection.bias"),
        &[C],
    );
    list.add(format!("{p}embeddings.position_embeddings"), &[1, 17, C]);
    for i in 0..LAYERS {
        let l = format!("{p}encoder.layer.{i}");
        norm(&mut list, format!("{l}.layernorm_before"));
        norm(&mut list, format!("{l}.layernorm_after"));
        for projection in ["q_proj", "k_proj", "v_proj"] {
            list.linear(format!("{l}.attention.{projection}"), C, C, !big);
        }
        if big {
            list.add(format!("{l}.attention.q_norm.weight"), &[C]);
            list.add(format!("{l}.attention.k_norm.weight"), &[C]);
        }
        list.linear(format!("{l}.attention.projection_layer"), C, C, true);
        list.linear(format!("{l}.mlp.fc1"), VF, C, true);
        list.linear(format!("{l}.mlp.fc2"), C, VF, true);
        list.add(format!("{l}.lambda_1"), &[C]);
        list.add(format!("{l}.lambda_2"), &[C]);
    }
    list.0
}

fn projector(layout: Layout) -> Vec<(String, Vec<usize>)> {
    let stems = match layout {
        Layout::Original => ["mlp1.0", "mlp1.1", "mlp1.3"].map(String::from),
        Layout::Hf => {
            ["layer_norm", "linear_1", "linear_2"].map(|s| format!("multi_modal_projector.{s}"))
        }
        Layout::HfNested => ["layer_norm", "linear_1", "linear_2"]
            .map(|s| format!("model.multi_modal_projector.{s}")),
    };
    let mut list = List(Vec::new());
    let [norm, first, second] = stems;
    list.add(format!("{norm}.weight"), &[4 * C]);
    list.add(format!("{norm}.bias"), &[4 * C]);
    list.linear(first, D, 4 * C, true);
    list.linear(second, D, D, true);
    list.0
}

fn language(layout: Layout, family: Family) -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    let p = if layout == Layout::HfNested {
        "model.language_model."
    } else {
        "language_model.model."
    };
    let head = if layout == Layout::HfNested {
        "lm_head.weight"
    } else {
        "language_model.lm_head.weight"
    };
    let hd = if family == Family::Qwen3 {
        32
    } else {
        D / HEADS
    };
    list.add(format!("{p}norm.weight"), &[D]);
    if family == Family::InternLm2 {
        list.add(format!("{p}tok_embeddings.weight"), &[V, D]);
        list.add("language_model.output.weight".into(), &[V, D]);
    } else {
        list.add(format!("{p}embed_tokens.weight"), &[V, D]);
        list.add(head.into(), &[V, D]);
    }
    for i in 0..LAYERS {
        let l = format!("{p}layers.{i}");
        if family == Family::InternLm2 {
            list.add(format!("{l}.attention_norm.weight"), &[D]);
            list.add(format!("{l}.ffn_norm.weight"), &[D]);
            list.linear(
                format!("{l}.attention.wqkv"),
                (HEADS + 2 * KV) * hd,
                D,
                false,
            );
            list.linear(format!("{l}.attention.wo"), D, HEADS * hd, false);
            list.linear(format!("{l}.feed_forward.w1"), LF, D, false);
            list.linear(format!("{l}.feed_forward.w2"), D, LF, false);
            list.linear(format!("{l}.feed_forward.w3"), LF, D, false);
            continue;
        }
        list.add(format!("{l}.input_layernorm.weight"), &[D]);
        list.add(format!("{l}.post_attention_layernorm.weight"), &[D]);
        for (projection, heads) in [("q_proj", HEADS), ("k_proj", KV), ("v_proj", KV)] {
            list.linear(
                format!("{l}.self_attn.{projection}"),
                heads * hd,
                D,
                family == Family::Qwen2,
            );
        }
        if family == Family::Qwen3 {
            list.add(format!("{l}.self_attn.q_norm.weight"), &[hd]);
            list.add(format!("{l}.self_attn.k_norm.weight"), &[hd]);
        }
        list.linear(format!("{l}.self_attn.o_proj"), D, HEADS * hd, false);
        list.linear(format!("{l}.mlp.gate_proj"), LF, D, false);
        list.linear(format!("{l}.mlp.up_proj"), LF, D, false);
        list.linear(format!("{l}.mlp.down_proj"), D, LF, false);
    }
    list.0
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn add(&mut self, name: String, shape: &[usize]) {
        self.0.push((name, shape.to_vec()));
    }

    fn linear(&mut self, stem: String, out: usize, input: usize, bias: bool) {
        self.add(format!("{stem}.weight"), &[out, input]);
        if bias {
            self.add(format!("{stem}.bias"), &[out]);
        }
    }
}
