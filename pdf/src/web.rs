//! The wasm-bindgen surface: `www/pdf-worker.js` is its one caller.

use js_sys::{Array, Error, Object, Reflect, Uint8ClampedArray};
use wasm_bindgen::prelude::*;

use crate::{Document, DocumentError, LONGEST_SIDE};

/// An open document.
#[wasm_bindgen]
pub struct PdfDocument(Document);

#[wasm_bindgen]
impl PdfDocument {
    /// Opens a document; an empty password is none.
    pub fn open(bytes: Vec<u8>, password: &str) -> Result<PdfDocument, JsValue> {
        let document = Document::open(bytes, password);
        document.map(Self).map_err(|error| thrown(&error))
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.0.pages()
    }

    /// Takes a font for the Chinese, Japanese and Korean text whose own font the document does not carry.
    #[wasm_bindgen(js_name = setFont)]
    pub fn set_font(&mut self, font: Vec<u8>) -> Result<(), JsValue> {
        self.0.set_font(font).map_err(|error| thrown(&error))
    }

    /// Draws page `number`, counted from 1: `{ width, height, rgba, missing, needsFont }`. Its longer side is `longest`
    /// pixels, or what a model looks at where that is 0.
    pub fn draw(&mut self, number: usize, longest: u16) -> Result<Object, JsValue> {
        let longest = if longest == 0 {
            LONGEST_SIDE
        } else {
            longest.min(LONGEST_SIDE)
        };
        let drawn = self
            .0
            .draw(number, longest)
            .map_err(|error| thrown(&error))?;
        let missing: Array = drawn
            .missing
            .iter()
            .map(|what| JsValue::from_str(what))
            .collect();
        let page = Object::new();
        for (key, value) in [
            ("width", drawn.width.into()),
            ("height", drawn.height.into()),
            (
                "rgba",
                Uint8ClampedArray::from(drawn.rgba.as_slice()).into(),
            ),
            ("missing", missing.into()),
            ("needsFont", drawn.needs_font.into()),
        ] {
            Reflect::set(&page, &key.into(), &value)?;
        }
        Ok(page)
    }
}

/// An `Error` with our words and a `code`.
fn thrown(error: &DocumentError) -> JsValue {
    let thrown = Error::new(&error.to_string());
    let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
    thrown.into()
}
