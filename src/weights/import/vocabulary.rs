//! What a tokenizer.json is made of, and writing one.
//!
//! SentencePiece merges the neighbours whose concatenation has the best score; a tokenizer.json lists pairs, best first.
//! Every cut of a piece into two others is such a pair. Control, byte and unknown tokens are never parts: no text spells
//! them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::sentencepiece::{Kind, Piece};
use crate::error::{Result, VocabularyDefect};

/// As many ids as a model can have.
const ID_LIMIT: usize = 1 << 22;

/// Where Qwen cuts a text before it merges.
const QWEN2_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a tokenizer.json is made of.
pub(super) struct Vocabulary {
    /// By id; `None` is an id that no text has.
    pub(super) tokens: Vec<Option<String>>,
    /// Best first.
    pub(super) merges: Vec<(String, String)>,
    pub(super) added: BTreeMap<usize, Added>,
    pub(super) style: Style,
    /// Put before every text.
    pub(super) bos: Option<usize>,
}

/// A token that is found in text as it is.
pub(super) struct Added {
    pub(super) special: bool,
    pub(super) lstrip: bool,
    pub(super) rstrip: bool,
}

impl Added {
    pub(super) fn plain(special: bool) -> Self {
        Self {
            special,
            lstrip: false,
            rstrip: false,
        }
    }
}

pub(super) enum Style {
    /// Characters, `▁` for spaces, byte tokens for what has no piece.
    SentencePiece { prefix: Prefix, unknown: usize },
    /// GPT-2's alphabet of bytes.
    Bytes { normalizer: Value, split: Value },
}

/// Where SentencePiece's dummy prefix, a space, goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Never,
    /// Before every stretch between added tokens.
    Always,
    /// Before the text, unless an added token begins it.
    First,
}

impl Prefix {
    pub(super) fn of(wanted: bool) -> Self {
        if wanted { Self::Always } else { Self::Never }
    }
}

/// Puts a token at its id.
pub(super) fn place(
    tokens: &mut Vec<Option<String>>,
    id: usize,
    token: String,
    file: &str,
) -> Result<()> {
    if id >= ID_LIMIT {
        return Err(VocabularyDefect::Id { id }.of(file));
    }
    tokens.resize(tokens.len().max(id + 1), None);
    tokens[id] = Some(token);
    Ok(())
}

impl Style {
    pub(super) fn qwen2() -> Self {
        Self::Bytes {
            normalizer: json!({ "type": "NFC" }),
            split: json!({
                "type": "Split", "pattern": { "Regex": QWEN2_SPLIT }, "behavior": "Isolated", "invert": false,
            }),
        }
    }

    /// Digits one by one, then GPT-2's own split.
    pub(super) fn smollm() -> Self {
        Self::Bytes {
            normalizer: Value::Null,
            split: json!({ "type": "Digits", "individual_digits": true }),
        }
    }
}

impl Vocabulary {
    /// SentencePiece's BPE.
    pub(super) fn pieces(
        file: &str,
        pieces: Vec<Piece>,
        prefix: Prefix,
        bos: Option<usize>,
    ) -> Result<Self> {
        let Some(unknown) = pieces.iter().position(|piece| piece.kind == Kind::Unknown) else {
            return Err(VocabularyDefect::NoUnknown.of(file));
        };
        if let Some(piece) = pieces.iter().find(|piece| !piece.score.is_finite()) {
            return Err(VocabularyDefect::Score(piece.text.clone()).of(file));
        }
        let spelled = |piece: &&Piece| piece.kind == Kind::Normal;
        let known: HashMap<&str, usize> = pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| spelled(piece))
            .map(|(id, piece)| (piece.text.as_str(), id))
            .collect();
        let mut cuts = Vec::new();
        for piece in pieces.iter().filter(spelled) {
            for (at, _) in piece.text.char_indices().skip(1) {
                let (left, right) = piece.text.split_at(at);
                if let (Some(&left), Some(&right)) = (known.get(left), known.get(right)) {
                    cuts.push((piece.score, left, right));
                }
            }
        }
        cuts.sort_by(|a, b| b.0.total_cmp(&a.0));
        let text = |id: usize| pieces[id].text.clone();
        let merges = cuts
            .into_iter()
            .map(|(_, left, right)| (text(left), text(right)))
            .collect();
        let added = pieces
            .iter()
            .enumerate()
            .filter_map(|(id, piece)| match piece.kind {
                Kind::Control | Kind::Unknown => Some((id, Added::plain(true))),
                Kind::UserDefined => Some((id, Added::plain(false))),
                Kind::Normal | Kind::Unused | Kind::Byte => None,
            });
        Ok(Self {
            added: added.collect(),
            merges,
            // SentencePiece has no use for a piece of a NUL either.
            tokens: pieces
                .iter()
                .map(|piece| {
                    let used = piece.kind != Kind::Unused && piece.text != "\0";
                    used.then(|| piece.text.clone())
                })
                .collect(),
            style: Style::SentencePiece { prefix, unknown },
            bos,
        })
    }

    /// A tokenizer.json; `file` is what an error names.
    pub(super) fn to_json(&self, file: &str) -> Result<Vec<u8>> {
        let mut vocab = Map::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate() {
            let Some(token) = token else { continue };
            if vocab.insert(token.clone(), id.into()).is_some() {
                return Err(VocabularyDefect::Duplicate(token.clone()).of(file));
            }
        }
        let content = |id: usize| {
            let token = self.tokens.get(id).and_then(Option::as_ref);
            token.ok_or_else(|| VocabularyDefect::Id { id }.of(file))
        };
        let added: Vec<Value> = self
            .added
            .iter()
            .map(|(id, token)| {
                json!({
                    "id": id, "content": self.tokens[*id], "single_word": false, "lstrip": token.lstrip,
                    "rstrip": token.rstrip, "normalized": false, "special": token.special,
                })
            })
            .collect();
        let post_processor = match self.bos {
            None => Value::Null,
            Some(id) => {
                let bos = content(id)?;
                let first = json!({ "SpecialToken": { "id": bos, "type_id": 0 } });
                let text = |name: &str| json!({ "Sequence": { "id": name, "type_id": 0 } });
                json!({
                    "type": "TemplateProcessing", "single": [first, text("A")], "pair": [first, text("A"), text("B")],
                    "special_tokens": { bos: { "id": bos, "ids": [id], "tokens": [bos] } },
                })
            }
        };
        let model = |unknown: Option<&String>| {
            json!({
                "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": unknown.is_some(), "ignore_merges": false,
                "vocab": vocab, "merges": self.merges,
            })
        };
        let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
        let (normalizer, pre_tokenizer, decoder, model) = match &self.style {
            Style::SentencePiece { prefix, unknown } => {
                let spaces = replace(" ", "▁");
                let (normalizer, pre_tokenizer) = match prefix {
                    Prefix::Never => (spaces, Value::Null),
                    Prefix::Always => {
                        let prepend = json!({ "type": "Prepend", "prepend": "▁" });
                        (
                            json!({ "type": "Sequence", "normalizers": [prepend, spaces] }),
                            Value::Null,
                        )
                    }
                    Prefix::First => (
                        Value::Null,
                        json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false }),
                    ),
                };
                let mut steps = vec![
                    replace("▁", " "),
                    json!({ "type": "ByteFallback" }),
                    json!({ "type": "Fuse" }),
                ];
                if *prefix != Prefix::Never {
                    steps.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
                }
                let decoder = json!({ "type": "Sequence", "decoders": steps });
                (
                    normalizer,
                    pre_tokenizer,
                    decoder,
                    model(Some(content(*unknown)?)),
                )
            }
            Style::Bytes { normalizer, split } => {
                // Qwen's split is complete; after single digits GPT-2's follows.
                let bytes = json!({
                    "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                    "use_regex": split["type"] == "Digits",
                });
                let pre_tokenizer = json!({ "type": "Sequence", "pretokenizers": [split, bytes] });
                (normalizer.clone(), pre_tokenizer, bytes, model(None))
            }
        };
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": decoder, "model": model,
        });
        Ok(tokenizer.to_string().into_bytes())
    }
}
