//! Weight files: one test for each way to be wrong, and a sweep over all small damages.

use std::collections::BTreeMap;

use pagelens::error::{Error, HeaderDefect, Result, TensorDefect};
use pagelens::quant::Precision;
use pagelens::weights::Checkpoint;
use serde_json::json;

use crate::assert_error;
use crate::fixture::{Fixture, open, raw_shard, shard};

const FILE: &str = "model.safetensors";

/// A checkpoint whose weight file is `bytes`.
fn with(bytes: Vec<u8>) -> Result<Checkpoint> {
    let mut files = Fixture::plain().build();
    files.insert(FILE.into(), bytes);
    open(files)
}

/// A checkpoint whose header is `header` over `data` bytes.
fn header(header: &str, data: usize) -> Result<Checkpoint> {
    with(raw_shard(header, data))
}

#[test]
fn header_too_large() {
    let result = with([&(17u64 << 20).to_le_bytes()[..], &[0; 64]].concat());
    assert_error!(
        result,
        Error::Header {
            defect: HeaderDefect::TooLarge { .. },
            ..
        },
        FILE,
        "17825792",
        "16777216"
    );
    let result = with(u64::MAX.to_le_bytes().to_vec());
    assert_error!(
        result,
        Error::Header {
            defect: HeaderDefect::TooLarge { .. },
            ..
        },
        FILE
    );
}

#[test]
fn header_past_the_end_of_the_file() {
    let result = with([&100u64.to_le_bytes()[..], b"{}"].concat());
    assert_error!(
        result,
        Error::Header {
            defect: HeaderDefect::Truncated { .. },
            ..
        },
        FILE,
        "10 of 108"
    );
    assert_error!(
        with(vec![0; 7]),
        Error::Header {
            defect: HeaderDefect::Truncated { .. },
            ..
        },
        FILE,
        "7 of 8"
    );
    assert_error!(
        with(Vec::new()),
        Error::Header {
            defect: HeaderDefect::Truncated { .. },
            ..
        },
        FILE,
        "0 of 8"
    );
}

#[test]
fn header_that_is_not_the_right_json() {
    for text in [
        "",
        "{",
        "[]",
        "\u{0}",
        r#"{"a": 3}"#,
        r#"{"a": {}}"#,
        r#"{"a": {"dtype": "F32", "shape": [1]}}"#,
        r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}"#,
        r#"{"a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]}}"#,
        r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}"#,
        r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": 1}}"#,
        r#"{"__metadata__": {"format": 1}}"#,
    ] {
        let result = header(text, 4);
        assert_error!(
            result,
            Error::Header {
                defect: HeaderDefect::Json(_),
                ..
            },
            FILE,
            "malformed header"
        );
    }
}

#[test]
fn unsupported_dtype() {
    for dtype in ["F64", "I8", "F8_E4M3", "BOOL"] {
        let result = header(
            &format!(r#"{{"a": {{"dtype": "{dtype}", "shape": [1], "data_offsets": [0, 8]}}}}"#),
            8,
        );
        assert_error!(
            result,
            Error::Tensor {
                defect: TensorDefect::Dtype(_),
                ..
            },
            FILE,
            "tensor a",
            dtype
        );
    }
}

#[test]
fn packed_words_are_no_weights_of_a_checkpoint() {
    let fixture = Fixture::plain();
    let mut bytes = shard(&fixture.tensors, safetensors::Dtype::F32);
    let at = bytes.windows(3).rposition(|three| three == b"F32").unwrap();
    bytes[at..at + 3].copy_from_slice(b"U32");
    assert_error!(
        with(bytes),
        Error::Tensor {
            defect: TensorDefect::Dtype(_),
            ..
        },
        FILE,
        "U32"
    );
}

#[test]
fn offsets_that_run_backwards() {
    let result = header(
        r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}"#,
        4,
    );
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Offsets,
            ..
        },
        FILE,
        "tensor a"
    );
}

#[test]
fn offsets_that_do_not_hold_the_shape() {
    let result = header(
        r#"{"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 23]}}"#,
        23,
    );
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Bytes { .. },
            ..
        },
        FILE,
        "tensor a",
        "23",
        "24"
    );
    let huge =
        r#"{"a": {"dtype": "F32", "shape": [4294967296, 4294967296, 4], "data_offsets": [0, 16]}}"#;
    let result = header(huge, 16);
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Bytes { .. },
            ..
        },
        FILE,
        "tensor a"
    );
}

#[test]
fn offsets_past_the_end_of_the_file() {
    let result = header(
        r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#,
        7,
    );
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Truncated { .. },
            ..
        },
        FILE,
        "tensor a"
    );
    let far = format!(
        r#"{{"a": {{"dtype": "F16", "shape": [1], "data_offsets": [{}, {}]}}}}"#,
        u64::MAX - 2,
        u64::MAX
    );
    assert_error!(
        header(&far, 2),
        Error::Tensor {
            defect: TensorDefect::Truncated { .. },
            ..
        },
        FILE,
        "tensor a"
    );
}

#[test]
fn overlapping_tensors() {
    let result = header(
        r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}"#,
        12,
    );
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Overlap(_),
            ..
        },
        FILE,
        "tensor b",
        "overlaps a"
    );
}

#[test]
fn bytes_that_belong_to_no_tensor() {
    let between = header(
        r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}}"#,
        12,
    );
    assert_error!(
        between,
        Error::Header {
            defect: HeaderDefect::Gap { .. },
            ..
        },
        FILE,
        "4..8"
    );
    let behind = header(
        r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#,
        6,
    );
    assert_error!(
        behind,
        Error::Header {
            defect: HeaderDefect::Gap { .. },
            ..
        },
        FILE,
        "4..6"
    );
}

#[test]
fn one_name_twice_in_a_file() {
    let result = header(
        r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}"#,
        8,
    );
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Duplicate(_),
            ..
        },
        FILE,
        "tensor a"
    );
}

#[test]
fn wrong_shape() {
    let name = "language_model.model.norm.weight";
    let result = Fixture::plain().tensor(name, &[65]).open();
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Shape { .. },
            ..
        },
        FILE,
        name,
        "[65]",
        "[64]"
    );
    let transposed = "language_model.model.layers.1.mlp.down_proj.weight";
    let result = Fixture::plain().tensor(transposed, &[96, 64]).open();
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Shape { .. },
            ..
        },
        transposed,
        "[96, 64]",
        "[64, 96]"
    );
}

#[test]
fn missing_tensor() {
    for name in [
        "mlp1.3.bias",
        "vision_model.encoder.layers.1.ls2",
        "language_model.model.layers.0.self_attn.k_proj.bias",
    ] {
        assert_error!(
            Fixture::plain().drop_tensor(name).open(),
            Error::MissingTensor { .. },
            name
        );
    }
}

#[test]
fn unexpected_tensor() {
    for name in [
        "mlp2.0.weight",
        "vision_model.encoder.layers.2.ls1",
        "language_model.model.layers.0.feed_forward_ve.w1.weight",
        "language_model.model.layers.0.self_attn.o_proj.bias",
    ] {
        let result = Fixture::plain().tensor(name, &[4]).open();
        assert_error!(
            result,
            Error::Tensor {
                defect: TensorDefect::Unexpected,
                ..
            },
            FILE,
            name
        );
    }
}

#[test]
fn a_value_that_is_not_finite() {
    let fixture = Fixture::plain();
    let clean = fixture.build();
    for (value, precision) in [
        (f32::NAN, Precision::F32),
        (f32::INFINITY, Precision::Q4),
        (1e6, Precision::F16),
    ] {
        let mut files = clean.clone();
        // The last tensor of the file ends with it.
        let bytes = files.get_mut(FILE).unwrap();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&value.to_le_bytes());
        let checkpoint = open(files).unwrap();
        let broken: Vec<String> = checkpoint
            .config()
            .tensors()
            .into_iter()
            .filter_map(
                |spec| match pollster::block_on(checkpoint.weight(&spec.name, precision)) {
                    Err(Error::NotFinite { tensor }) => Some(tensor),
                    Err(other) => panic!("{other}"),
                    Ok(_) => None,
                },
            )
            .collect();
        // A vector keeps f32, in which 1e6 is fine.
        assert!(
            broken.len() <= 1 && (precision == Precision::F16 || broken.len() == 1),
            "{broken:?}"
        );
    }
}

/// The plain fixture in two shards, and its index.
fn sharded() -> (BTreeMap<String, Vec<u8>>, serde_json::Value) {
    let fixture = Fixture::plain();
    let mut files = fixture.build();
    files.remove(FILE);
    let (first, second) = fixture.tensors.split_at(9);
    let mut map = serde_json::Map::new();
    for (file, tensors) in [("a.safetensors", first), ("b.safetensors", second)] {
        files.insert(file.into(), shard(tensors, safetensors::Dtype::F32));
        map.extend(tensors.iter().map(|(name, _)| (name.clone(), file.into())));
    }
    (files, json!({ "weight_map": map }))
}

fn open_sharded(mut files: BTreeMap<String, Vec<u8>>, index: &str) -> Result<Checkpoint> {
    files.insert("model.safetensors.index.json".into(), index.into());
    open(files)
}

#[test]
fn no_weights_at_all() {
    let (files, _) = sharded();
    assert_error!(open(files), Error::MissingFile { .. }, FILE);
}

#[test]
fn a_truncated_shard() {
    let (mut files, index) = sharded();
    assert!(open_sharded(files.clone(), &index.to_string()).is_ok());
    files.get_mut("b.safetensors").unwrap().pop();
    let result = open_sharded(files, &index.to_string());
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Truncated { .. },
            ..
        },
        "b.safetensors"
    );
}

#[test]
fn a_missing_shard() {
    let (mut files, index) = sharded();
    files.remove("a.safetensors");
    assert_error!(
        open_sharded(files, &index.to_string()),
        Error::MissingFile { .. },
        "a.safetensors"
    );
}

#[test]
fn a_shard_outside_the_folder() {
    for name in [
        "../a.safetensors",
        "/etc/passwd",
        "..",
        "",
        "a/b.safetensors",
        "a\\b",
        "https://x/a",
        "a b",
        ".hidden",
    ] {
        let (files, mut index) = sharded();
        index["weight_map"]["mlp1.0.bias"] = json!(name);
        let result = open_sharded(files, &index.to_string());
        assert_error!(
            result,
            Error::ShardName { .. },
            "model.safetensors.index.json",
            &format!("{name:?}")
        );
    }
}

#[test]
fn an_index_that_lists_what_the_shard_lacks() {
    for (tensor, shard) in [
        ("mlp9.weight", "a.safetensors"),
        ("mlp1.0.bias", "a.safetensors"),
    ] {
        let (files, mut index) = sharded();
        index["weight_map"][tensor] = json!(shard);
        let result = open_sharded(files, &index.to_string());
        assert_error!(
            result,
            Error::Tensor {
                defect: TensorDefect::NotInShard,
                ..
            },
            shard,
            tensor
        );
    }
}

#[test]
fn one_name_in_two_shards() {
    let (mut files, index) = sharded();
    let name = "mlp1.0.bias".to_owned();
    let mut tensors = Fixture::plain().tensors[..9].to_vec();
    tensors.push((name.clone(), vec![128]));
    files.insert(
        "a.safetensors".into(),
        shard(&tensors, safetensors::Dtype::F32),
    );
    let result = open_sharded(files, &index.to_string());
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Duplicate(_),
            ..
        },
        &name,
        "a.safetensors",
        "b.safetensors"
    );
}

#[test]
fn one_name_twice_in_the_index() {
    let (files, index) = sharded();
    let again = index.to_string().replacen(
        r#""weight_map":{"#,
        r#""weight_map":{"mlp1.0.bias":"b.safetensors","#,
        1,
    );
    let result = open_sharded(files, &again);
    assert_error!(
        result,
        Error::Tensor {
            defect: TensorDefect::Duplicate(_),
            ..
        },
        "mlp1.0.bias",
        "index"
    );
}

#[test]
fn a_malformed_index() {
    for text in [
        "",
        "{}",
        r#"{"weight_map": []}"#,
        r#"{"weight_map": {"a": 1}}"#,
    ] {
        let (files, _) = sharded();
        assert_error!(
            open_sharded(files, text),
            Error::Json { .. },
            "model.safetensors.index.json"
        );
    }
}

/// Every prefix and every single-byte change of a small file is an error, and never a panic.
#[test]
fn damaged_files_never_panic() {
    let small = [("a".to_owned(), vec![2, 2]), ("b".to_owned(), vec![3])];
    let bytes = shard(&small, safetensors::Dtype::BF16);
    let mut files = Fixture::plain().build();
    let mut is_refused = |damaged: Vec<u8>| {
        files.insert(FILE.into(), damaged);
        open(files.clone()).is_err()
    };
    for end in 0..bytes.len() {
        assert!(is_refused(bytes[..end].to_vec()));
    }
    for at in 0..bytes.len() {
        for change in [0x01, 0x02, 0x10, 0x20, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            assert!(is_refused(damaged), "no such file holds this model");
        }
    }
}

/// The same for the header of a whole checkpoint, whose weights are then read.
#[test]
fn damaged_checkpoints_never_panic() {
    let files = Fixture::plain().build();
    let header = 8 + u64::from_le_bytes(files[FILE][..8].try_into().unwrap()) as usize;
    for at in (0..header).step_by(29) {
        let mut damaged = files.clone();
        damaged.get_mut(FILE).unwrap()[at] ^= 0x04;
        if let Ok(checkpoint) = open(damaged) {
            for spec in checkpoint.config().tensors() {
                drop(pollster::block_on(
                    checkpoint.weight(&spec.name, Precision::F32),
                ));
            }
        }
    }
}
