//! Answers that keep to a JSON Schema, with llguidance: after each token, which ones may come next.
//!
//! A package of its own, so that only those who ask for a schema pay for it: the page fetches it as a WebAssembly module
//! (`web.rs`) with the first such request, the command line starts it as a program (`main.rs`).

mod place;
#[cfg(target_arch = "wasm32")]
mod web;

use std::sync::Arc;

use llguidance::api::{StopReason, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie, TokenId};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::Value;

/// What stands between an answer's tokens: a space, or a new line with its indentation. Nothing that could go on for ever.
const WHITE_SPACE: &str = r"\x20|\x0A\x20{0,32}";

/// What can be wrong with a schema, or keep an answer from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is no JSON.
    #[error("the schema is no JSON: {0}")]
    Json(String),
    /// A part of it is wrong, or asks for something that is not implemented.
    #[error("the schema at {place}: {reason}")]
    Schema {
        /// A JSON pointer, as in `#/properties/total`.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The vocabulary cannot write what the schema asks for.
    #[error("this model has no token that could come after {written:?} by the schema")]
    Vocabulary {
        /// The end of the answer so far.
        written: String,
    },
    /// What follows takes too long to find out.
    #[error("the schema is too complex: {0}")]
    TooComplex(String),
}

impl SchemaError {
    /// A stable name for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Schema { .. } => "schema",
            Self::Vocabulary { .. } => "schema-vocabulary",
            Self::TooComplex(_) => "schema-too-complex",
        }
    }
}

/// A model's tokens, as bytes.
pub struct Vocabulary(ParserFactory);

impl Vocabulary {
    /// `words` are the tokens by id, empty where an answer may not contain one, as a special token; `stops` lists the ids
    /// that end an answer, one at least.
    pub fn new(mut words: Vec<Vec<u8>>, stops: &[TokenId]) -> Self {
        // No character begins like this, and llguidance takes it for the mark of a special token.
        for word in &mut words {
            if word.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
                word.clear();
            }
        }
        let info = TokRxInfo::new(words.len() as u32, stops[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(stops);
        let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&tokens).expect("llguidance's own patterns");
        factory.quiet().limits_mut().verbose_errors = false;
        Self(factory)
    }

    /// An answer to hold to `schema`, a JSON text.
    ///
    /// # Errors
    ///
    /// A schema that is wrong or not implemented, or that this vocabulary cannot even begin to answer.
    pub fn hold(&self, schema: &str) -> Result<Held, SchemaError> {
        let schema: Value =
            serde_json::from_str(schema).map_err(|error| SchemaError::Json(error.to_string()))?;
        let matcher = self
            .compile(&schema)
            .map_err(|reason| place::of(&schema, reason, |part| self.compile(part).err()))?;
        let mut held = Held {
            matcher,
            tokens: self.0.tok_env().clone(),
            written: Vec::new(),
        };
        held.allowed()?;
        Ok(held)
    }

    /// What is wrong with it, in words, where it cannot be followed.
    fn compile(&self, schema: &Value) -> Result<Matcher, String> {
        let mut schema = match schema {
            Value::Object(_) => schema.clone(),
            Value::Bool(true) => Value::Object(Default::default()),
            _ => return Err(format!("{schema} is not an object")),
        };
        let options = JsonCompileOptions {
            whitespace_pattern: Some(WHITE_SPACE.to_owned()),
            ..JsonCompileOptions::default()
        };
        options.apply_to(&mut schema);
        let parser = self
            .0
            .create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            Some(error) => Err(plain(&error)),
            None => Ok(matcher),
        }
    }
}

/// An answer that is held to a schema.
pub struct Held {
    matcher: Matcher,
    tokens: TokEnv,
    written: Vec<TokenId>,
}

impl Held {
    /// The ids that may come next, one bit each, the lowest id in the lowest bit of the first word, in as many words as the
    /// vocabulary takes. Those that end the answer are among them only where it is complete.
    ///
    /// # Errors
    ///
    /// None may, or it takes too long to find out.
    pub fn allowed(&mut self) -> Result<Vec<u32>, SchemaError> {
        let allowed = self.matcher.compute_mask_or_eos();
        let reason = match allowed {
            Ok(allowed) => {
                let mut words = allowed.as_slice().to_vec();
                words.resize(self.tokens.tok_trie().vocab_size().div_ceil(32), 0);
                return Ok(words);
            }
            Err(error) => plain(&error.to_string()),
        };
        Err(match self.matcher.stop_reason() {
            StopReason::LexerTooComplex | StopReason::ParserTooComplex => {
                SchemaError::TooComplex(reason)
            }
            _ => SchemaError::Vocabulary {
                written: self.end(),
            },
        })
    }

    /// Takes note of the token that came.
    ///
    /// # Errors
    ///
    /// It was not one of those that may, or what follows it is beyond the limits.
    pub fn accept(&mut self, id: TokenId) -> Result<(), SchemaError> {
        self.written.push(id);
        let taken = self.matcher.consume_token(id);
        taken.map_err(|error| SchemaError::TooComplex(plain(&error.to_string())))
    }

    /// The last characters of the answer so far.
    fn end(&self) -> String {
        let last = &self.written[self.written.len().saturating_sub(16)..];
        String::from_utf8_lossy(&self.tokens.tok_trie().decode(last)).into_owned()
    }
}

/// An error of llguidance without the state that it adds below.
fn plain(error: &str) -> String {
    error.split("\n<").next().unwrap_or(error).trim().to_owned()
}
