//! The entries of www/models.js, and the checkpoint that each one describes: its config, and the names and shapes of its
//! tensors as the published classes spell them. The weights themselves are claimed, not there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    pub(crate) id: String,
    pub(crate) revision: String,
    pub(crate) licence: String,
    pub(crate) bytes: u64,
    pub(crate) memory: u64,
    pub(crate) context: usize,
    pub(crate) template: String,
    pub(crate) vision: String,
    pub(crate) language: Language,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Language {
    family: String,
    layers: usize,
    hidden: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    ffn: usize,
    vocabulary: usize,
}

/// Every entry.
pub(crate) fn published() -> Vec<Published> {
    let text = include_str!("../../www/models.js");
    let (_, array) = text.split_once("export const MODELS = ").unwrap();
    serde_json::from_str(array.trim_end().trim_end_matches(';')).unwrap()
}

type Tensors = BTreeMap<String, Vec<usize>>;

impl Published {
    /// Width, MLP width, layers and heads of the encoder.
    fn encoder(&self) -> (usize, usize, usize, usize) {
        match self.vision.as_str() {
            "300M" => (1024, 4096, 24, 16),
            "6B" => (3200, 12_800, 45, 25),
            other => panic!("{}: no encoder is called {other}", self.id),
        }
    }

    fn config(&self) -> Value {
        let big = self.vision == "6B";
        let (c, ffn, layers, heads) = self.encoder();
        let l = &self.language;
        let mut text = json!({
            "model_type": l.family, "vocab_size": l.vocabulary, "hidden_size": l.hidden,
            "intermediate_size": l.ffn, "num_hidden_layers": l.layers, "num_attention_heads": l.heads,
            "num_key_value_heads": l.kv_heads, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "hidden_act": "silu",
            "max_position_embeddings": 32768, "tie_word_embeddings": false,
        });
        match l.family.as_str() {
            "internlm2" => text["bias"] = json!(false),
            "qwen3" => text["head_dim"] = json!(l.head_dim),
            _ => assert_eq!(l.heads * l.head_dim, l.hidden, "{}", self.id),
        }
        json!({
            "model_type": "internvl_chat", "llm_config": text, "template": self.template, "ps_version": "v2",
            "vision_config": {
                "model_type": "intern_vit_6b", "hidden_size": c, "intermediate_size": ffn, "num_hidden_layers": layers,
                "num_attention_heads": heads, "image_size": 448, "patch_size": 14, "layer_norm_eps": 1e-6,
                "norm_type": if big { "rms_norm" } else { "layer_norm" }, "qkv_bias": !big, "qk_normalization": big,
            },
            "downsample_ratio": 0.5, "select_layer": -1, "dynamic_image_size": true, "use_thumbnail": true,
            "min_dynamic_patch": 1, "max_dynamic_patch": 12, "force_image_size": 448,
        })
    }

    fn tensors(&self) -> Tensors {
        let mut all = Tensors::new();
        self.vision_tensors(&mut all);
        self.language_tensors(&mut all);
        all
    }

    fn vision_tensors(&self, all: &mut Tensors) {
        let mut add = |name: &str, shape: &[usize]| {
            all.insert(name.to_owned(), shape.to_vec());
        };
        let (c, ffn, layers, _) = self.encoder();
        let (big, d) = (self.vision == "6B", self.language.hidden);
        add("vision_model.embeddings.class_embedding", &[1, 1, c]);
        add(
            "vision_model.embeddings.patch_embedding.weight",
            &[c, 3, 14, 14],
        );
        add("vision_model.embeddings.patch_embedding.bias", &[c]);
        add("vision_model.embeddings.position_embedding", &[1, 1025, c]);
        for layer in 0..layers {
            let layer = format!("vision_model.encoder.layers.{layer}");
            for (stem, shape) in [
                ("attn.proj.weight", vec![c, c]),
                ("attn.proj.bias", vec![c]),
                ("attn.qkv.weight", vec![3 * c, c]),
                ("mlp.fc1.weight", vec![ffn, c]),
                ("mlp.fc1.bias", vec![ffn]),
                ("mlp.fc2.weight", vec![c, ffn]),
                ("mlp.fc2.bias", vec![c]),
                ("norm1.weight", vec![c]),
                ("norm2.weight", vec![c]),
                ("ls1", vec![c]),
                ("ls2", vec![c]),
            ] {
                add(&format!("{layer}.{stem}"), &shape);
            }
            if big {
                add(&format!("{layer}.attn.q_norm.weight"), &[c]);
                add(&format!("{layer}.attn.k_norm.weight"), &[c]);
            } else {
                add(&format!("{layer}.attn.qkv.bias"), &[3 * c]);
                add(&format!("{layer}.norm1.bias"), &[c]);
                add(&format!("{layer}.norm2.bias"), &[c]);
            }
        }
        for (stem, rows, cols) in [("0", 4 * c, None), ("1", d, Some(4 * c)), ("3", d, Some(d))] {
            let weight: Vec<_> = [rows].into_iter().chain(cols).collect();
            add(&format!("mlp1.{stem}.weight"), &weight);
            add(&format!("mlp1.{stem}.bias"), &[rows]);
        }
    }

    fn language_tensors(&self, all: &mut Tensors) {
        let mut add = |name: &str, shape: &[usize]| {
            all.insert(format!("language_model.{name}"), shape.to_vec());
        };
        let l = &self.language;
        let (d, f, v) = (l.hidden, l.ffn, l.vocabulary);
        let (q, kv) = (l.heads * l.head_dim, l.kv_heads * l.head_dim);
        let inner = l.family == "internlm2";
        add(
            if inner {
                "model.tok_embeddings.weight"
            } else {
                "model.embed_tokens.weight"
            },
            &[v, d],
        );
        add(
            if inner {
                "output.weight"
            } else {
                "lm_head.weight"
            },
            &[v, d],
        );
        add("model.norm.weight", &[d]);
        for layer in 0..l.layers {
            let layer = format!("model.layers.{layer}");
            if inner {
                add(&format!("{layer}.attention.wqkv.weight"), &[q + 2 * kv, d]);
                add(&format!("{layer}.attention.wo.weight"), &[d, q]);
                add(&format!("{layer}.attention_norm.weight"), &[d]);
                add(&format!("{layer}.ffn_norm.weight"), &[d]);
                for (stem, shape) in [("w1", [f, d]), ("w2", [d, f]), ("w3", [f, d])] {
                    add(&format!("{layer}.feed_forward.{stem}.weight"), &shape);
                }
                continue;
            }
            for (stem, rows) in [("q_proj", q), ("k_proj", kv), ("v_proj", kv)] {
                add(&format!("{layer}.self_attn.{stem}.weight"), &[rows, d]);
                if l.family == "qwen2" {
                    add(&format!("{layer}.self_attn.{stem}.bias"), &[rows]);
                }
            }
            if l.family == "qwen3" {
                add(&format!("{layer}.self_attn.q_norm.weight"), &[l.head_dim]);
                add(&format!("{layer}.self_attn.k_norm.weight"), &[l.head_dim]);
            }
            add(&format!("{layer}.self_attn.o_proj.weight"), &[d, q]);
            add(&format!("{layer}.input_layernorm.weight"), &[d]);
            add(&format!("{layer}.post_attention_layernorm.weight"), &[d]);
            for (stem, shape) in [
                ("gate_proj", [f, d]),
                ("up_proj", [f, d]),
                ("down_proj", [d, f]),
            ] {
                add(&format!("{layer}.mlp.{stem}.weight"), &shape);
            }
        }
    }

    /// The files of the checkpoint, and the bytes of bf16 weights that would follow its safetensors header.
    pub(crate) fn files(&self) -> (BTreeMap<String, Vec<u8>>, u64) {
        let (mut header, mut at) = (serde_json::Map::new(), 0);
        for (name, shape) in self.tensors() {
            let end = at + 2 * shape.iter().map(|&n| n as u64).product::<u64>();
            let tensor = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [at, end] });
            header.insert(name, tensor);
            at = end;
        }
        let header = Value::Object(header).to_string();
        let mut shard = (header.len() as u64).to_le_bytes().to_vec();
        shard.extend(header.as_bytes());
        let tokens = [
            "<|im_start|>",
            "<|im_end|>",
            "<img>",
            "</img>",
            "<IMG_CONTEXT>",
        ];
        let added: Vec<_> = (0..)
            .zip(tokens)
            .map(|(id, content)| json!({ "id": id, "content": content }))
            .collect();
        let tokenizer =
            json!({ "version": "1.0", "added_tokens": added, "model": { "vocab": {} } });
        let files = BTreeMap::from([
            ("config.json".into(), self.config().to_string().into()),
            ("tokenizer.json".into(), tokenizer.to_string().into()),
            ("model.safetensors".into(), shard),
        ]);
        (files, at)
    }
}
