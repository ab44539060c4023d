//! A tokenizer.json from whatever a checkpoint has: the file itself, SentencePiece's tokenizer.model, Qwen's vocab.json
//! with merges.txt, or the vocabulary in a GGUF file's metadata.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::optional;
use super::section::Section;
use super::sentencepiece::{self, Kind, Piece};
use super::vocabulary::{Added, Prefix, Style, Vocabulary, place};
use crate::error::{Error, Result, VocabularyDefect};
use crate::weights::safetensors;
use crate::weights::source::Source;

/// The file a tokenizer is in.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SENTENCEPIECE: &str = "tokenizer.model";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const ADDED: &str = "added_tokens.json";

/// The tokenizer.json of a checkpoint folder.
pub(super) async fn of_folder(source: &Source) -> Result<Vec<u8>> {
    if let Some(bytes) = source.read_all(TOKENIZER).await? {
        return Ok(bytes);
    }
    let config = optional(source, TOKENIZER_CONFIG).await?;
    let config = Section::root(TOKENIZER_CONFIG, &config)?;
    let model = source.read_all(SENTENCEPIECE).await?;
    let file = if model.is_some() {
        SENTENCEPIECE
    } else {
        VOCAB
    };
    let mut vocabulary = if let Some(bytes) = model {
        config.only(
            "tokenizer_class",
            &["Llama", "InternLM2"]
                .into_iter()
                .flat_map(|name| ["", "Fast"].map(|fast| json!(format!("{name}Tokenizer{fast}"))))
                .collect::<Vec<_>>(),
        )?;
        of_sentencepiece(&bytes, &config)?
    } else {
        let vocab = source.read_all(VOCAB).await?;
        let merges = source.read_all(MERGES).await?;
        let (Some(vocab), Some(merges)) = (vocab, merges) else {
            return Err(Error::MissingFile {
                file: TOKENIZER.into(),
            });
        };
        config.only(
            "tokenizer_class",
            &[json!("Qwen2Tokenizer"), json!("Qwen2TokenizerFast")],
        )?;
        of_qwen(&vocab, &merges)?
    };
    let added = optional(source, ADDED).await?;
    add(&mut vocabulary, &config, &Section::root(ADDED, &added)?)?;
    vocabulary.to_json(file)
}

fn of_sentencepiece(bytes: &[u8], config: &Section) -> Result<Vocabulary> {
    let model = sentencepiece::parse(bytes).map_err(|defect| defect.of(SENTENCEPIECE))?;
    let prefix = match model.dummy_prefix {
        true if config.flag("legacy")? == Some(false) => Prefix::First,
        wanted => Prefix::of(wanted),
    };
    let bos = config
        .flag("add_bos_token")?
        .unwrap_or(true)
        .then_some(model.bos);
    Vocabulary::pieces(SENTENCEPIECE, model.pieces, prefix, bos)
}

fn of_qwen(vocab: &[u8], merges: &[u8]) -> Result<Vocabulary> {
    let ids: HashMap<String, usize> = safetensors::json(VOCAB, vocab)?;
    let mut tokens = Vec::new();
    for (token, id) in ids {
        place(&mut tokens, id, token, VOCAB)?;
    }
    let merges = std::str::from_utf8(merges).map_err(|error| {
        let at = error.valid_up_to();
        VocabularyDefect::Utf8 { at }.of(MERGES)
    })?;
    let lines = merges
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("#version"));
    Ok(Vocabulary {
        tokens,
        merges: lines
            .map(|line| pair(MERGES, line))
            .collect::<Result<_>>()?,
        added: BTreeMap::new(),
        style: Style::qwen2(),
        bos: None,
    })
}

/// The tokenizer.json of a GGUF file.
pub(super) fn of_gguf(file: &str, architecture: &str, metadata: &Section) -> Result<Vec<u8>> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let missing = |name: &str| VocabularyDefect::MissingList { key: key(name) }.of(file);
    let list = |name: &str| -> Result<&[Value]> {
        let found = metadata.get(&key(name)).and_then(Value::as_array);
        found.map(Vec::as_slice).ok_or_else(|| missing(name))
    };
    let texts = |name: &str| -> Result<Vec<&str>> {
        let texts: Option<_> = list(name)?.iter().map(Value::as_str).collect();
        texts.ok_or_else(|| missing(name))
    };
    let tokens = texts("tokens")?;
    let types = list("token_type")?;
    if types.len() != tokens.len() {
        return Err(VocabularyDefect::Lengths.of(file));
    }
    let kinds = types.iter().map(|kind| match kind.as_u64() {
        Some(2) => Kind::Unknown,
        Some(3) => Kind::Control,
        Some(4) => Kind::UserDefined,
        Some(5) => Kind::Unused,
        Some(6) => Kind::Byte,
        _ => Kind::Normal,
    });
    let bos = |default| -> Result<Option<usize>> {
        match metadata.flag(&key("add_bos_token"))?.unwrap_or(default) {
            true => metadata.size(&key("bos_token_id")),
            false => Ok(None),
        }
    };
    let vocabulary = match metadata.text(&key("model"))? {
        Some("llama") => {
            let scores = list("scores")?;
            if scores.len() != tokens.len() {
                return Err(VocabularyDefect::Lengths.of(file));
            }
            let pieces = tokens.into_iter().zip(kinds).zip(scores);
            let pieces = pieces.map(|((text, kind), score)| Piece {
                text: text.into(),
                score: score.as_f64().unwrap_or(f64::NAN) as f32,
                // The converter writes a dragon for InternLM2's piece of a NUL.
                kind: match (architecture, text) {
                    ("internlm2", "🐉") => Kind::Unused,
                    _ => kind,
                },
            });
            let prefix = metadata.flag(&key("add_space_prefix"))?.unwrap_or(true);
            let mut found =
                Vocabulary::pieces(file, pieces.collect(), Prefix::of(prefix), bos(true)?)?;
            if architecture == "phi3" {
                // Phi-3's own files say so of its turn markers; GGUF has no place for it.
                for (id, added) in &mut found.added {
                    let token = found.tokens[*id].as_deref().unwrap_or_default();
                    added.rstrip = token.starts_with("<|") && token != "<|endoftext|>";
                }
            }
            found
        }
        Some("gpt2") => {
            let style = match metadata.text(&key("pre"))? {
                Some("qwen2") => Style::qwen2(),
                Some("smollm") => Style::smollm(),
                _ => return Err(metadata.unsupported(&key("pre"), "qwen2, smollm")),
            };
            let added = kinds.enumerate().filter_map(|(id, kind)| {
                let special = matches!(kind, Kind::Control | Kind::Unknown);
                (special || kind == Kind::UserDefined).then(|| (id, Added::plain(special)))
            });
            Vocabulary {
                added: added.collect(),
                tokens: tokens
                    .into_iter()
                    .map(|token| Some(token.to_owned()))
                    .collect(),
                merges: texts("merges")?
                    .into_iter()
                    .map(|line| pair(file, line))
                    .collect::<Result<_>>()?,
                style,
                bos: bos(false)?,
            }
        }
        _ => return Err(metadata.unsupported(&key("model"), "gpt2, llama")),
    };
    vocabulary.to_json(file)
}

/// `left right`.
fn pair(file: &str, line: &str) -> Result<(String, String)> {
    match line.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok((left.into(), right.into())),
        _ => Err(VocabularyDefect::Merge(line.into()).of(file)),
    }
}

/// Adds the tokens of tokenizer_config.json, or of added_tokens.json where that does not list them.
fn add(vocabulary: &mut Vocabulary, config: &Section, added: &Section) -> Result<()> {
    let listed = config
        .get("added_tokens_decoder")
        .and_then(Value::as_object);
    let mut found = BTreeMap::new();
    match listed {
        Some(listed) => {
            for (id, token) in listed {
                let flag = |key: &str| token[key].as_bool().unwrap_or(false);
                let (Ok(id), Some(content)) = (id.parse(), token["content"].as_str()) else {
                    return Err(config.wrong(
                        "added_tokens_decoder",
                        format!("{id}: {token} is not a token"),
                    ));
                };
                let token = Added {
                    special: flag("special"),
                    lstrip: flag("lstrip"),
                    rstrip: flag("rstrip"),
                };
                found.insert(id, (content, token));
            }
        }
        None => {
            let special = config.get("additional_special_tokens");
            let special = special.and_then(Value::as_array);
            for content in added.keys() {
                let Some(id) = added.size(content)? else {
                    continue;
                };
                let special = special.is_some_and(|all| all.iter().any(|s| s == content));
                found.insert(id, (content.as_str(), Added::plain(special)));
            }
        }
    }
    for (id, (content, token)) in found {
        place(&mut vocabulary.tokens, id, content.into(), TOKENIZER_CONFIG)?;
        vocabulary.added.insert(id, token);
    }
    Ok(())
}
