//! SentencePiece's tokenizer.model: a protocol buffer of pieces, each with its score, and of how text is prepared.
//!
//! A protocol buffer is a run of fields: a varint `number << 3 | wire type`, then a varint (0), eight bytes (1), a varint
//! length with that many bytes (2), or four bytes (5). Fields that say nothing here are stepped over. Of the message
//! `ModelProto` (sentencepiece_model.proto) these are read:
//!
//! | field | of | what |
//! |---|---|---|
//! | 1 | model | a piece, many times |
//! | 1, 2, 3 | piece | text, f32 score, kind (1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte) |
//! | 2 | model | the trainer's settings |
//! | 3, 24, 41 | trainer | model type (2 is BPE), white space at the end of words, BOS id (1) |
//! | 3 | model | the normalizer's settings |
//! | 2, 3, 4, 5 | normalizer | character map, dummy prefix, one space for many, `▁` for spaces (the last three true unless said) |

use crate::error::VocabularyDefect;

/// A vocabulary in BPE.
pub(super) struct Model {
    /// By id.
    pub(super) pieces: Vec<Piece>,
    pub(super) dummy_prefix: bool,
    pub(super) bos: usize,
}

pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

type Parsed<T> = Result<T, VocabularyDefect>;

/// Reads a tokenizer.model, refusing what a tokenizer.json of ours does not do.
pub(super) fn parse(bytes: &[u8]) -> Parsed<Model> {
    const BPE: u64 = 2;
    let mut pieces = Vec::new();
    // Defaults of sentencepiece_model.proto: unigram, a dummy prefix, one space for many.
    let (mut model_type, mut suffix, mut bos) = (1, false, 1);
    let (mut dummy_prefix, mut one_space, mut escaped, mut mapped) = (true, true, true, false);
    for field in (Fields { bytes, at: 0 }) {
        match field? {
            (1, Field::Bytes(piece, at)) => pieces.push(Piece::parse(piece, at)?),
            (2, Field::Bytes(bytes, _)) => {
                for field in (Fields { bytes, at: 0 }) {
                    match field? {
                        (3, Field::Number(kind)) => model_type = kind,
                        (24, Field::Number(flag)) => suffix = flag != 0,
                        (41, Field::Number(id)) => bos = id,
                        _ => {}
                    }
                }
            }
            (3, Field::Bytes(bytes, _)) => {
                for field in (Fields { bytes, at: 0 }) {
                    match field? {
                        (2, Field::Bytes(map, _)) => mapped = !map.is_empty(),
                        (3, Field::Number(flag)) => dummy_prefix = flag != 0,
                        (4, Field::Number(flag)) => one_space = flag != 0,
                        (5, Field::Number(flag)) => escaped = flag != 0,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    for (wrong, what) in [
        (model_type != BPE, "a model type other than BPE"),
        (suffix, "white space at the end of words"),
        (mapped, "a map of characters"),
        (one_space, "removing extra spaces"),
        (!escaped, "spaces that are not escaped"),
    ] {
        if wrong {
            return Err(VocabularyDefect::Unsupported(what));
        }
    }
    Ok(Model {
        pieces,
        dummy_prefix,
        bos: bos as usize,
    })
}

impl Piece {
    fn parse(bytes: &[u8], at: usize) -> Parsed<Self> {
        let (mut text, mut score, mut kind) = (String::new(), 0.0, 1);
        for field in (Fields { bytes, at: 0 }) {
            match field? {
                (1, Field::Bytes(bytes, _)) => {
                    let valid = std::str::from_utf8(bytes);
                    text = valid.map_err(|_| VocabularyDefect::Utf8 { at })?.to_owned();
                }
                (2, Field::Four(bytes)) => score = f32::from_le_bytes(bytes),
                (3, Field::Number(number)) => kind = number,
                _ => {}
            }
        }
        let kind = match kind {
            1 => Kind::Normal,
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            other => return Err(VocabularyDefect::Kind(other)),
        };
        Ok(Self { text, score, kind })
    }
}

enum Field<'a> {
    Number(u64),
    Four([u8; 4]),
    /// With where they begin.
    Bytes(&'a [u8], usize),
    Eight,
}

/// The fields of a message, with their numbers; ends at the first error.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Parsed<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Parsed<(u64, Field<'a>)> {
        let start = self.at;
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => {
                self.take(8)?;
                Field::Eight
            }
            2 => {
                let length = self.varint()?;
                let at = self.at;
                Field::Bytes(self.take(length)?, at)
            }
            5 => {
                let mut four = [0; 4];
                four.copy_from_slice(self.take(4)?);
                Field::Four(four)
            }
            _ => return Err(VocabularyDefect::Wire { at: start }),
        };
        Ok((tag >> 3, field))
    }

    fn varint(&mut self) -> Parsed<u64> {
        let start = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else {
                unreachable!("one byte was taken");
            };
            value |= u64::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Ok(value);
            }
        }
        Err(VocabularyDefect::Wire { at: start })
    }

    fn take(&mut self, length: u64) -> Parsed<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let taken = rest
            .get(..length)
            .ok_or(VocabularyDefect::Truncated { at: self.at })?;
        self.at += length;
        Ok(taken)
    }
}
