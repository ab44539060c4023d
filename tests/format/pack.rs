//! Packs: what goes in comes out, and every way a pack can be wrong.

use std::collections::BTreeMap;

use half::f16;
use pagelens::error::{Error, PackDefect, TensorDefect};
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Weight, write_pack};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::assert_error;
use crate::fixture::{D, Family, Fixture, Layout, Tower, V, open, pack, promptly};

const SHARD: &str = "weights-00001.safetensors";
const NAME: &str = "language.embed_tokens.weight";

type Files = BTreeMap<String, Vec<u8>>;

fn plain() -> Files {
    pack(
        &Fixture::plain().open().unwrap(),
        Precision::Q8,
        Precision::Q4,
    )
}

/// The pack with its manifest bent.
fn bent(bend: impl FnOnce(&mut Value)) -> Files {
    let mut files = plain();
    let mut manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    bend(&mut manifest);
    files.insert("manifest.json".into(), manifest.to_string().into());
    files
}

/// The pack with its only shard made anew from `change` of its tensors, and the manifest true to it.
fn rebuilt(change: impl FnOnce(&mut BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>)) -> Files {
    let files = plain();
    let shard = safetensors::SafeTensors::deserialize(&files[SHARD]).unwrap();
    let mut tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = shard
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            (
                name,
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (
            name.as_str(),
            TensorView::new(*dtype, shape.clone(), data).unwrap(),
        )
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let mut files = bent(|manifest| {
        let shard = &mut manifest["shards"][0];
        shard["tensors"] = tensors.keys().cloned().collect();
        shard["file"]["size"] = bytes.len().into();
        shard["file"]["sha256"] = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
            .into();
    });
    files.insert(SHARD.into(), bytes);
    files
}

/// The first error of opening a pack and reading all of it.
fn read(files: Files) -> pagelens::Result<()> {
    promptly(|| {
        let checkpoint = open(files)?;
        pollster::block_on(checkpoint.tokenizer())?;
        for spec in checkpoint.config().tensors() {
            pollster::block_on(checkpoint.weight(&spec.name, Precision::F32))?;
        }
        Ok(())
    })
}

#[test]
fn a_pack_hands_out_what_the_checkpoint_would() {
    for (layout, family, tower) in [
        (Layout::Original, Family::InternLm2, Tower::Small),
        (Layout::Hf, Family::Qwen3, Tower::Big),
        (Layout::HfNested, Family::Qwen2, Tower::Small),
    ] {
        let folder = Fixture::new(layout, family, tower).open().unwrap();
        for (vision, language) in [
            (Precision::F32, Precision::F32),
            (Precision::F16, Precision::Q8),
            (Precision::Q8, Precision::Q4),
        ] {
            let packed = open(pack(&folder, vision, language)).unwrap();
            assert_eq!(
                (packed.config(), packed.name(), folder.name()),
                (folder.config(), Some("Tiny"), None)
            );
            for spec in folder.config().tensors() {
                let wanted =
                    pollster::block_on(folder.weight(&spec.name, spec.precision(vision, language)))
                        .unwrap();
                let stored = pollster::block_on(packed.weight(&spec.name, Precision::F32)).unwrap();
                assert_eq!(stored, wanted, "{}", spec.name);
            }
            assert_eq!(
                packed.bytes_read(),
                packed.bytes(),
                "each shard is read once"
            );
        }
    }
}

#[test]
fn embeddings_stay_at_eight_bits_and_the_tokenizer_travels() {
    let files = plain();
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let stored: Vec<&str> = manifest["shards"][0]["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for name in [
        "language.embed_tokens.weight.q8",
        "language.lm_head.weight.q8",
        "language.layers.0.mlp.down.weight.q4",
        "language.layers.0.mlp.down.weight.scale",
        "vision.layers.1.attn.qkv.weight.q8",
        "projector.fc1.weight.q8",
        "vision.patch_embedding.weight",
        "language.norm.weight",
    ] {
        assert!(stored.contains(&name), "{name} is not in {stored:?}");
    }
    assert_eq!(stored[0], "vision.class_embedding", "load order");
    let checkpoint = open(files).unwrap();
    assert_eq!(
        pollster::block_on(checkpoint.tokenizer()).unwrap(),
        Fixture::plain().files["tokenizer.json"]
    );
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    assert_eq!(plain(), plain());
}

#[test]
fn a_tensor_may_lie_in_parts() {
    let whole = open(plain()).unwrap();
    let parts = open(rebuilt(|tensors| {
        for (suffix, row) in [("q8", D), ("scale", D / 32 * 2)] {
            let (dtype, shape, data) = tensors.remove(&format!("{NAME}.{suffix}")).unwrap();
            for (i, rows) in [0..10, 10..V].into_iter().enumerate() {
                let part = data[rows.start * row..rows.end * row].to_vec();
                tensors.insert(
                    format!("{NAME}.part{i}.{suffix}"),
                    (dtype, vec![rows.len(), shape[1]], part),
                );
            }
        }
    }))
    .unwrap();
    let weight = |checkpoint: &Checkpoint| {
        pollster::block_on(checkpoint.weight(NAME, Precision::F32)).unwrap()
    };
    assert!(matches!(weight(&whole), Weight::Quantized(_)));
    assert_eq!(weight(&whole), weight(&parts));
}

#[test]
fn packs_are_not_packed_again_and_folders_must_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let write = |checkpoint| {
        write_pack(
            checkpoint,
            folder.path(),
            "Again",
            Precision::Q8,
            Precision::Q4,
            |_, _| {},
        )
    };
    let (packed, checkpoint) = (open(plain()).unwrap(), Fixture::plain().open().unwrap());
    assert_error!(
        pollster::block_on(write(&packed)),
        Error::AlreadyPacked { .. },
        "Tiny"
    );
    std::fs::write(folder.path().join("other"), "").unwrap();
    assert_error!(
        pollster::block_on(write(&checkpoint)),
        Error::Io { .. },
        "not empty"
    );
}

#[test]
fn another_format() {
    let files = bent(|manifest| manifest["format"] = json!(2));
    assert_error!(
        read(files),
        Error::Pack {
            defect: PackDefect::Format { .. },
            ..
        },
        "manifest.json",
        "2",
        "1"
    );
}

#[test]
fn a_malformed_manifest() {
    for files in [
        bent(|manifest| *manifest = json!([])),
        bent(|manifest| manifest["extra"] = json!(1)),
        bent(|manifest| manifest["shards"][0]["extra"] = json!(1)),
        bent(|manifest| manifest["config"]["vision"]["extra"] = json!(1)),
        bent(|manifest| manifest["config"]["language"]["heads"] = json!("many")),
        bent(|manifest| drop(manifest.as_object_mut().unwrap().remove("tokenizer"))),
    ] {
        assert_error!(read(files), Error::Json { .. }, "manifest.json");
    }
    let files = bent(|manifest| manifest["config"]["vision"]["heads"] = json!(0));
    assert_error!(read(files), Error::ConfigValue { .. }, "vision.heads");
}

#[test]
fn a_file_of_another_size() {
    for file in [SHARD, "tokenizer.json"] {
        let mut files = plain();
        files.get_mut(file).unwrap().pop();
        assert_error!(
            read(files),
            Error::Pack {
                defect: PackDefect::Size { .. },
                ..
            },
            file
        );
    }
}

#[test]
fn a_file_of_another_hash() {
    for file in [SHARD, "tokenizer.json"] {
        let mut files = plain();
        *files.get_mut(file).unwrap().last_mut().unwrap() ^= 1;
        assert_error!(
            read(files),
            Error::Pack {
                defect: PackDefect::Hash { .. },
                ..
            },
            file
        );
    }
}

#[test]
fn digests_that_are_none_and_chunks_that_do_not_add_up() {
    for digest in ["", "abc", &"A".repeat(64), &"g".repeat(64)] {
        let files = bent(|manifest| manifest["tokenizer"]["sha256"] = json!(digest));
        assert_error!(
            read(files),
            Error::Pack {
                defect: PackDefect::Digest(_),
                ..
            },
            "tokenizer.json",
            "SHA-256"
        );
    }
    let files = bent(|manifest| {
        let digest = manifest["shards"][0]["file"]["sha256"].clone();
        manifest["shards"][0]["file"]["chunks"] = json!([digest, digest]);
    });
    assert_error!(
        read(files),
        Error::Pack {
            defect: PackDefect::Chunks {
                expected: 1,
                found: 2
            },
            ..
        },
        SHARD
    );
}

#[test]
fn a_missing_file() {
    for file in [SHARD, "tokenizer.json"] {
        let mut files = plain();
        files.remove(file);
        assert_error!(read(files), Error::MissingFile { .. }, file);
    }
}

#[test]
fn a_file_outside_the_pack() {
    let files =
        bent(|manifest| manifest["shards"][0]["file"]["name"] = json!("../weights.safetensors"));
    assert_error!(
        read(files),
        Error::ShardName { .. },
        "../weights.safetensors"
    );
    let files = bent(|manifest| manifest["tokenizer"]["name"] = json!("/tokenizer.json"));
    assert_error!(read(files), Error::ShardName { .. }, "/tokenizer.json");
}

#[test]
fn a_listed_tensor_that_is_missing_twice_or_unknown() {
    let list = |manifest: &mut Value, change: fn(&mut Vec<Value>)| {
        change(manifest["shards"][0]["tensors"].as_array_mut().unwrap());
    };
    let files = bent(|manifest| list(manifest, |tensors| drop(tensors.remove(0))));
    assert_error!(
        read(files),
        Error::MissingTensor { .. },
        "vision.class_embedding"
    );
    let files = bent(|manifest| list(manifest, |tensors| tensors.push(tensors[0].clone())));
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::Duplicate(_),
            ..
        },
        "vision.class_embedding"
    );
    let files = bent(|manifest| list(manifest, |tensors| tensors.push(json!("mystery"))));
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::Unexpected,
            ..
        },
        "mystery"
    );
    let files = rebuilt(|tensors| drop(tensors.remove("language.layers.0.attn.qkv.weight.scale")));
    assert_error!(
        read(files),
        Error::MissingTensor { .. },
        "language.layers.0.attn.qkv.weight"
    );
}

#[test]
fn a_shard_without_a_listed_tensor() {
    let mut files = rebuilt(|tensors| drop(tensors.remove("language.norm.weight")));
    let mut manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    manifest["shards"][0]["tensors"]
        .as_array_mut()
        .unwrap()
        .push(json!("language.norm.weight"));
    files.insert("manifest.json".into(), manifest.to_string().into());
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::NotInShard,
            ..
        },
        SHARD,
        "language.norm.weight"
    );
}

#[test]
fn a_vector_in_blocks_and_parts_of_two_kinds() {
    let files = rebuilt(|tensors| {
        tensors.remove("vision.position_embedding");
        tensors.insert(
            "vision.position_embedding.q8".into(),
            (Dtype::U32, vec![17, 8], vec![0; 17 * 32]),
        );
        tensors.insert(
            "vision.position_embedding.scale".into(),
            (Dtype::F16, vec![17, 1], vec![0; 34]),
        );
    });
    assert_error!(
        read(files),
        Error::MissingTensor { .. },
        "vision.position_embedding"
    );
    let files = rebuilt(|tensors| {
        for suffix in ["q8", "scale"] {
            let tensor = tensors.remove(&format!("{NAME}.{suffix}")).unwrap();
            tensors.insert(format!("{NAME}.part0.{suffix}"), tensor);
        }
        tensors.insert(
            format!("{NAME}.part1"),
            (Dtype::F32, vec![1, D], vec![0; 4 * D]),
        );
    });
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::Unexpected,
            ..
        },
        "part1"
    );
}

#[test]
fn stored_tensors_of_another_shape_or_dtype() {
    let files = rebuilt(|tensors| {
        tensors.insert(
            "language.norm.weight".into(),
            (Dtype::F32, vec![D + 1], vec![0; 4 * (D + 1)]),
        );
    });
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::Shape { .. },
            ..
        },
        "language.norm.weight"
    );
    let files = rebuilt(|tensors| {
        tensors.insert(
            "language.norm.weight".into(),
            (Dtype::F32, vec![D - 1], vec![0; 4 * (D - 1)]),
        );
    });
    assert_error!(
        read(files),
        Error::MissingTensor { .. },
        "language.norm.weight"
    );
    let files = rebuilt(|tensors| {
        tensors.insert(
            "language.norm.weight".into(),
            (Dtype::BF16, vec![D], vec![0; 2 * D]),
        );
    });
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::Dtype(_),
            ..
        },
        "language.norm.weight",
        "BF16"
    );
    let files =
        rebuilt(|tensors| tensors.get_mut(&format!("{NAME}.scale")).unwrap().1 = vec![V / 2, 4]);
    assert_error!(
        read(files),
        Error::Tensor {
            defect: TensorDefect::Shape { .. },
            ..
        },
        NAME,
        "scale"
    );
}

#[test]
fn a_scale_that_is_not_finite() {
    let files = rebuilt(|tensors| {
        let (_, _, scales) = tensors.get_mut(&format!("{NAME}.scale")).unwrap();
        scales[..2].copy_from_slice(&f16::NAN.to_le_bytes());
    });
    assert_error!(read(files), Error::NotFinite { .. }, NAME);
}
