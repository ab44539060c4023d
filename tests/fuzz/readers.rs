//! Feeds damaged files to the readers: `READER=gguf pagelens-fuzz [libFuzzer's options] FOLDER`.
//!
//! A reader may refuse a file or read it; it may not panic, hang or take memory that the file does not account for. Whatever
//! opens is read to the end. `make fuzz` runs every reader.
#![no_main]
#![expect(clippy::unwrap_used, reason = "what is not fuzzed is sound")]

#[allow(dead_code, reason = "the tests' fixture has more than is fuzzed")]
#[path = "../format/fixture.rs"]
mod fixture;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fixture::{Family, Fixture, Layout, Tower, pack, raw_shard};
use libfuzzer_sys::fuzz_target;
use pagelens::Result;
use pagelens::chat::tokenizer::{Piece, Tokenizer};
use pagelens::chat::{Message, Part, Role, template};
use pagelens::config::TensorSpec;
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};
use serde_json::Value;

type Files = BTreeMap<String, Vec<u8>>;

/// Bytes behind a header, all zero: enough for every tensor of the small models in the corpora.
const DATA: usize = 1 << 18;
const GGUF: &str = "model.gguf";
const TEXT: &str = "Total 总计: <img>12.50</img>\n<|im_end|> é 👍";

static READER: LazyLock<String> = LazyLock::new(|| std::env::var("READER").unwrap());
static PLAIN: LazyLock<Files> = LazyLock::new(|| Fixture::plain().build());
static INTERNLM2: LazyLock<Files> =
    LazyLock::new(|| Fixture::new(Layout::Original, Family::InternLm2, Tower::Small).build());
static PACK: LazyLock<Files> = LazyLock::new(|| {
    pack(
        &Fixture::plain().open().unwrap(),
        Precision::Q8,
        Precision::Q4,
    )
});

fuzz_target!(|data: &[u8]| {
    let data = data.to_vec();
    match READER.as_str() {
        "config" => read(open(with(&PLAIN, "config.json", data))),
        "safetensors" => read(open(with(&PLAIN, "model.safetensors", shard(&data)))),
        "manifest" => read(open(with(&PACK, "manifest.json", data))),
        "gguf" => {
            let source =
                Source::Memory(Files::from([(GGUF.into(), [data, vec![0; DATA]].concat())]));
            read(pollster::block_on(Checkpoint::open_gguf(
                source, GGUF, None,
            )));
        }
        "tokenizer" => speak(open(with(&PLAIN, "tokenizer.json", data))),
        "pieces" => speak(open(pieces(data))),
        "merges" => speak(open(merges(&data))),
        "template" => speak(open(with(&PLAIN, "chat_template.jinja", data))),
        other => panic!("no reader is called {other}"),
    }
});

fn with(files: &Files, name: &str, bytes: Vec<u8>) -> Files {
    let mut files = files.clone();
    files.insert(name.into(), bytes);
    files
}

/// A file with this header and as many bytes as it says there are.
fn shard(header: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(header);
    let parsed: Option<Value> = serde_json::from_str(&text).ok();
    let ends = parsed
        .iter()
        .flat_map(|header| header.as_object())
        .flatten();
    let end = ends
        .filter_map(|(_, tensor)| tensor["data_offsets"][1].as_u64())
        .max();
    raw_shard(&text, end.unwrap_or(0).min(DATA as u64) as usize)
}

fn pieces(model: Vec<u8>) -> Files {
    let mut files = with(&INTERNLM2, "tokenizer.model", model);
    files.remove("tokenizer.json");
    files
}

/// vocab.json, a zero and merges.txt.
fn merges(data: &[u8]) -> Files {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default().to_vec();
    let mut files = with(&PLAIN, "vocab.json", part());
    files.insert("merges.txt".into(), part());
    files.remove("tokenizer.json");
    files
}

fn open(files: Files) -> Result<Checkpoint> {
    pollster::block_on(Checkpoint::open(Source::Memory(files)))
}

/// Reads every weight of a checkpoint that opened, and then as `speak` does.
fn read(opened: Result<Checkpoint>) {
    let Ok(checkpoint) = opened else { return };
    let specs = checkpoint.config().tensors();
    let whole = |spec: &TensorSpec| {
        pollster::block_on(checkpoint.weight(&spec.name, Precision::Q8)).is_ok()
    };
    if specs.iter().all(whole) {
        speak(Ok(checkpoint));
    }
}

/// Writes a prompt with the tokenizer and the template of a checkpoint that opened.
fn speak(opened: Result<Checkpoint>) {
    let Ok(checkpoint) = opened else { return };
    let Ok(json) = pollster::block_on(checkpoint.tokenizer()) else {
        return;
    };
    let Ok(tokenizer) = Tokenizer::from_json(&json) else {
        return;
    };
    if let Ok(encoded) = tokenizer.encode(&[Piece::Markup(TEXT), Piece::Text(TEXT)]) {
        tokenizer.decode(&encoded.ids);
    }
    let asked = Message {
        role: Role::User,
        content: vec![Part::Image(0), Part::Text(TEXT.into())],
    };
    let _ = template::render(&checkpoint.config().chat, &[asked]);
}
