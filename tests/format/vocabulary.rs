//! Folders without a tokenizer.json: SentencePiece's tokenizer.model, and Qwen's vocab.json with merges.txt.

use pagelens::Result;
use pagelens::chat::tokenizer::{Piece, Tokenizer};
use pagelens::error::{Error, VocabularyDefect};
use pagelens::weights::Checkpoint;
use serde_json::{Value, json};

use crate::assert_error;
use crate::fixture::{Family, Fixture, Layout, Tower, json_bytes, open, promptly};

/// A field of a protocol buffer: a varint, or bytes behind their length.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [
        &varint(field << 3 | 2)[..],
        &varint(value.len() as u64),
        value,
    ]
    .concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn piece(text: &str, score: f32, kind: u64) -> Vec<u8> {
    let score = [&varint(2 << 3 | 5)[..], &score.to_le_bytes()].concat();
    bytes(
        1,
        &[bytes(1, text.as_bytes()), score, number(3, kind)].concat(),
    )
}

/// A tokenizer.model of fourteen pieces; `trainer` and `normalizer` are further settings.
fn model(trainer: &[u8], normalizer: &[u8]) -> Vec<u8> {
    let pieces = [
        piece("<unk>", 0.0, 2),
        piece("<s>", 0.0, 3),
        piece("</s>", 0.0, 3),
        piece("<0x41>", 0.0, 6),
        piece("ba", -1.0, 1),
        piece("ab", -2.0, 1),
        piece("▁a", -3.0, 1),
        piece("▁", -9.0, 1),
        piece("a", -9.0, 1),
        piece("b", -9.0, 1),
        piece("abab", -4.0, 5),
        piece("<user>", 0.0, 4),
        piece("[UNUSED_TOKEN_141]", -9.0, 1),
    ];
    let trainer = [&number(3, 2)[..], trainer].concat();
    let normalizer = [&number(4, 0)[..], normalizer].concat();
    [pieces.concat(), bytes(2, &trainer), bytes(3, &normalizer)].concat()
}

/// The tokens every InternVL prompt needs, from `first` on, as tokenizer_config.json lists them.
fn added(first: usize) -> Value {
    let contents = [
        "<|im_end|>",
        "<|im_start|>",
        "<img>",
        "</img>",
        "<IMG_CONTEXT>",
    ];
    let listed = contents.iter().enumerate().map(|(i, content)| {
        let token =
            json!({ "content": content, "special": true, "lstrip": false, "rstrip": false });
        ((first + i).to_string(), token)
    });
    Value::Object(listed.collect())
}

fn pieces_folder(model: Vec<u8>, config: Value) -> Fixture {
    Fixture::new(Layout::Original, Family::InternLm2, Tower::Small)
        .without("tokenizer.json")
        .file("tokenizer.model", model)
        .file("tokenizer_config.json", json_bytes(&config))
}

fn qwen_folder() -> Fixture {
    let vocab = json!({ "a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4 });
    let config = json!({ "tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added(5) });
    Fixture::plain()
        .without("tokenizer.json")
        .file("vocab.json", json_bytes(&vocab))
        .file("merges.txt", "#version: 0.2\na b\nĠ ab\n")
        .file("tokenizer_config.json", json_bytes(&config))
}

fn tokenizer(checkpoint: Result<Checkpoint>) -> Tokenizer {
    let json = pollster::block_on(checkpoint.unwrap().tokenizer()).unwrap();
    Tokenizer::from_json(&json).unwrap()
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(&[Piece::Markup(text)]).unwrap().ids
}

#[test]
fn pieces_become_a_tokenizer_with_the_config_s_added_tokens() {
    // `<|im_end|>` takes the place of an unused piece, as InternLM2's does.
    let config = json!({ "added_tokens_decoder": added(12) });
    let made = tokenizer(pieces_folder(model(&[], &number(3, 0)), config).open());
    assert_eq!(ids(&made, "bab a"), [1, 4, 9, 6]);
    assert_eq!(ids(&made, "abab<|im_end|>A<user>"), [1, 8, 4, 9, 12, 3, 11]);
    assert_eq!(ids(&made, "<img><IMG_CONTEXT></img>"), [1, 14, 16, 15]);
    assert_eq!(made.decode(&[1, 6, 4, 3, 12]), " abaA");
}

#[test]
fn the_dummy_prefix_follows_the_files() {
    let config = |legacy: bool| json!({ "added_tokens_decoder": added(12), "legacy": legacy, "add_bos_token": false });
    let always = tokenizer(pieces_folder(model(&[], &[]), config(true)).open());
    assert_eq!(ids(&always, "a<|im_end|>a"), [6, 12, 6]);
    let first = tokenizer(pieces_folder(model(&[], &[]), config(false)).open());
    assert_eq!(ids(&first, "a<|im_end|>a"), [6, 12, 8]);
    assert_eq!(ids(&first, "<|im_end|>a a"), [12, 8, 6]);
    for tokenizer in [always, first] {
        assert_eq!(tokenizer.decode(&[6, 6]), "a a");
    }
}

#[test]
fn added_tokens_json_serves_where_the_config_lists_none() {
    let tokens = json!({ "<|im_end|>": 13, "<|im_start|>": 14, "<img>": 15, "</img>": 16, "<IMG_CONTEXT>": 17, "<ref>": 18 });
    let config = json!({ "additional_special_tokens": ["<img>"] });
    let folder = pieces_folder(model(&[], &number(3, 0)), config)
        .file("added_tokens.json", json_bytes(&tokens));
    let made = tokenizer(folder.open());
    assert_eq!(ids(&made, "<img><ref>"), [1, 15, 18]);
    assert_eq!(made.decode(&[15, 18]), "<ref>");
}

#[test]
fn vocab_and_merges_become_a_tokenizer() {
    let made = tokenizer(qwen_folder().open());
    assert_eq!(ids(&made, "ab ab<|im_end|>ba"), [3, 4, 5, 1, 0]);
    assert_eq!(made.decode(&[3, 4, 5]), "ab ab");
}

#[test]
fn what_is_not_implemented_or_malformed_has_its_error() {
    let refused = |model: Vec<u8>| match pieces_folder(model, json!({})).open() {
        Err(Error::Vocabulary { file, defect }) if file == "tokenizer.model" => defect,
        other => panic!("another outcome: {:?}", other.map(|_| ())),
    };
    for (trainer, normalizer) in [
        (number(3, 1), vec![]),
        (number(24, 1), vec![]),
        (vec![], bytes(2, &[1])),
        (vec![], number(4, 1)),
        (vec![], number(5, 0)),
    ] {
        let defect = refused(model(&trainer, &normalizer));
        assert!(
            matches!(defect, VocabularyDefect::Unsupported(_)),
            "{defect:?}"
        );
    }
    let with = |more: Vec<u8>| [model(&[], &[]), more].concat();
    assert_eq!(
        refused(with(piece("c", -1.0, 7))),
        VocabularyDefect::Kind(7)
    );
    let latin = bytes(1, &bytes(1, &[0xe9]));
    assert!(matches!(
        refused(with(latin)),
        VocabularyDefect::Utf8 { .. }
    ));
    let score = VocabularyDefect::Score("c".into());
    assert_eq!(refused(with(piece("c", f32::INFINITY, 1))), score);
    assert_eq!(
        refused(with(piece("a", 0.0, 1))),
        VocabularyDefect::Duplicate("a".into())
    );
    assert!(matches!(
        refused(with(vec![3])),
        VocabularyDefect::Wire { .. }
    ));
    assert!(matches!(
        refused(with(vec![0xff; 11])),
        VocabularyDefect::Wire { .. }
    ));
    assert!(matches!(
        refused(with(vec![10, 9])),
        VocabularyDefect::Truncated { .. }
    ));
    assert_eq!(
        refused([bytes(2, &number(3, 2)), bytes(3, &number(4, 0))].concat()),
        VocabularyDefect::NoUnknown
    );

    let far = json!({ "added_tokens_decoder": { "99999999": { "content": "x" } } });
    assert_error!(
        pieces_folder(model(&[], &[]), far).open(),
        Error::Vocabulary {
            defect: VocabularyDefect::Id { id: 99_999_999 },
            ..
        },
        "tokenizer_config.json"
    );
    let class = json!({ "tokenizer_class": "T5Tokenizer" });
    assert_error!(
        pieces_folder(model(&[], &[]), class).open(),
        Error::Unsupported { .. },
        "tokenizer_class",
        "T5Tokenizer"
    );
    assert_error!(
        qwen_folder().file("merges.txt", "a b c\n").open(),
        Error::Vocabulary {
            defect: VocabularyDefect::Merge(_),
            ..
        },
        "merges.txt",
        "a b c"
    );
    assert_error!(
        qwen_folder().file("merges.txt", [0xffu8]).open(),
        Error::Vocabulary {
            defect: VocabularyDefect::Utf8 { .. },
            ..
        },
        "merges.txt"
    );
    assert_error!(
        qwen_folder().file("vocab.json", "[]").open(),
        Error::Json { .. },
        "vocab.json"
    );
    assert_error!(
        qwen_folder().without("merges.txt").open(),
        Error::MissingFile { .. },
        "tokenizer.json"
    );
}

/// Damage that leaves a valid file is read as one; nothing panics.
#[test]
fn no_prefix_and_no_single_byte_makes_the_reader_panic() {
    let whole = model(&[], &number(3, 0));
    let config = json!({ "added_tokens_decoder": added(12) });
    let files = pieces_folder(whole.clone(), config).build();
    let read = |model: Vec<u8>| {
        let mut files = files.clone();
        files.insert("tokenizer.model".into(), model);
        let checkpoint = open(files)?;
        Tokenizer::from_json(&pollster::block_on(checkpoint.tokenizer())?)
    };
    assert!(read(whole.clone()).is_ok());
    // The settings come last: without them the file is not BPE.
    for length in 0..whole.len() {
        assert!(read(whole[..length].to_vec()).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let _ = read(damaged);
        }
    }
}

/// The library's reader or its post-processor would panic.
#[test]
fn a_tokenizer_that_the_library_takes_for_granted_is_refused() {
    let piece = |name: &str, id: &str| json!([{ name: { "id": id, "type_id": 0 } }]);
    let template = |single: Value| {
        let listed = json!({ "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } });
        json!({ "type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": listed })
    };
    let made = |processor: Value| {
        let mut json: Value = json!({ "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null });
        json["model"] = json!({ "type": "BPE", "vocab": { "a": 0, "<s>": 1 }, "merges": [] });
        json["decoder"] = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true });
        json["post_processor"] = processor;
        json_bytes(&json)
    };
    let read = |bytes: &[u8]| promptly(|| Tokenizer::from_json(bytes));
    let sound = made(template(piece("SpecialToken", "<s>")));
    assert!(read(&sound).is_ok());
    for id in ["</s>", ""] {
        let alone = template(piece("SpecialToken", id));
        let among = json!({ "type": "Sequence", "processors": [alone.clone()] });
        for processor in [alone, among] {
            assert_error!(
                read(&made(processor)),
                Error::Tokenizer { .. },
                "post-processor",
                id
            );
        }
    }
    let second = template(piece("Sequence", "B"));
    assert_error!(
        read(&made(second)),
        Error::Tokenizer { .. },
        "post-processor"
    );
    let mut broken = sound;
    let at = broken
        .windows(9)
        .position(|part| part == b"ByteLevel")
        .unwrap();
    broken[at] = 0xff;
    assert_error!(read(&broken), Error::Tokenizer { .. }, "unicode");
}
