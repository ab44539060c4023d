//! config.json and its companions: what is read, what is refused by name, what may be ignored.

use pagelens::config::{PixelShuffle, Template, TilingConfig};
use pagelens::error::{Error, TensorDefect};
use serde_json::{Value, json};

use crate::assert_error;
use crate::fixture::{Family, Fixture, Layout, Tower, open};

fn fixture(layout: Layout, family: Family) -> Fixture {
    Fixture::new(layout, family, Tower::Small)
}

/// Asserts that setting `pointer` to `value` is refused under the dotted name of the key.
fn refused(fixture: Fixture, pointer: &str, value: Value) {
    let key = pointer.trim_start_matches('/').replace('/', ".");
    let result = fixture.set(pointer, value.clone()).open();
    assert_error!(result, Error::Unsupported { key: named, .. } if *named == key, &key, &value.to_string());
}

#[test]
fn whatever_changes_numbers_is_refused_in_both_layouts() {
    for (fixture, text) in [
        (Fixture::plain(), "/llm_config"),
        (Fixture::hf(), "/text_config"),
    ] {
        for (key, value) in [
            ("hidden_act", json!("gelu")),
            ("use_sliding_window", json!(true)),
            (
                "layer_types",
                json!(["full_attention", "sliding_attention"]),
            ),
            (
                "rope_scaling",
                json!({ "full_attention": { "rope_type": "default" } }),
            ),
            ("partial_rotary_factor", json!(0.5)),
        ] {
            refused(fixture.clone(), &format!("{text}/{key}"), value);
        }
        for (key, value) in [
            ("hidden_act", json!("gelu_pytorch_tanh")),
            ("norm_type", json!("group_norm")),
            ("num_channels", json!(4)),
            ("image_size", json!([28, 56])),
            ("use_mean_pooling", json!(false)),
            ("use_absolute_position_embeddings", json!(false)),
        ] {
            refused(fixture.clone(), &format!("/vision_config/{key}"), value);
        }
        for (key, value) in [
            ("downsample_ratio", json!(0.25)),
            ("quantization_config", json!({ "quant_method": "awq" })),
            ("flash_mode", json!(true)),
        ] {
            refused(fixture.clone(), &format!("/{key}"), value);
        }
    }
}

/// Phi-3's RoPE, with factors for heads of 16 and a context of 128 stretched to 512.
fn long_rope(fixture: Fixture, short: &[f32]) -> Fixture {
    let rope = json!({ "type": "su", "short_factor": short, "long_factor": vec![2.0; 8] });
    fixture
        .set("/llm_config/rope_scaling", rope)
        .set("/llm_config/original_max_position_embeddings", json!(128))
}

#[test]
fn long_rope_is_read_or_refused_whole() {
    let config = long_rope(Fixture::plain(), &[1.25; 8]).open().unwrap();
    let rope = config.config().language.long_rope.clone().unwrap();
    assert_eq!((rope.short, rope.long), (vec![1.25; 8], vec![2.0; 8]));
    assert_eq!(rope.original_positions, 128);
    // sqrt(1 + ln(512 / 128) / ln(128))
    assert!((rope.scale - 1.133_893_4).abs() < 1e-6, "{}", rope.scale);
    let language = &config.config().language;
    assert!(!language.is_long(128) && language.is_long(129));

    for short in [&[1.25; 7][..], &[0.0; 8]] {
        assert_error!(
            long_rope(Fixture::plain(), short).open(),
            Error::ConfigValue { .. },
            "language.long_rope.short"
        );
    }
    let pointer = "/llm_config/original_max_position_embeddings";
    for folder in [
        long_rope(Fixture::plain(), &[1.0; 8]).unset(pointer),
        long_rope(Fixture::plain(), &[1.0; 8]).set(pointer, json!(513)),
    ] {
        assert_error!(
            folder.open(),
            Error::ConfigValue { .. },
            "llm_config.original_max_position_embeddings"
        );
    }
    let without =
        long_rope(Fixture::plain(), &[1.0; 8]).unset("/llm_config/rope_scaling/long_factor");
    assert_error!(
        without.open(),
        Error::ConfigValue { .. },
        "rope_scaling.long_factor"
    );
}

#[test]
fn phi3_with_windows_or_without_its_epsilon_is_refused() {
    let phi3 = || Fixture::plain().set("/llm_config/model_type", json!("phi3"));
    refused(phi3(), "/llm_config/sliding_window", json!(64));
    let silent = phi3().unset("/llm_config/rms_norm_eps");
    assert_error!(
        silent.open(),
        Error::ConfigValue { .. },
        "llm_config.rms_norm_eps"
    );
}

#[test]
fn mono_internvl_is_refused_by_name() {
    let mono = fixture(Layout::Original, Family::InternLm2).set(
        "/llm_config/architectures",
        json!(["InternLM2VEForCausalLM"]),
    );
    assert_error!(
        mono.open(),
        Error::UnknownArchitecture { .. },
        "llm_config.architectures",
        "InternLM2VEForCausalLM",
        "Mono-InternVL"
    );
}

#[test]
fn rope_types_that_are_not_implemented_are_refused() {
    for key in ["rope_scaling", "rope_parameters"] {
        for name in ["type", "rope_type"] {
            for kind in ["linear", "yarn", "llama3", "mrope"] {
                let fixture = Fixture::plain().set(
                    &format!("/llm_config/{key}"),
                    json!({ name: kind, "factor": 2.0 }),
                );
                assert_error!(
                    fixture.open(),
                    Error::Unsupported { .. },
                    &format!("llm_config.{key}.{name}"),
                    kind
                );
            }
            for kind in ["default", "dynamic"] {
                let fixture = Fixture::plain().set(
                    &format!("/llm_config/{key}"),
                    json!({ name: kind, "factor": 2.0 }),
                );
                assert_eq!(fixture.open().unwrap().config().language.rope_theta, 1e6);
            }
        }
    }
    assert!(
        Fixture::plain()
            .set("/llm_config/rope_scaling", Value::Null)
            .open()
            .is_ok()
    );
}

#[test]
fn the_original_layout_refuses_its_own_keys() {
    for (key, value) in [
        ("select_layer", json!(-4)),
        ("ps_version", json!("v3")),
        ("force_image_size", json!(448)),
        ("pad2square", json!(true)),
        ("use_llm_lora", json!(16)),
        ("use_backbone_lora", json!(16)),
        ("template", json!("internvl_zh")),
    ] {
        refused(Fixture::plain(), &format!("/{key}"), value);
    }
}

#[test]
fn the_hf_layout_refuses_its_own_keys() {
    for (key, value) in [
        ("vision_feature_layer", json!(-2)),
        ("vision_feature_layer", json!([-1, -2])),
        ("vision_feature_select_strategy", json!("full")),
        ("projector_hidden_act", json!("relu")),
    ] {
        refused(Fixture::hf(), &format!("/{key}"), value);
    }
    let big = Fixture::new(Layout::Hf, Family::Qwen3, Tower::Big);
    refused(big, "/vision_config/layer_norm_eps", json!(1e-5));
}

#[test]
fn families_refuse_their_own_keys() {
    for (layout, family, key, value) in [
        (Layout::Hf, Family::Llama, "attention_bias", json!(true)),
        (Layout::Hf, Family::Llama, "mlp_bias", json!(true)),
        (Layout::Hf, Family::Llama, "pretraining_tp", json!(2)),
        (Layout::Original, Family::InternLm2, "bias", json!(true)),
        (
            Layout::Original,
            Family::InternLm2,
            "pretraining_tp",
            json!(2),
        ),
        (
            Layout::Original,
            Family::InternLm2,
            "rope_pos_id_version",
            json!("v2pe_rnd"),
        ),
        (Layout::Hf, Family::Qwen3, "attention_bias", json!(true)),
    ] {
        let text = if layout == Layout::Original {
            "llm_config"
        } else {
            "text_config"
        };
        refused(fixture(layout, family), &format!("/{text}/{key}"), value);
    }
    let silent = fixture(Layout::Original, Family::InternLm2).unset("/llm_config/bias");
    assert_error!(
        silent.open(),
        Error::Unsupported { .. },
        "llm_config.bias",
        "absent"
    );
}

#[test]
fn unknown_architectures_are_refused() {
    for (pointer, value) in [
        ("/model_type", json!("llava")),
        ("/llm_config/model_type", json!("internlm3")),
        ("/llm_config/model_type", json!("qwen3_moe")),
        ("/vision_config/model_type", json!("siglip_vision_model")),
        (
            "/vision_config/architectures",
            json!(["InternVisionPatchModel"]),
        ),
    ] {
        let key = pointer.trim_start_matches('/').replace('/', ".");
        let named = value.as_str().or(value[0].as_str()).unwrap();
        let result = Fixture::plain().set(pointer, value.clone()).open();
        assert_error!(result, Error::UnknownArchitecture { .. }, &key, named);
    }
    let old = Fixture::plain()
        .unset("/llm_config/model_type")
        .set("/llm_config/architectures", json!(["Qwen2ForCausalLM"]));
    assert!(old.open().is_ok(), "old configs name the class alone");
}

#[test]
fn impossible_values_are_named() {
    for (pointer, value, word) in [
        ("/llm_config/hidden_size", json!("wide"), "not a size"),
        ("/llm_config/hidden_size", json!(-64), "not a size"),
        ("/llm_config/num_attention_heads", json!(0), "heads"),
        ("/llm_config/num_attention_heads", json!(5), "heads"),
        ("/llm_config/rms_norm_eps", json!(0), "positive"),
        ("/llm_config/vocab_size", json!(1u64 << 40), "1..="),
        (
            "/llm_config/tie_word_embeddings",
            json!("yes"),
            "true or false",
        ),
        ("/vision_config/patch_size", json!(0), "1..="),
        ("/vision_config/patch_size", json!(28), "multiple"),
        ("/vision_config/image_size", json!([28]), "pair"),
        ("/max_dynamic_patch", json!(0), "1..="),
        ("/vision_config", json!(null), "missing"),
        ("/llm_config", json!([]), "object"),
        ("/model_type", json!(null), "missing"),
    ] {
        let result = Fixture::plain().set(pointer, value).open();
        assert_error!(result, Error::ConfigValue { .. }, word);
    }
}

#[test]
fn malformed_json_is_named() {
    for file in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        for text in ["{", "[1]", "{\"added_tokens\": 3, \"model_type\": }"] {
            let mut files = Fixture::plain().build();
            files.insert(file.into(), text.into());
            assert_error!(open(files), Error::Json { file: named, .. } if named == file, file);
        }
    }
    for file in ["processor_config.json", "preprocessor_config.json"] {
        assert_error!(
            Fixture::hf().file(file, "nonsense").open(),
            Error::Json { .. },
            file
        );
    }
    for file in ["config.json", "tokenizer.json"] {
        let mut files = Fixture::plain().build();
        files.remove(file);
        assert_error!(open(files), Error::MissingFile { .. }, file);
    }
}

#[test]
fn keys_that_cannot_change_numbers_are_ignored() {
    for (fixture, text) in [
        (Fixture::plain(), "/llm_config"),
        (Fixture::hf(), "/text_config"),
    ] {
        let before = fixture.open().unwrap().config().clone();
        let mut fixture = fixture;
        for key in [
            "_name_or_path",
            "architectures",
            "auto_map",
            "transformers_version",
            "torch_dtype",
            "dtype",
        ] {
            fixture = fixture.set(&format!("/{key}"), json!("anything"));
        }
        for (key, value) in [
            ("attention_dropout", json!(0.1)),
            ("initializer_range", json!(0.02)),
            ("use_cache", json!(false)),
            ("attn_implementation", json!("flash_attention_2")),
            ("max_window_layers", json!(1)),
            ("sliding_window", json!(4096)),
            ("bos_token_id", json!(1)),
            ("pad_token_id", json!(2)),
            ("bad_words_ids", json!(null)),
            ("torch_dtype", json!("bfloat16")),
        ] {
            fixture = fixture.set(&format!("{text}/{key}"), value);
        }
        for (key, value) in [
            ("drop_path_rate", json!(0.1)),
            ("dropout", json!(0.1)),
            ("attention_dropout", json!(0.1)),
            ("use_flash_attn", json!(true)),
            ("initializer_factor", json!(1.0)),
            ("layer_scale_init_value", json!(0.1)),
            ("use_mask_token", json!(true)),
        ] {
            fixture = fixture.set(&format!("/vision_config/{key}"), value);
        }
        assert_eq!(*fixture.open().unwrap().config(), before);
    }
}

#[test]
fn transformers_4_and_5_spell_the_same_config() {
    let old = fixture(Layout::Hf, Family::Qwen3).set("/text_config/rope_scaling", Value::Null);
    let new = fixture(Layout::Hf, Family::Qwen3)
        .unset("/text_config/rope_theta")
        .set(
            "/text_config/rope_parameters",
            json!({ "rope_theta": 1e6, "rope_type": "default" }),
        )
        .set("/vision_config/image_size", json!(28));
    assert_eq!(old.open().unwrap().config(), new.open().unwrap().config());
}

#[test]
fn left_out_keys_mean_the_class_defaults() {
    // Too large for a fixture, so the first tensor of the wrong shape tells what was expected.
    let shape = |fixture: Fixture, tensor: &str, shape: &[usize]| {
        let fits = |defect: &TensorDefect| matches!(defect, TensorDefect::Shape { expected, .. } if expected == shape);
        assert_error!(fixture.open(), Error::Tensor { defect, .. } if fits(defect), tensor);
    };
    shape(
        Fixture::plain()
            .unset("/vision_config/hidden_size")
            .set("/vision_config/num_attention_heads", json!(25)),
        "vision_model.embeddings.class_embedding",
        &[1, 1, 3200],
    );
    shape(
        Fixture::hf().unset("/vision_config/hidden_size"),
        "vision_tower.embeddings.cls_token",
        &[1, 1, 1024],
    );
    let tall = Fixture::plain()
        .unset("/vision_config/image_size")
        .unset("/force_image_size");
    shape(
        tall,
        "vision_model.embeddings.position_embedding",
        &[1, 1 + 32 * 32, 32],
    );
    for (layout, family, vocab) in [
        (Layout::Original, Family::Qwen2, 151_936),
        (Layout::Original, Family::Qwen3, 151_936),
        (Layout::Original, Family::InternLm2, 103_168),
        (Layout::Hf, Family::Llama, 32_000),
    ] {
        let text = if layout == Layout::Original {
            "llm_config"
        } else {
            "text_config"
        };
        let fixture = fixture(layout, family).unset(&format!("/{text}/vocab_size"));
        shape(fixture, "embed", &[vocab, 64]);
    }

    let kv_heads = |family, layout: Layout, value: Option<Value>| {
        let key = if layout == Layout::Original {
            "/llm_config/num_key_value_heads"
        } else {
            "/text_config/num_key_value_heads"
        };
        let fixture = fixture(layout, family);
        if let Some(value) = value {
            fixture.set(key, value)
        } else {
            fixture.unset(key)
        }
        .open()
    };
    // Qwen2's class default is 32 heads, which 4 query heads cannot have; null, and Llama's default, is as many as those.
    assert_error!(
        kv_heads(Family::Qwen2, Layout::Hf, None),
        Error::ConfigValue { .. },
        "language.heads"
    );
    for (family, value) in [(Family::Qwen2, Some(Value::Null)), (Family::Llama, None)] {
        assert_error!(
            kv_heads(family, Layout::Hf, value),
            Error::Tensor { .. },
            "k_proj",
            "[64, 64]"
        );
    }
    let theta = Fixture::plain()
        .unset("/llm_config/rope_theta")
        .unset("/llm_config/rms_norm_eps");
    let language = theta.open().unwrap().config().language.clone();
    assert_eq!((language.rope_theta, language.eps), (1e4, 1e-6));
    let small = Fixture::hf()
        .unset("/vision_config/norm_type")
        .unset("/vision_config/layer_norm_eps");
    assert_eq!(
        small.open().unwrap().config().vision,
        Fixture::hf().open().unwrap().config().vision
    );
    let big = Fixture::new(Layout::Original, Family::Qwen2, Tower::Big);
    let silent = [
        "norm_type",
        "layer_norm_eps",
        "qkv_bias",
        "qk_normalization",
    ]
    .iter()
    .fold(big.clone(), |fixture, key| {
        fixture.unset(&format!("/vision_config/{key}"))
    });
    assert_eq!(
        silent.open().unwrap().config().vision,
        big.open().unwrap().config().vision
    );
}

#[test]
fn pixel_shuffle_defaults_to_v1_in_the_original_layout() {
    let shuffle = |fixture: Fixture| fixture.open().unwrap().config().projector.shuffle;
    assert_eq!(
        shuffle(Fixture::plain().unset("/ps_version")),
        PixelShuffle::V1
    );
    assert_eq!(
        shuffle(Fixture::plain().set("/ps_version", json!("v1"))),
        PixelShuffle::V1
    );
    assert_eq!(shuffle(Fixture::hf()), PixelShuffle::V2);
}

#[test]
fn tile_limits_come_from_the_config_or_the_processor() {
    let tiling = |fixture: Fixture| fixture.open().unwrap().config().tiling.clone();
    let limits = |min_tiles, max_tiles, thumbnail| TilingConfig {
        min_tiles,
        max_tiles,
        thumbnail,
    };
    assert_eq!(tiling(Fixture::plain()), limits(1, 12, true));
    assert_eq!(
        tiling(Fixture::plain().set("/dynamic_image_size", json!(false))),
        limits(1, 1, true)
    );
    let silent = Fixture::plain()
        .unset("/max_dynamic_patch")
        .unset("/use_thumbnail");
    assert_eq!(tiling(silent), limits(1, 6, false));

    assert_eq!(tiling(Fixture::hf()), limits(1, 12, true));
    let images = processor().to_string();
    assert_eq!(
        tiling(Fixture::hf().file("preprocessor_config.json", images)),
        limits(2, 6, true)
    );
    let both = json!({ "image_processor": processor(), "processor_class": "InternVLProcessor" })
        .to_string();
    assert_eq!(
        tiling(Fixture::hf().file("processor_config.json", both)),
        limits(2, 6, true)
    );
}

fn processor() -> Value {
    json!({
        "image_processor_type": "GotOcr2ImageProcessorFast", "size": { "height": 28, "width": 28 },
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3,
        "rescale_factor": 0.00392156862745098, "do_center_crop": null, "crop_to_patches": false,
        "min_patches": 2, "max_patches": 6,
    })
}

#[test]
fn other_image_processors_are_refused() {
    for (key, value) in [
        ("image_mean", json!([0.5, 0.5, 0.5])),
        ("image_mean", json!(null)),
        ("image_std", json!([0.5, 0.5, 0.5])),
        ("size", json!({ "height": 448, "width": 448 })),
        ("size", json!(null)),
        ("resample", json!(2)),
        ("rescale_factor", json!(1)),
        ("do_normalize", json!(false)),
        ("do_rescale", json!(false)),
        ("do_resize", json!(false)),
        ("do_center_crop", json!(true)),
        ("image_processor_type", json!("CLIPImageProcessor")),
    ] {
        let mut processor = processor();
        processor[key] = value;
        let result = Fixture::hf()
            .file("preprocessor_config.json", processor.to_string())
            .open();
        assert_error!(result, Error::Unsupported { .. }, key);
    }
}

#[test]
fn templates_come_by_name_or_as_jinja_from_three_places() {
    let template = |fixture: Fixture| fixture.open().unwrap().config().chat.template.clone();
    for (name, known) in [
        ("internlm2-chat", Template::InternLm2Chat),
        ("Hermes-2", Template::Hermes2),
        ("phi3-chat", Template::Phi3Chat),
        ("internvl2_5", Template::InternVl25),
    ] {
        assert_eq!(
            template(Fixture::plain().set("/template", json!(name))),
            known
        );
    }
    assert_eq!(
        template(Fixture::hf()),
        Template::Jinja("{{ messages }}<|im_end|>".into())
    );
    let bare = Fixture::plain()
        .unset("/template")
        .without("chat_template.jinja");
    let old = json!({ "chat_template": "old" }).to_string();
    assert_eq!(
        template(bare.clone().file("chat_template.json", old)),
        Template::Jinja("old".into())
    );
    for chat_template in [
        json!("inner"),
        json!([{ "name": "tools", "template": "no" }, { "name": "default", "template": "inner" }]),
    ] {
        let tokenizer =
            json!({ "chat_template": chat_template, "eos_token": "<|im_end|>" }).to_string();
        assert_eq!(
            template(bare.clone().file("tokenizer_config.json", tokenizer)),
            Template::Jinja("inner".into())
        );
    }
    assert_error!(bare.open(), Error::MissingChatTemplate, "template");
    let invalid = Fixture::hf().file("chat_template.jinja", [0xff, 0xfe]);
    assert_error!(invalid.open(), Error::Json { .. }, "chat_template.jinja");
}

#[test]
fn stop_tokens_are_resolved_to_contents() {
    let stop = |fixture: Fixture| fixture.open().unwrap().config().chat.stop.clone();
    assert_eq!(stop(Fixture::plain()), ["<|im_end|>"]);
    assert_eq!(
        stop(Fixture::plain().set("/template", json!("phi3-chat"))),
        ["<|end|>", "<|im_end|>"]
    );
    let generation = |ids: Value| json!({ "eos_token_id": ids }).to_string();
    let listed = Fixture::plain().file("generation_config.json", generation(json!([42, 40, 999])));
    assert_eq!(
        stop(listed),
        ["<|im_end|>", "<|endoftext|>"],
        "an id without content says nothing"
    );
    let single = Fixture::plain().set("/llm_config/eos_token_id", json!(40));
    assert_eq!(stop(single.clone()), ["<|im_end|>", "<|endoftext|>"]);
    let overruled = single.file("generation_config.json", generation(json!(46)));
    assert_eq!(stop(overruled), ["<|im_end|>", "<|end|>"]);
    let object = Fixture::hf().file("chat_template.jinja", "plain").file(
        "tokenizer_config.json",
        json!({ "eos_token": { "content": "<|endoftext|>" } }).to_string(),
    );
    assert_eq!(stop(object.clone()), ["<|endoftext|>"]);
    assert_error!(
        object.file("tokenizer_config.json", "{}").open(),
        Error::MissingStopToken,
        "end-of-answer"
    );
}

#[test]
fn tokens_the_prompt_needs_must_be_in_the_tokenizer() {
    for token in ["<IMG_CONTEXT>", "<img>", "</img>", "<|im_end|>"] {
        let tokenizer = crate::fixture::tokenizer()
            .to_string()
            .replace(&format!("\"{token}\""), "\"other\"");
        assert_error!(
            Fixture::plain().file("tokenizer.json", tokenizer).open(),
            Error::MissingToken { .. },
            token
        );
    }
    assert_error!(
        Fixture::hf().set("/image_token_id", json!(43)).open(),
        Error::ConfigValue { .. },
        "image_token_id",
        "43"
    );
    let renamed = crate::fixture::tokenizer()
        .to_string()
        .replace("\"<img>\"", "\"<pic>\"");
    let extra = json!({ "extra_special_tokens": { "start_image_token": "<pic>" }, "bos_token": "<|im_start|>" });
    let fixture = Fixture::plain()
        .file("tokenizer.json", renamed)
        .file("tokenizer_config.json", extra.to_string());
    let chat = fixture.open().unwrap().config().chat.clone();
    assert_eq!(
        (chat.image_start.as_str(), chat.bos_token.as_deref()),
        ("<pic>", Some("<|im_start|>"))
    );
}

#[test]
fn the_system_message_is_the_configs_own_or_none() {
    let system = |fixture: Fixture| fixture.open().unwrap().config().chat.system_message.clone();
    assert_eq!(system(Fixture::plain()), None);
    assert_eq!(
        system(Fixture::plain().set("/system_message", Value::Null)),
        None
    );
    assert_eq!(
        system(Fixture::plain().set("/system_message", json!("Be brief."))),
        Some("Be brief.".into())
    );
}
