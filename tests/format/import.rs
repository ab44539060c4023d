//! Every family and layout: each canonical tensor holds the rows it must.

use pagelens::config::{NormKind, PixelShuffle};
use pagelens::quant::{Precision, QuantKind, QuantizedMatrix};
use pagelens::weights::Weight;
use safetensors::Dtype;

use crate::fixture::{
    D, Family, Fixture, HEADS, KV, LAYERS, Layout, Tower, V, open, shard, values,
};

/// Every published combination, and InternLM2 as both of its layouts spell it.
const ALL: [(Layout, Family); 9] = [
    (Layout::Original, Family::Qwen2),
    (Layout::Original, Family::Qwen3),
    (Layout::Original, Family::InternLm2),
    (Layout::Hf, Family::Qwen2),
    (Layout::Hf, Family::Qwen3),
    (Layout::Hf, Family::Llama),
    (Layout::HfNested, Family::Qwen2),
    (Layout::HfNested, Family::Qwen3),
    (Layout::HfNested, Family::Llama),
];

/// Where a canonical tensor comes from, as (checkpoint tensor, rows) one after the other; `None` is all rows. Written
/// from the tables of the specification, one name at a time.
fn sources(fixture: &Fixture, canonical: &str) -> Vec<(String, Option<std::ops::Range<usize>>)> {
    let original = fixture.layout == Layout::Original;
    let nested = if fixture.layout == Layout::HfNested {
        "model."
    } else {
        ""
    };
    let all = |names: &[&str]| {
        names
            .iter()
            .map(|name| (name.to_string(), None))
            .collect::<Vec<_>>()
    };
    let (part, rest) = canonical.split_once('.').unwrap();
    let numbered = rest
        .strip_prefix("layers.")
        .and_then(|rest| rest.split_once('.'));
    let suffix = if rest.ends_with(".bias") {
        "bias"
    } else {
        "weight"
    };
    match (part, numbered) {
        ("vision", None) => {
            let p = if original {
                "vision_model.embeddings".into()
            } else {
                format!("{nested}vision_tower.embeddings")
            };
            let (cls, position, patch) = match original {
                true => ("class_embedding", "position_embedding", "patch_embedding"),
                false => (
                    "cls_token",
                    "position_embeddings",
                    "patch_embeddings.projection",
                ),
            };
            match rest {
                "class_embedding" => all(&[&format!("{p}.{cls}")]),
                "position_embedding" => all(&[&format!("{p}.{position}")]),
                "patch_embedding.weight" | "patch_embedding.bias" => {
                    all(&[&format!("{p}.{patch}.{suffix}")])
                }
                other => panic!("{other}"),
            }
        }
        ("vision", Some((i, rest))) if original => {
            all(&[&format!("vision_model.encoder.layers.{i}.{rest}")])
        }
        ("vision", Some((i, rest))) => {
            let l = format!("{nested}vision_tower.encoder.layer.{i}");
            match rest.rsplit_once('.').map_or(rest, |(stem, _)| stem) {
                "attn.qkv" => all(&["q", "k", "v"]
                    .map(|x| format!("{l}.attention.{x}_proj.{suffix}"))
                    .each_ref()
                    .map(|s| s.as_str())),
                "attn.q_norm" => all(&[&format!("{l}.attention.q_norm.weight")]),
                "attn.k_norm" => all(&[&format!("{l}.attention.k_norm.weight")]),
                "attn.proj" => all(&[&format!("{l}.attention.projection_layer.{suffix}")]),
                "norm1" => all(&[&format!("{l}.layernorm_before.{suffix}")]),
                "norm2" => all(&[&format!("{l}.layernorm_after.{suffix}")]),
                "ls1" => all(&[&format!("{l}.lambda_1")]),
                "ls2" => all(&[&format!("{l}.lambda_2")]),
                mlp => all(&[&format!("{l}.{mlp}.{suffix}")]),
            }
        }
        ("projector", _) => {
            let (stem, _) = rest.split_once('.').unwrap();
            let name = match (original, stem) {
                (true, "norm") => "mlp1.0".into(),
                (true, "fc1") => "mlp1.1".into(),
                (true, _) => "mlp1.3".into(),
                (false, "norm") => format!("{nested}multi_modal_projector.layer_norm"),
                (false, "fc1") => format!("{nested}multi_modal_projector.linear_1"),
                (false, _) => format!("{nested}multi_modal_projector.linear_2"),
            };
            all(&[&format!("{name}.{suffix}")])
        }
        (_, None) => {
            let intern = fixture.family == Family::InternLm2;
            let p = if nested.is_empty() {
                "language_model.model"
            } else {
                "model.language_model"
            };
            match rest {
                "embed_tokens.weight" if intern => {
                    all(&["language_model.model.tok_embeddings.weight"])
                }
                "lm_head.weight" if intern => all(&["language_model.output.weight"]),
                "lm_head.weight" if !nested.is_empty() => all(&["lm_head.weight"]),
                "lm_head.weight" => all(&["language_model.lm_head.weight"]),
                other => all(&[&format!("{p}.{other}")]),
            }
        }
        (_, Some((i, rest))) if fixture.family == Family::InternLm2 => {
            let l = format!("language_model.model.layers.{i}");
            match rest {
                "attn_norm.weight" => all(&[&format!("{l}.attention_norm.weight")]),
                "mlp_norm.weight" => all(&[&format!("{l}.ffn_norm.weight")]),
                "attn.o_proj.weight" => all(&[&format!("{l}.attention.wo.weight")]),
                "mlp.gate_up.weight" => all(&[
                    &format!("{l}.feed_forward.w1.weight"),
                    &format!("{l}.feed_forward.w3.weight"),
                ]),
                "mlp.down.weight" => all(&[&format!("{l}.feed_forward.w2.weight")]),
                // wqkv by hand: [Q0 Q1 K0 V0 | Q2 Q3 K1 V1], heads of 16 rows.
                "attn.qkv.weight" => [0, 1, 4, 5, 2, 6, 3, 7]
                    .map(|slot| {
                        (
                            format!("{l}.attention.wqkv.weight"),
                            Some(slot * 16..slot * 16 + 16),
                        )
                    })
                    .to_vec(),
                other => panic!("{other}"),
            }
        }
        (_, Some((i, rest))) => {
            let p = if nested.is_empty() {
                "language_model.model"
            } else {
                "model.language_model"
            };
            let l = format!("{p}.layers.{i}");
            match rest.rsplit_once('.').unwrap().0 {
                "attn_norm" => all(&[&format!("{l}.input_layernorm.weight")]),
                "mlp_norm" => all(&[&format!("{l}.post_attention_layernorm.weight")]),
                "attn.qkv" => ["q", "k", "v"]
                    .map(|x| (format!("{l}.self_attn.{x}_proj.{suffix}"), None))
                    .to_vec(),
                "mlp.gate_up" => all(&[
                    &format!("{l}.mlp.gate_proj.weight"),
                    &format!("{l}.mlp.up_proj.weight"),
                ]),
                "mlp.down" => all(&[&format!("{l}.mlp.down_proj.weight")]),
                attn => all(&[&format!("{l}.self_{attn}.weight")]),
            }
        }
    }
}

/// The values a canonical tensor must have.
fn expected(fixture: &Fixture, canonical: &str) -> Vec<f32> {
    let mut wanted = Vec::new();
    for (name, rows) in sources(fixture, canonical) {
        let (_, shape) = fixture
            .tensors
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name}"));
        let cols: usize = shape[1..].iter().product();
        let rows = rows.unwrap_or(0..shape[0]);
        wanted.extend(values(&name, rows.start * cols..rows.end * cols));
    }
    wanted
}

#[test]
fn every_tensor_of_every_family_and_layout_is_where_it_belongs() {
    for (layout, family) in ALL {
        for tower in [Tower::Small, Tower::Big] {
            let fixture = Fixture::new(layout, family, tower);
            let checkpoint = fixture
                .open()
                .unwrap_or_else(|e| panic!("{layout:?} {family:?} {tower:?}: {e}"));
            let specs = checkpoint.config().tensors();
            for spec in &specs {
                let weight =
                    pollster::block_on(checkpoint.weight(&spec.name, Precision::F32)).unwrap();
                let Weight::Dense { shape, data } = weight else {
                    panic!("f32 is dense")
                };
                assert_eq!(shape, spec.shape, "{layout:?} {family:?} {}", spec.name);
                assert_eq!(
                    data,
                    expected(&fixture, &spec.name),
                    "{layout:?} {family:?} {}",
                    spec.name
                );
            }
            let elements: usize = specs
                .iter()
                .map(|spec| spec.shape.iter().product::<usize>())
                .sum();
            assert_eq!(
                checkpoint.bytes(),
                4 * elements as u64,
                "every stored value is used once"
            );
            assert_eq!(checkpoint.bytes_read(), checkpoint.bytes());
        }
    }
}

#[test]
fn the_config_is_the_same_in_every_layout_of_a_family() {
    for tower in [Tower::Small, Tower::Big] {
        for (family, converted) in [
            (Family::Qwen2, Family::Qwen2),
            (Family::InternLm2, Family::Llama),
        ] {
            let original = Fixture::new(Layout::Original, family, tower)
                .open()
                .unwrap()
                .config()
                .clone();
            for layout in [Layout::Hf, Layout::HfNested] {
                let config = Fixture::new(layout, converted, tower)
                    .open()
                    .unwrap()
                    .config()
                    .clone();
                assert_eq!(config.vision, original.vision);
                assert_eq!(config.projector, original.projector);
                assert_eq!(config.language, original.language);
                assert_eq!(config.tiling, original.tiling);
            }
        }
    }
}

#[test]
fn the_config_says_what_config_json_says() {
    let config = Fixture::new(Layout::Original, Family::Qwen3, Tower::Big)
        .open()
        .unwrap()
        .config()
        .clone();
    let (v, l) = (&config.vision, &config.language);
    assert_eq!(
        (v.image_size, v.patch_size, v.layers, v.heads),
        (28, 7, LAYERS, HEADS)
    );
    assert_eq!(
        (v.norm, v.qkv_bias, v.qk_norm, v.eps),
        (NormKind::RmsNorm, false, true, 1e-6)
    );
    assert_eq!((v.patches_per_side(), v.positions()), (4, 17));
    assert_eq!(config.projector.tokens_per_tile(v), 4);
    assert_eq!(config.projector.shuffle, PixelShuffle::V2);
    assert_eq!(
        (l.vocab_size, l.hidden_size, l.heads, l.kv_heads, l.head_dim),
        (V, D, HEADS, KV, 32)
    );
    assert_eq!((l.eps, l.rope_theta, l.max_positions), (1e-5, 1e6, 512));
    assert_eq!(
        (l.qkv_bias, l.qk_norm, l.tied_embeddings),
        (false, true, false)
    );
}

#[test]
fn dtypes_and_shards_do_not_change_values() {
    let fixture = Fixture::plain();
    let name = "language.layers.1.attn.qkv.weight";
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let fixture = Fixture {
            dtype,
            ..fixture.clone()
        };
        let weight =
            pollster::block_on(fixture.open().unwrap().weight(name, Precision::F32)).unwrap();
        assert_eq!(weight, dense(&fixture, name));
    }
    let mut files = fixture.build();
    files.remove("model.safetensors");
    let (first, second) = fixture.tensors.split_at(20);
    let mut map = serde_json::Map::new();
    for (file, tensors) in [
        ("model-1-of-2.safetensors", first),
        ("model-2-of-2.safetensors", second),
    ] {
        files.insert(file.into(), shard(tensors, Dtype::BF16));
        map.extend(tensors.iter().map(|(name, _)| (name.clone(), file.into())));
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    files.insert(
        "model.safetensors.index.json".into(),
        index.to_string().into(),
    );
    let checkpoint = open(files).unwrap();
    for spec in checkpoint.config().tensors() {
        let weight = pollster::block_on(checkpoint.weight(&spec.name, Precision::F32)).unwrap();
        assert_eq!(weight, dense(&fixture, &spec.name));
    }
}

fn dense(fixture: &Fixture, name: &str) -> Weight {
    let config = fixture.open().unwrap().config().clone();
    let spec = config
        .tensors()
        .into_iter()
        .find(|spec| spec.name == name)
        .unwrap();
    Weight::Dense {
        shape: spec.shape,
        data: expected(fixture, name),
    }
}

#[test]
fn weights_are_quantized_on_load_where_their_role_allows() {
    let fixture = Fixture::plain();
    let checkpoint = fixture.open().unwrap();
    let weight = |name, precision| pollster::block_on(checkpoint.weight(name, precision)).unwrap();
    let name = "language.layers.0.mlp.gate_up.weight";
    for (precision, kind) in [
        (Precision::Q8, QuantKind::Q8),
        (Precision::Q4, QuantKind::Q4),
    ] {
        let whole = QuantizedMatrix::quantize(kind, 192, D, &expected(&fixture, name));
        assert_eq!(weight(name, precision), Weight::Quantized(whole));
    }
    for name in [
        "language.norm.weight",
        "vision.position_embedding",
        "vision.patch_embedding.weight",
    ] {
        assert_eq!(
            weight(name, Precision::Q4),
            dense(&fixture, name),
            "values are exact in f16"
        );
    }
}

#[test]
fn a_head_is_tied_only_where_the_config_says_so() {
    let head = "language_model.lm_head.weight";
    let tied = |fixture: &Fixture| fixture.open().map(|c| c.config().language.tied_embeddings);
    for fixture in [Fixture::plain(), Fixture::hf()] {
        let inner = if fixture.layout == Layout::Original {
            "/llm_config"
        } else {
            "/text_config"
        };
        let inner = format!("{inner}/tie_word_embeddings");
        let says = |fixture: Fixture, tied: bool| {
            fixture
                .set(&inner, tied.into())
                .set("/tie_word_embeddings", tied.into())
        };
        assert!(
            !tied(&says(fixture.clone(), true)).unwrap(),
            "a head in the files is used"
        );
        assert!(tied(&says(fixture.clone().drop_tensor(head), true)).unwrap());
        let missing = says(fixture.clone().drop_tensor(head), false);
        crate::assert_error!(missing.open(), pagelens::Error::MissingTensor { .. }, head);
        let silent = fixture
            .drop_tensor(head)
            .unset(&inner)
            .unset("/tie_word_embeddings");
        assert_eq!(
            tied(&silent).is_ok(),
            silent.layout == Layout::Hf,
            "only InternVLConfig ties by default"
        );
    }
}

#[test]
fn known_buffers_are_not_unexpected() {
    let fixture = Fixture::plain()
        .tensor(
            "language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
            &[8],
        )
        .tensor("vision_model.embeddings.mask_token", &[1, 1, 32]);
    assert!(fixture.open().is_ok());
}
