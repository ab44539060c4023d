//! Token ids back to text, as they come.

use std::collections::HashMap;

use super::tokenizer::{Tokenizer, refused};
use crate::error::Result;

/// The tags that an answer with boxes is written in.
const GROUNDING_TAGS: [&str; 6] = ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>"];

/// Turns ids into text as they come, whole characters only. Special tokens do not show.
///
/// Bytes that are no UTF-8 become U+FFFD as soon as they cannot become a character any more. (The reference's byte-fallback
/// decoder gives up the characters around them too.)
pub struct StreamDecoder {
    tokenizer: Tokenizer,
    /// Special tokens that show all the same.
    kept: &'static [&'static str],
    /// The beginning of a character.
    pending: Vec<u8>,
    /// Leading spaces still to drop.
    strip: usize,
}

impl StreamDecoder {
    pub(super) fn new(tokenizer: Tokenizer, strip: usize) -> Self {
        Self {
            tokenizer,
            kept: &[],
            pending: Vec::new(),
            strip,
        }
    }

    /// Leaves the tags in the text that [`super::grounding`] reads.
    pub fn keep_boxes(self) -> Self {
        Self {
            kept: &GROUNDING_TAGS,
            ..self
        }
    }

    /// The text this id completes; often all of it, sometimes nothing yet.
    pub fn push(&mut self, id: u32) -> String {
        if let Some(bytes) = self.tokenizer.bytes(id, self.kept) {
            self.pending.extend(bytes);
        }
        let text = whole_characters(&mut self.pending);
        self.stripped(text)
    }

    /// What is left at the end of the answer: nothing, or U+FFFD for a character that was not finished.
    pub fn flush(&mut self) -> String {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned();
        self.stripped(text)
    }

    fn stripped(&mut self, mut text: String) -> String {
        while self.strip > 0 && !text.is_empty() {
            if text.starts_with(' ') {
                text.remove(0);
                self.strip -= 1;
            } else {
                self.strip = 0;
            }
        }
        text
    }
}

/// Takes all but an unfinished character off the front.
fn whole_characters(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut done = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        done += chunk.valid().len();
        let unfinished =
            done + chunk.invalid().len() == bytes.len() && may_continue(chunk.invalid());
        if chunk.invalid().is_empty() || unfinished {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        done += chunk.invalid().len();
    }
    bytes.drain(..done);
    text
}

/// Whether more bytes could make this a character.
fn may_continue(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// How token contents spell bytes, from the tokenizer's `decoder`.
pub(super) struct Spelling {
    /// GPT-2's alphabet of 256 characters for the bytes; `None` is SentencePiece's, where `▁` is a space.
    alphabet: Option<HashMap<char, u8>>,
    /// Whether `<0x0A>` is a byte.
    byte_tokens: bool,
    /// Leading spaces an answer loses.
    pub(super) strip: usize,
}

impl Spelling {
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Result<Self> {
        let decoder = serde_json::to_value(tokenizer.get_decoder()).map_err(refused)?;
        let steps = decoder["decoders"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![decoder.clone()]);
        let mut spelling = Self {
            alphabet: None,
            byte_tokens: false,
            strip: 0,
        };
        let mut fused = false;
        for step in &steps {
            match step["type"].as_str() {
                Some("ByteLevel") => spelling.alphabet = Some(byte_alphabet()),
                Some("Replace") if step["pattern"]["String"] == "▁" && step["content"] == " " => {
                }
                Some("ByteFallback") => spelling.byte_tokens = true,
                Some("Fuse") => fused = true,
                Some("Strip") if fused && step["content"] == " " && step["stop"] == 0 => {
                    spelling.strip = step["start"].as_u64().unwrap_or_default() as usize;
                }
                Some("Metaspace") if step["replacement"] == "▁" => {
                    spelling.strip = usize::from(step["prepend_scheme"] != "never");
                }
                _ => return Err(refused(format!("the decoder {step} is not implemented"))),
            }
        }
        Ok(spelling)
    }

    /// The bytes a token stands for.
    pub(super) fn bytes(&self, content: &str) -> Vec<u8> {
        if let Some(alphabet) = &self.alphabet {
            let bytes: Option<Vec<u8>> =
                content.chars().map(|c| alphabet.get(&c).copied()).collect();
            return bytes.unwrap_or_else(|| content.as_bytes().to_vec());
        }
        let byte = content
            .strip_prefix("<0x")
            .and_then(|rest| rest.strip_suffix('>'));
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if self.byte_tokens => vec![byte],
            _ => content.replace('▁', " ").into_bytes(),
        }
    }
}

/// GPT-2's `bytes_to_unicode`, turned round: printable Latin-1 stands for itself, the rest follows from U+0100 on.
fn byte_alphabet() -> HashMap<char, u8> {
    let mut next = 0x100;
    let character = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => {
            next += 1;
            char::from_u32(next - 1).unwrap_or_default()
        }
    };
    (0..=255).map(character).zip(0..=255).collect()
}
