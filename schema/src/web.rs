//! The wasm-bindgen surface: `www/constraint.js` is its one caller.

use js_sys::{Error, Reflect};
use wasm_bindgen::prelude::*;

use crate::SchemaError;

/// A model's tokens.
#[wasm_bindgen]
pub struct Vocabulary(crate::Vocabulary);

#[wasm_bindgen]
impl Vocabulary {
    /// `bytes` are those of all tokens in the order of their ids, `lengths` how many each has, `stops` the ids that end an
    /// answer.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8], lengths: &[u32], stops: &[u32]) -> Self {
        let mut rest = bytes;
        let word = |&length: &u32| {
            let (word, others) = rest.split_at(length as usize);
            rest = others;
            word.to_vec()
        };
        let words = lengths.iter().map(word).collect();
        Self(crate::Vocabulary::new(words, stops))
    }

    /// An answer to hold to a schema, given as JSON.
    pub fn hold(&self, schema: &str) -> Result<Held, JsValue> {
        let held = self.0.hold(schema);
        held.map(Held).map_err(|error| thrown(&error))
    }
}

/// An answer that is held to a schema.
#[wasm_bindgen]
pub struct Held(crate::Held);

#[wasm_bindgen]
impl Held {
    /// The ids that may come next, one bit each.
    pub fn allowed(&mut self) -> Result<Vec<u32>, JsValue> {
        self.0.allowed().map_err(|error| thrown(&error))
    }

    /// Takes note of the token that came.
    pub fn accept(&mut self, id: u32) -> Result<(), JsValue> {
        self.0.accept(id).map_err(|error| thrown(&error))
    }
}

/// An `Error` with our words and a `code`.
fn thrown(error: &SchemaError) -> JsValue {
    let thrown = Error::new(&error.to_string());
    let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
    thrown.into()
}
