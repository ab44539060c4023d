//! Text to token ids and back, for the two kinds of tokenizer the family has: byte-level BPE (Qwen) and SentencePiece BPE
//! with byte fallback (InternLM2, Phi-3), both read from `tokenizer.json`.
//!
//! The `tokenizers` crate normalises, pre-tokenizes and merges. Finding the added tokens is done here, because who wrote a
//! stretch of text decides whether it may contain any; the whole prompt is still one string with one set of boundaries, so
//! that ordinary text gets the ids the reference gets.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use tokenizers::tokenizer::normalizer;
use tokenizers::{
    AddedToken, Encoding, Model, Normalizer, OffsetReferential, OffsetType, PostProcessor,
    PreTokenizedString, PreTokenizer, Token,
};

use super::stream::{Spelling, StreamDecoder};
use crate::error::{Error, Result};

/// Tags that stand for themselves in anybody's text: the grounding prompt needs the first six, and none of them can open
/// or close a turn or a picture.
const PLAIN_TAGS: [&str; 8] = [
    "<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<think>", "</think>",
];

/// A checkpoint's tokenizer; clones share it.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    tokenizer: tokenizers::Tokenizer,
    added: Vec<(u32, AddedToken)>,
    /// What the post-processor puts before a text: BOS, or nothing.
    prefix: Vec<u32>,
    spelling: Spelling,
}

/// What the library takes for granted in a tokenizer.json: its reader panics where the decoder is no JSON.
#[derive(serde::Deserialize)]
struct Parts {
    #[serde(default, rename = "decoder")]
    _decoder: Value,
    #[serde(default)]
    post_processor: Value,
}

/// A stretch of a prompt, with the right it has to special tokens.
#[derive(Clone, Debug)]
pub enum Piece<'a> {
    /// All added tokens are recognised.
    Markup(&'a str),
    /// Only harmless tags are recognised.
    Text(&'a str),
    /// Ids as they are.
    Ids(Vec<u32>),
}

/// A tokenized prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// All ids, BOS included where the tokenizer has one.
    pub ids: Vec<u32>,
    /// Where each [`Piece::Ids`] begins.
    pub starts: Vec<usize>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let parts: Parts = serde_json::from_slice(bytes).map_err(refused)?;
        complete(&parts.post_processor)?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(refused)?;
        let added = tokenizer.get_added_tokens_decoder().into_iter().collect();
        let spelling = Spelling::of(&tokenizer)?;
        let prefix = prefix(&tokenizer)?;
        Ok(Self(Arc::new(Inner {
            tokenizer,
            added,
            prefix,
            spelling,
        })))
    }

    /// The id of a token by its content.
    pub fn id_of(&self, content: &str) -> Option<u32> {
        self.0.tokenizer.token_to_id(content)
    }

    /// The id of an added token, one that markup can contain.
    pub fn marker(&self, content: &str) -> Result<u32> {
        let found = self
            .0
            .added
            .iter()
            .find(|(_, token)| token.content == content);
        found.map(|(id, _)| *id).ok_or_else(|| Error::MissingToken {
            token: content.into(),
        })
    }

    /// Tokenizes a prompt, BOS first. A BOS the markup itself begins with is not doubled. The end-of-text some
    /// post-processors would add is left out: an answer follows.
    pub fn encode(&self, pieces: &[Piece<'_>]) -> Result<Encoded> {
        let Inner {
            tokenizer, prefix, ..
        } = &*self.0;
        let source = Source::new(pieces);
        let mut splits = PreTokenizedString::from(source.text.as_str());
        let parts = source.parts(self.fixed(&source));
        splits
            .split(|_, whole| {
                let part = |(range, tokens)| {
                    let part = whole.slice(normalizer::Range::Normalized(range));
                    (part.expect("a part of the string"), tokens)
                };
                Ok(parts.iter().cloned().map(part).collect::<Vec<_>>())
            })
            .map_err(refused)?;
        if let Some(normalizer) = tokenizer.get_normalizer() {
            splits
                .normalize(|part| normalizer.normalize(part))
                .map_err(refused)?;
        }
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut splits).map_err(refused)?;
        }
        splits
            .tokenize(|part| tokenizer.get_model().tokenize(part.get()))
            .map_err(refused)?;

        let mut ids = Vec::new();
        let mut starts = Vec::new();
        let mut inserted = source
            .inserted
            .iter()
            .map(|(range, _)| range.start)
            .peekable();
        for (_, (start, _), tokens) in
            splits.get_splits(OffsetReferential::Original, OffsetType::Byte)
        {
            if inserted.next_if_eq(&start).is_some() {
                starts.push(ids.len());
            }
            ids.extend(tokens.iter().flatten().map(|token| token.id));
        }
        if !ids.starts_with(prefix) {
            ids.splice(..0, prefix.iter().copied());
            starts.iter_mut().for_each(|start| *start += prefix.len());
        }
        Ok(Encoded { ids, starts })
    }

    /// The stretches whose ids are settled, in order: inserted ids, and added tokens where the text has a right to them.
    /// White space beside a token goes with it where its `lstrip` or `rstrip` says so.
    fn fixed(&self, source: &Source) -> Vec<Fixed> {
        let text = source.text.as_str();
        let settled = |fixed: &[Fixed]| fixed.last().map_or(0, |(range, _)| range.end);
        let mut fixed = Vec::new();
        let mut inserted = source.inserted.iter();
        for (span, right) in &source.spans {
            let mut at = span.start.max(settled(&fixed));
            while at < span.end {
                let found = match right {
                    Right::Inserted => inserted
                        .next()
                        .map(|(range, ids)| (range.clone(), (*ids).clone())),
                    _ => self.token_at(text, at..span.end, right).map(|(id, token)| {
                        let (before, after) = (
                            &text[settled(&fixed)..at],
                            &text[at + token.content.len()..],
                        );
                        let start = if token.lstrip {
                            at - before.len() + before.trim_end().len()
                        } else {
                            at
                        };
                        let stop = if token.rstrip {
                            text.len() - after.trim_start().len()
                        } else {
                            text.len() - after.len()
                        };
                        (start..stop, vec![*id])
                    }),
                };
                match found {
                    Some((range, ids)) => {
                        at = range.end;
                        fixed.push((range, ids));
                    }
                    None => at += text[at..].chars().next().map_or(1, char::len_utf8),
                }
            }
        }
        fixed
    }

    /// The longest added token that begins here and ends inside the span.
    fn token_at(
        &self,
        text: &str,
        range: Range<usize>,
        right: &Right,
    ) -> Option<&(u32, AddedToken)> {
        let rest = &text[range.clone()];
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let candidates = self.0.added.iter().filter(|(_, token)| {
            rest.starts_with(&token.content)
                && !token.content.is_empty()
                && (*right == Right::All || PLAIN_TAGS.contains(&token.content.as_str()))
                && !(token.single_word
                    && (word(text[..range.start].chars().next_back())
                        || word(text[range.start + token.content.len()..].chars().next())))
        });
        candidates.max_by_key(|(_, token)| token.content.len())
    }

    /// A decoder for one answer.
    pub fn stream(&self) -> StreamDecoder {
        StreamDecoder::new(self.clone(), self.0.spelling.strip)
    }

    /// The text of a whole answer, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = self.stream();
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.flush());
        text
    }

    /// The bytes of each id below `count`; none for a special token.
    pub fn words(&self, count: usize) -> Vec<Vec<u8>> {
        (0..count as u32)
            .map(|id| self.bytes(id, &[]).unwrap_or_default())
            .collect()
    }

    /// The bytes of a token, unless it is special and not one of `kept`; none for ids beyond the vocabulary.
    pub(super) fn bytes(&self, id: u32, kept: &[&str]) -> Option<Vec<u8>> {
        let Inner {
            tokenizer,
            spelling,
            ..
        } = &*self.0;
        let content = tokenizer.id_to_token(id)?;
        let special = tokenizer.get_added_vocabulary().is_special_token(&content);
        let shown = !special || kept.contains(&content.as_str());
        shown.then(|| spelling.bytes(&content))
    }
}

pub(super) fn refused(error: impl ToString) -> Error {
    Error::Tokenizer {
        reason: error.to_string(),
    }
}

/// Refuses a post-processor that puts tokens which it does not list, or a second text, around a single one: the library
/// looks neither up with care.
fn complete(processor: &Value) -> Result<()> {
    for part in processor["processors"].as_array().into_iter().flatten() {
        complete(part)?;
    }
    for piece in processor["single"].as_array().into_iter().flatten() {
        let known = match (&piece["SpecialToken"]["id"], &piece["Sequence"]["id"]) {
            (Value::String(id), _) => processor["special_tokens"].get(id).is_some(),
            (_, id) => id == "A",
        };
        if !known {
            return Err(refused(format!("the post-processor has no {piece}")));
        }
    }
    Ok(())
}

/// What the post-processor puts before a sequence.
fn prefix(tokenizer: &tokenizers::Tokenizer) -> Result<Vec<u32>> {
    const TEXT: u32 = u32::MAX;
    let Some(processor) = tokenizer.get_post_processor() else {
        return Ok(Vec::new());
    };
    let text = Encoding::from_tokens(vec![Token::new(TEXT, String::new(), (0, 0))], 0);
    let processed = processor.process(text, None, true).map_err(refused)?;
    Ok(processed
        .get_ids()
        .iter()
        .copied()
        .take_while(|&id| id != TEXT)
        .collect())
}

/// Which added tokens a span may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    All,
    PlainTags,
    Inserted,
}

/// A stretch of the prompt's string and the ids it has whatever the model would make of it.
type Fixed = (Range<usize>, Vec<u32>);

/// A prompt as one string, inserted ids as one character each.
struct Source<'a> {
    text: String,
    /// The string's spans, neighbours of one kind in one.
    spans: Vec<(Range<usize>, Right)>,
    inserted: Vec<(Range<usize>, &'a Vec<u32>)>,
}

impl<'a> Source<'a> {
    fn new(pieces: &'a [Piece<'a>]) -> Self {
        let mut source = Self {
            text: String::new(),
            spans: Vec::new(),
            inserted: Vec::new(),
        };
        for piece in pieces {
            let start = source.text.len();
            let (text, right) = match piece {
                Piece::Markup(text) => (*text, Right::All),
                Piece::Text(text) => (*text, Right::PlainTags),
                Piece::Ids(_) => ("\u{fffc}", Right::Inserted),
            };
            source.text.push_str(text);
            let span = start..source.text.len();
            if let Piece::Ids(ids) = piece {
                source.inserted.push((span.clone(), ids));
            }
            match source.spans.last_mut() {
                Some((last, same)) if *same == right => last.end = span.end,
                _ => source.spans.push((span, right)),
            }
        }
        source
    }

    /// The whole string in parts, those with settled ids as tokens.
    fn parts(&self, fixed: Vec<Fixed>) -> Vec<(Range<usize>, Option<Vec<Token>>)> {
        let mut parts = Vec::with_capacity(fixed.len() * 2 + 1);
        let mut at = 0;
        for (range, ids) in fixed {
            parts.push((at..range.start, None));
            at = range.end;
            let token = |id| Token::new(id, String::new(), (0, 0));
            parts.push((range, Some(ids.into_iter().map(token).collect())));
        }
        parts.push((at..self.text.len(), None));
        parts.retain(|(range, _)| !range.is_empty());
        parts
    }
}
