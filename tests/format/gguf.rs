//! GGUF files: what they become, every way they can be wrong, and files that are damaged at random.

use std::collections::BTreeMap;

use half::{bf16, f16};
use pagelens::Result;
use pagelens::chat::tokenizer::{Piece, Tokenizer};
use pagelens::error::{Error, GgufDefect, TensorDefect, VocabularyDefect};
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source, Weight};
use safetensors::SafeTensors;

use crate::assert_error;
use crate::fixture::{promptly, values};

const FILE: &str = "model.gguf";
const WIDTH: usize = 8;
const FFN: usize = 256;

// Numbers of element types.
const F32: u32 = 0;
const F16: u32 = 1;
const BF16: u32 = 30;

/// A GGUF file, field by field.
#[derive(Clone)]
struct Gguf {
    magic: [u8; 4],
    version: u32,
    entries: Vec<(String, u32, Vec<u8>)>,
    tensors: Vec<Tensor>,
    alignment: usize,
}

#[derive(Clone)]
struct Tensor {
    name: String,
    /// Columns first.
    sizes: Vec<u64>,
    kind: u32,
    data: Vec<u8>,
    /// In place of the one that follows from the tensors before.
    offset: Option<u64>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn array(kind: u32, count: usize, values: Vec<u8>) -> Vec<u8> {
    [
        &kind.to_le_bytes()[..],
        &(count as u64).to_le_bytes(),
        &values,
    ]
    .concat()
}

fn texts(list: &[&str]) -> Vec<u8> {
    let values = list.iter().flat_map(|item| text(item)).collect();
    array(8, list.len(), values)
}

const TOKENS: [&str; 12] = [
    "<unk>",
    "<s>",
    "</s>",
    "<|im_end|>",
    "<0x41>",
    "▁",
    "a",
    "b",
    "ab",
    "aba",
    "[UNUSED_TOKEN_1]",
    "ba",
];
const TYPES: [i32; 12] = [2, 3, 3, 3, 6, 1, 1, 1, 1, 1, 5, 1];
/// `ba` goes before `ab`.
const SCORES: [f32; 12] = [
    0.0, 0.0, 0.0, 0.0, 0.0, -9.0, -9.0, -9.0, -2.0, -3.0, 0.0, -1.0,
];

impl Gguf {
    /// A language model of one layer in Llama's layout: D 8, two heads of 4 with one key-value head, F 256.
    fn llama() -> Self {
        let mut gguf = Self {
            magic: *b"GGUF",
            version: 3,
            entries: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
        };
        gguf.set("general.architecture", 8, text("llama"));
        for (key, value) in [
            ("context_length", 64),
            ("embedding_length", WIDTH as u32),
            ("block_count", 1),
            ("feed_forward_length", FFN as u32),
            ("attention.head_count", 2),
            ("attention.head_count_kv", 1),
            ("rope.dimension_count", 4),
        ] {
            gguf.set(&format!("llama.{key}"), 4, value.to_le_bytes().to_vec());
        }
        let float = |value: f32| value.to_le_bytes().to_vec();
        gguf.set("llama.attention.layer_norm_rms_epsilon", 6, float(1e-5));
        gguf.set("llama.rope.freq_base", 6, float(5e5));
        gguf.set("tokenizer.ggml.model", 8, text("llama"));
        gguf.set("tokenizer.ggml.tokens", 9, texts(&TOKENS));
        let types = TYPES.iter().flat_map(|kind| kind.to_le_bytes()).collect();
        gguf.set("tokenizer.ggml.token_type", 9, array(5, TYPES.len(), types));
        let scores = SCORES.iter().flat_map(|score| score.to_le_bytes());
        let scores = array(6, SCORES.len(), scores.collect());
        gguf.set("tokenizer.ggml.scores", 9, scores);
        for (key, id) in [("bos_token_id", 1u32), ("eos_token_id", 3)] {
            let key = format!("tokenizer.ggml.{key}");
            gguf.set(&key, 4, id.to_le_bytes().to_vec());
        }
        gguf.set("tokenizer.ggml.add_space_prefix", 7, vec![0]);
        let template = "{{ messages[0].content }}<|im_end|>";
        gguf.set("tokenizer.chat_template", 8, text(template));

        for (name, sizes) in [
            ("token_embd", vec![WIDTH, 16]),
            ("output_norm", vec![WIDTH]),
            ("blk.0.attn_norm", vec![WIDTH]),
            ("blk.0.attn_q", vec![WIDTH, 8]),
            ("blk.0.attn_k", vec![WIDTH, 4]),
            ("blk.0.attn_v", vec![WIDTH, 4]),
            ("blk.0.attn_output", vec![8, WIDTH]),
            ("blk.0.ffn_norm", vec![WIDTH]),
            ("blk.0.ffn_gate", vec![WIDTH, FFN]),
            ("blk.0.ffn_up", vec![WIDTH, FFN]),
            ("blk.0.ffn_down", vec![FFN, WIDTH]),
        ] {
            let name = format!("{name}.weight");
            let data = values(&name, 0..sizes.iter().product())
                .flat_map(f32::to_le_bytes)
                .collect();
            gguf.tensors.push(Tensor {
                name,
                sizes: sizes.into_iter().map(|n| n as u64).collect(),
                kind: F32,
                data,
                offset: None,
            });
        }
        gguf
    }

    fn set(&mut self, key: &str, kind: u32, value: Vec<u8>) {
        self.entries.retain(|(known, ..)| known != key);
        self.entries.push((key.into(), kind, value));
    }

    fn with(mut self, key: &str, kind: u32, value: Vec<u8>) -> Self {
        self.set(key, kind, value);
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.entries.retain(|(known, ..)| known != key);
        self
    }

    fn tensor(mut self, name: &str, change: impl FnOnce(&mut Tensor)) -> Self {
        let found = self.tensors.iter_mut().find(|tensor| tensor.name == name);
        change(found.unwrap());
        self
    }

    /// The header, and with the padding and data the whole file.
    fn build(&self) -> (usize, Vec<u8>) {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.entries {
            bytes.extend(text(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        let mut next = 0;
        let mut data = Vec::new();
        for tensor in &self.tensors {
            bytes.extend(text(&tensor.name));
            bytes.extend((tensor.sizes.len() as u32).to_le_bytes());
            tensor
                .sizes
                .iter()
                .for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.extend(tensor.kind.to_le_bytes());
            bytes.extend(tensor.offset.unwrap_or(next).to_le_bytes());
            data.extend(&tensor.data);
            data.resize(data.len().next_multiple_of(self.alignment), 0);
            next = data.len() as u64;
        }
        let header = bytes.len();
        bytes.resize(header.next_multiple_of(self.alignment), 0);
        bytes.extend(data);
        (header, bytes)
    }

    fn open(&self) -> Result<Checkpoint> {
        open(self.build().1)
    }

    fn defect(&self) -> GgufDefect {
        match self.open() {
            Err(Error::Gguf { file, defect }) if file == FILE => defect,
            other => panic!("another outcome: {:?}", other.map(|_| ())),
        }
    }

    fn tensor_defect(&self) -> (String, TensorDefect) {
        match self.open() {
            Err(Error::Tensor { tensor, defect, .. }) => (tensor, defect),
            other => panic!("another outcome: {:?}", other.map(|_| ())),
        }
    }

    fn vocabulary_defect(&self) -> VocabularyDefect {
        match self.open() {
            Err(Error::Vocabulary { file, defect }) if file == FILE => defect,
            other => panic!("another outcome: {:?}", other.map(|_| ())),
        }
    }
}

fn open(bytes: Vec<u8>) -> Result<Checkpoint> {
    open_files(BTreeMap::from([(FILE.into(), bytes)]), FILE)
}

fn open_files(files: BTreeMap<String, Vec<u8>>, first: &str) -> Result<Checkpoint> {
    let source = Source::Memory(files);
    promptly(|| pollster::block_on(Checkpoint::open_gguf(source, first, None)))
}

fn dense(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    match pollster::block_on(checkpoint.weight(name, Precision::F32)).unwrap() {
        Weight::Dense { data, .. } => data,
        Weight::Quantized(_) => panic!("{name} is in blocks"),
    }
}

#[test]
fn a_language_model_is_read_with_its_heads_in_order() {
    let checkpoint = Gguf::llama().open().unwrap();
    let config = checkpoint.config();
    assert!(!config.sees());
    let l = &config.language;
    assert_eq!(
        (l.vocab_size, l.layers, l.heads, l.kv_heads, l.head_dim),
        (16, 1, 2, 1, 4)
    );
    assert_eq!((l.rope_theta, l.eps, l.max_positions), (5e5, 1e-5, 64));
    assert!(l.tied_embeddings && !l.qkv_bias && !l.qk_norm && l.long_rope.is_none());
    assert_eq!(config.chat.stop, ["<|im_end|>"]);

    // Rows of a head are stored 0, 2, 1, 3 by what they are after.
    let stored = |name: &str, rows: &[usize]| -> Vec<f32> {
        let name = format!("blk.0.{name}.weight");
        rows.iter()
            .flat_map(|row| values(&name, row * WIDTH..(row + 1) * WIDTH))
            .collect()
    };
    let expected = [
        stored("attn_q", &[0, 2, 1, 3, 4, 6, 5, 7]),
        stored("attn_k", &[0, 2, 1, 3]),
        stored("attn_v", &[0, 1, 2, 3]),
    ]
    .concat();
    assert_eq!(
        dense(&checkpoint, "language.layers.0.attn.qkv.weight"),
        expected
    );
    let all: Vec<usize> = (0..FFN).collect();
    let expected = [stored("ffn_gate", &all), stored("ffn_up", &all)].concat();
    assert_eq!(
        dense(&checkpoint, "language.layers.0.mlp.gate_up.weight"),
        expected
    );
}

#[test]
fn pieces_merge_by_score_and_bytes_stand_in() {
    let checkpoint = Gguf::llama().open().unwrap();
    let json = pollster::block_on(checkpoint.tokenizer()).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    let ids = |text| tokenizer.encode(&[Piece::Text(text)]).unwrap().ids;
    // BOS; then `ba` before `ab`, `▁` for the space, a byte for `A`; `<s>` in a text is only letters.
    assert_eq!(ids("bab"), [1, 11, 7]);
    assert_eq!(ids("aba"), [1, 9]);
    assert_eq!(ids("ab A"), [1, 8, 5, 4]);
    assert_eq!(ids("ab<s>"), [1, 8, 0]);
    assert_eq!(tokenizer.decode(&[1, 11, 7, 5, 4, 3]), "bab A");
}

/// `ggml.py` has drawn the blocks and the `gguf` package has widened them.
#[test]
fn every_block_type_widens_to_the_packages_own_values() {
    let bytes = include_bytes!("ggml.safetensors");
    let stored = SafeTensors::deserialize(bytes).unwrap();
    let name = "blk.0.ffn_down.weight";
    let canonical = "language.layers.0.mlp.down.weight";
    for (kind, number, lossless) in [
        ("Q4_0", 2, &[Precision::Q4, Precision::Q8][..]),
        ("Q4_1", 3, &[][..]),
        ("Q5_0", 6, &[Precision::Q8][..]),
        ("Q8_0", 8, &[Precision::Q8][..]),
        ("Q4_K", 12, &[][..]),
        ("Q5_K", 13, &[][..]),
        ("Q6_K", 14, &[][..]),
    ] {
        let blocks = stored.tensor(&format!("{kind}.bytes")).unwrap().data();
        let expected: Vec<u32> = stored
            .tensor(&format!("{kind}.values"))
            .unwrap()
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|b| u32::from_le_bytes(*b))
            .collect();
        let gguf = Gguf::llama().tensor(name, |tensor| {
            (tensor.kind, tensor.data) = (number, blocks.to_vec());
        });
        let checkpoint = gguf.open().unwrap();
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert!(expected.iter().any(|&bits| bits << 1 != 0));
        assert_eq!(bits(dense(&checkpoint, canonical)), expected, "{kind}");
        for &precision in lossless {
            let weight = pollster::block_on(checkpoint.weight(canonical, precision)).unwrap();
            let Weight::Quantized(matrix) = weight else {
                panic!("{kind} as {precision} is dense");
            };
            assert_eq!(bits(matrix.dequantize()), expected, "{kind} as {precision}");
        }
    }
}

#[test]
fn halves_and_bfloats_are_read() {
    let name = "blk.0.ffn_down.weight";
    let floats: Vec<f32> = values(name, 0..WIDTH * FFN).collect();
    let halves: Vec<u8> = floats
        .iter()
        .flat_map(|&x| f16::from_f32(x).to_le_bytes())
        .collect();
    let bfloats: Vec<u8> = floats
        .iter()
        .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
        .collect();
    for (kind, data) in [(F16, halves), (BF16, bfloats)] {
        let gguf = Gguf::llama().tensor(name, |tensor| (tensor.kind, tensor.data) = (kind, data));
        let checkpoint = gguf.open().unwrap();
        assert_eq!(
            dense(&checkpoint, "language.layers.0.mlp.down.weight"),
            floats
        );
    }
}

#[test]
fn version_2_and_other_alignments_are_read() {
    let mut gguf = Gguf::llama().with("general.alignment", 4, 64u32.to_le_bytes().to_vec());
    (gguf.version, gguf.alignment) = (2, 64);
    let checkpoint = gguf.open().unwrap();
    let expected: Vec<f32> = values("output_norm.weight", 0..WIDTH).collect();
    assert_eq!(dense(&checkpoint, "language.norm.weight"), expected);
}

/// Two parts; `change` may bend the second's metadata.
fn split(change: impl FnOnce(&mut Gguf)) -> BTreeMap<String, Vec<u8>> {
    let mut first = Gguf::llama();
    let mut second = first.clone();
    second.entries.clear();
    second.tensors = first.tensors.split_off(4);
    let number = |value: u16| value.to_le_bytes().to_vec();
    for (no, part) in [&mut first, &mut second].into_iter().enumerate() {
        part.set("split.no", 2, number(no as u16));
        part.set("split.count", 2, number(2));
    }
    first.set("split.tensors.count", 5, 11i32.to_le_bytes().to_vec());
    change(&mut second);
    BTreeMap::from([
        ("m-00001-of-00002.gguf".into(), first.build().1),
        ("m-00002-of-00002.gguf".into(), second.build().1),
    ])
}

#[test]
fn split_files_are_one_model() {
    let checkpoint = open_files(split(|_| {}), "m-00001-of-00002.gguf").unwrap();
    let expected: Vec<f32> = values("blk.0.ffn_norm.weight", 0..WIDTH).collect();
    let found = dense(&checkpoint, "language.layers.0.mlp_norm.weight");
    assert_eq!(found, expected);
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let first = "m-00001-of-00002.gguf";
    let mut alone = split(|_| {});
    alone.remove("m-00002-of-00002.gguf");
    assert_error!(
        open_files(alone, first),
        Error::MissingFile { .. },
        "m-00002-of-00002.gguf"
    );
    let renamed = BTreeMap::from([("m.gguf".into(), split(|_| {})[first].clone())]);
    assert_error!(
        open_files(renamed, "m.gguf"),
        Error::Gguf {
            defect: GgufDefect::SplitName { count: 2 },
            ..
        },
        "-00001-of-00002.gguf"
    );
    let other = split(|second| second.set("split.no", 2, vec![0, 0]));
    assert_error!(
        open_files(other, first),
        Error::Gguf {
            defect: GgufDefect::SplitPart { part: 1, count: 2 },
            ..
        },
        "m-00002-of-00002.gguf",
        "part 2 of 2"
    );
    let fewer = split(|second| drop(second.tensors.pop()));
    assert_error!(
        open_files(fewer, first),
        Error::Gguf {
            defect: GgufDefect::SplitTensors {
                expected: 11,
                found: 10
            },
            ..
        },
        "10 tensors"
    );
    let twice = split(|second| second.tensors[0].name = "token_embd.weight".into());
    assert_error!(
        open_files(twice, first),
        Error::Tensor {
            defect: TensorDefect::Duplicate(_),
            ..
        },
        "token_embd.weight",
        first
    );
}

#[test]
fn every_way_a_file_can_be_wrong_has_its_error() {
    let mut gguf = Gguf::llama();
    gguf.magic = *b"GGML";
    assert_eq!(gguf.defect(), GgufDefect::Magic);
    for version in [0, 1, 4, 3u32.swap_bytes()] {
        let mut gguf = Gguf::llama();
        gguf.version = version;
        assert_eq!(gguf.defect(), GgufDefect::Version(version));
    }
    for at in [8, 16] {
        let mut bytes = Gguf::llama().build().1;
        bytes[at..at + 8].copy_from_slice(&(1u64 << 17).to_le_bytes());
        assert_error!(
            open(bytes),
            Error::Gguf {
                defect: GgufDefect::Count {
                    count: 131_072,
                    limit: 65_536
                },
                ..
            },
            "131072"
        );
    }
    let flood = [&0u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    assert!(matches!(
        Gguf::llama().with("x", 9, flood).defect(),
        GgufDefect::Count {
            count: u64::MAX,
            ..
        }
    ));
    let endless = u64::MAX.to_le_bytes().to_vec();
    assert!(matches!(
        Gguf::llama().with("x", 8, endless).defect(),
        GgufDefect::Truncated {
            needed: u64::MAX,
            ..
        }
    ));
    let latin = [&1u64.to_le_bytes()[..], &[0xe9]].concat();
    assert!(matches!(
        Gguf::llama().with("x", 8, latin).defect(),
        GgufDefect::Utf8 { .. }
    ));
    for kind in [13, 255] {
        let defect = Gguf::llama().with("x", kind, vec![0; 8]).defect();
        assert_eq!(defect, GgufDefect::ValueType(kind));
    }
    let nested = array(9, 1, array(4, 0, Vec::new()));
    assert_eq!(
        Gguf::llama().with("x", 9, nested).defect(),
        GgufDefect::NestedArray
    );
    assert_eq!(
        Gguf::llama().with("x", 7, vec![2]).defect(),
        GgufDefect::Bool(2)
    );
    let mut gguf = Gguf::llama();
    gguf.entries.push(gguf.entries[0].clone());
    assert_eq!(
        gguf.defect(),
        GgufDefect::DuplicateKey("general.architecture".into())
    );
    let mut gguf = Gguf::llama();
    gguf.tensors.push(gguf.tensors[0].clone());
    assert_eq!(
        gguf.defect(),
        GgufDefect::DuplicateTensor("token_embd.weight".into())
    );
    for sizes in [vec![], vec![1; 5]] {
        let dimensions = sizes.len() as u32;
        let gguf = Gguf::llama().tensor("output_norm.weight", |t| t.sizes = sizes);
        let tensor = "output_norm.weight".into();
        assert_eq!(gguf.defect(), GgufDefect::Dimensions { tensor, dimensions });
    }
    for alignment in [0u32, 3, 1 << 17] {
        let value = alignment.to_le_bytes().to_vec();
        let defect = Gguf::llama().with("general.alignment", 4, value).defect();
        assert_eq!(defect, GgufDefect::Alignment(alignment.to_string()));
    }
}

#[test]
fn every_way_a_tensor_can_be_wrong_has_its_error() {
    let name = "blk.0.ffn_up.weight";
    let defect = |change: &dyn Fn(&mut Tensor)| {
        let (tensor, defect) = Gguf::llama().tensor(name, change).tensor_defect();
        assert_eq!(tensor, name);
        defect
    };
    for kind in [4, 5, 7, 9, 10, 11, 15, 24, 31, u32::MAX] {
        let dtype = format!("ggml type {kind}");
        assert_eq!(defect(&|t| t.kind = kind), TensorDefect::Dtype(dtype));
    }
    let blocks = |elements| TensorDefect::Blocks {
        columns: 8,
        elements,
    };
    assert_eq!(defect(&|t| t.kind = 8), blocks(32));
    assert_eq!(defect(&|t| t.kind = 12), blocks(256));
    let misaligned = TensorDefect::Misaligned {
        offset: 33,
        alignment: 32,
    };
    assert_eq!(defect(&|t| t.offset = Some(33)), misaligned);
    for sizes in [
        vec![8, 1 << 20],
        vec![8, u64::MAX],
        vec![u64::MAX, u64::MAX],
    ] {
        let found = defect(&|t| t.sizes = sizes.clone());
        assert!(matches!(found, TensorDefect::Truncated { .. }), "{found:?}");
    }
    let found = defect(&|t| t.offset = Some(u64::MAX - 31));
    assert!(matches!(found, TensorDefect::Truncated { .. }), "{found:?}");
    let overlap = Gguf::llama()
        .tensor(name, |t| t.offset = Some(0))
        .tensor_defect()
        .1;
    assert!(matches!(overlap, TensorDefect::Overlap(_)), "{overlap:?}");
    let shape = defect(&|t| t.sizes = vec![WIDTH as u64, 128]);
    let expected = vec![FFN, WIDTH];
    let found = vec![128, WIDTH as u64];
    assert_eq!(shape, TensorDefect::Shape { expected, found });
    let gguf = Gguf::llama().tensor(name, |t| t.name = "rope_freqs.weight".into());
    assert_error!(gguf.open(), Error::MissingTensor { .. }, name);
    let mut gguf = Gguf::llama();
    let extra = Tensor {
        name: "rope_freqs.weight".into(),
        ..gguf.tensors[1].clone()
    };
    gguf.tensors.push(extra);
    assert_eq!(
        gguf.tensor_defect(),
        ("rope_freqs.weight".into(), TensorDefect::Unexpected)
    );
}

#[test]
fn metadata_that_changes_numbers_is_refused_by_name() {
    let number = |value: u32| value.to_le_bytes().to_vec();
    for (key, kind, value) in [
        ("llama.rope.scaling.type", 8, text("yarn")),
        ("llama.rope.dimension_count", 4, number(2)),
        ("llama.attention.value_length", 4, number(8)),
        ("llama.attention.sliding_window", 4, number(32)),
        ("llama.attention.causal", 7, vec![0]),
        ("tokenizer.ggml.model", 8, text("bert")),
    ] {
        let gguf = Gguf::llama().with(key, kind, value);
        assert_error!(gguf.open(), Error::Unsupported { key: named, .. } if named == key, key);
    }
    for key in [
        "llama.context_length",
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
    ] {
        let gguf = Gguf::llama().without(key);
        assert_error!(gguf.open(), Error::ConfigValue { key: named, .. } if named == key, key);
        let gguf = Gguf::llama().with(key, 8, text("many"));
        assert_error!(gguf.open(), Error::ConfigValue { key: named, .. } if named == key, "many");
    }
    for name in ["clip", "gemma3", "qwen2moe"] {
        let gguf = Gguf::llama().with("general.architecture", 8, text(name));
        assert_error!(gguf.open(), Error::UnknownArchitecture { .. }, name);
    }
    let gguf = Gguf::llama().without("tokenizer.chat_template");
    assert_error!(gguf.open(), Error::MissingChatTemplate, "chat_template");
    let mut words = Gguf::llama();
    words.set("tokenizer.ggml.model", 8, text("gpt2"));
    words.set("tokenizer.ggml.pre", 8, text("falcon"));
    assert_error!(
        words.open(),
        Error::Unsupported { .. },
        "tokenizer.ggml.pre",
        "falcon"
    );
}

#[test]
fn every_way_a_vocabulary_can_be_wrong_has_its_error() {
    for key in ["tokens", "token_type", "scores"] {
        let key = format!("tokenizer.ggml.{key}");
        let missing = VocabularyDefect::MissingList { key: key.clone() };
        assert_eq!(Gguf::llama().without(&key).vocabulary_defect(), missing);
    }
    let numbers = array(4, 1, vec![0; 4]);
    let gguf = Gguf::llama().with("tokenizer.ggml.tokens", 9, numbers);
    assert!(matches!(
        gguf.vocabulary_defect(),
        VocabularyDefect::MissingList { .. }
    ));
    for key in ["token_type", "scores"] {
        let short = array(5, 2, vec![0; 8]);
        let gguf = Gguf::llama().with(&format!("tokenizer.ggml.{key}"), 9, short);
        assert_eq!(gguf.vocabulary_defect(), VocabularyDefect::Lengths);
    }
    let nan = array(6, 12, [f32::NAN.to_le_bytes(); 12].concat());
    let gguf = Gguf::llama().with("tokenizer.ggml.scores", 9, nan);
    assert_eq!(
        gguf.vocabulary_defect(),
        VocabularyDefect::Score("<unk>".into())
    );
    let normal = array(5, 12, [1i32.to_le_bytes(); 12].concat());
    let gguf = Gguf::llama().with("tokenizer.ggml.token_type", 9, normal);
    assert_eq!(gguf.vocabulary_defect(), VocabularyDefect::NoUnknown);
    let mut tokens = TOKENS;
    tokens[7] = "a";
    let gguf = Gguf::llama().with("tokenizer.ggml.tokens", 9, texts(&tokens));
    assert_eq!(
        gguf.vocabulary_defect(),
        VocabularyDefect::Duplicate("a".into())
    );
    let mut gguf = Gguf::llama();
    gguf.set("tokenizer.ggml.bos_token_id", 4, vec![99, 0, 0, 0]);
    assert_eq!(gguf.vocabulary_defect(), VocabularyDefect::Id { id: 99 });
    let mut gguf = Gguf::llama();
    gguf.set("tokenizer.ggml.model", 8, text("gpt2"));
    gguf.set("tokenizer.ggml.pre", 8, text("qwen2"));
    gguf.set("tokenizer.ggml.merges", 9, texts(&["a b c"]));
    assert_eq!(
        gguf.vocabulary_defect(),
        VocabularyDefect::Merge("a b c".into())
    );
}

#[test]
fn every_prefix_is_an_error() {
    let (header, bytes) = Gguf::llama().build();
    let cuts = (0..header + 64).chain((header + 64..bytes.len()).step_by(101));
    for length in cuts {
        let result = open(bytes[..length].to_vec());
        assert!(
            matches!(
                &result,
                Err(Error::Gguf {
                    defect: GgufDefect::Truncated { .. },
                    ..
                } | Error::Tensor {
                    defect: TensorDefect::Truncated { .. },
                    ..
                })
            ),
            "{length} of {} bytes: {:?}",
            bytes.len(),
            result.map(|_| ())
        );
    }
}

/// Damage that leaves a valid file is read as one; nothing panics.
#[test]
fn no_single_byte_makes_the_reader_panic() {
    let (header, bytes) = Gguf::llama().build();
    let mut refused = 0;
    for at in 0..header {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let Ok(checkpoint) = open(damaged) else {
                refused += 1;
                continue;
            };
            for spec in checkpoint.config().tensors() {
                let _ = pollster::block_on(checkpoint.weight(&spec.name, Precision::Q8));
            }
            let _ = Tokenizer::from_json(&pollster::block_on(checkpoint.tokenizer()).unwrap());
        }
    }
    assert!(refused > header, "only {refused} of {} refused", 3 * header);
}
