//! The wasm-bindgen surface and nothing else: `www/worker.js` is its one caller.

mod load;
mod request;
mod tiles;

use js_sys::{Array, Function, Object, Reflect, Uint8Array, Uint32Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use self::load::Files;
use crate::engine::bench::{BenchOptions, Measurement, Shape, bench};
use crate::engine::{Model, Picture, Session, Usage};
use crate::error::{Error, Result};
use crate::gpu::Compute;
use crate::weights::{Checkpoint, Source};

/// Panics and the GPU runtime's log go to the console: a broken shader is only a log line there.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
    let _ = console_log::init_with_level(log::Level::Warn);
}

/// A loaded model and its conversation.
#[wasm_bindgen]
pub struct Engine {
    name: String,
    model: Model,
    session: Session,
}

/// SHA-256 of what arrives in pieces, which the browser's own cannot do.
#[wasm_bindgen]
#[derive(Default)]
pub struct Digest(sha2::Sha256);

#[wasm_bindgen]
impl Digest {
    /// Of nothing yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// Lower-case hex; ends it.
    pub fn finish(self) -> String {
        let digest = sha2::Digest::finalize(self.0);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[wasm_bindgen]
impl Engine {
    /// Loads a model: `options` are `{ name, device, vision, language, max_tiles, context, parts }`. Refuses one that the device
    /// cannot hold before any of its weights is read. `on_progress(phase, done, total)` follows the weights.
    pub async fn load(
        files: Files,
        options: JsValue,
        on_progress: Function,
    ) -> std::result::Result<Engine, JsValue> {
        load::engine(&files, &options, &on_progress)
            .await
            .map_err(|error| thrown(&error))
    }

    /// What a model needs and whether it fits: the fields of [`Fit`]. `options` are those of [`Self::load`].
    pub async fn fit(files: Files, options: JsValue) -> std::result::Result<JsValue, JsValue> {
        let fit = load::fit(&files, &options).await;
        fit.map(|fit| object(&serde_json::json!(fit)))
            .map_err(|error| thrown(&error))
    }

    /// `{ model, device, adapter, max_tiles, image_size, context }`.
    pub fn info(&self) -> JsValue {
        let config = &self.model.config;
        let adapter = &self.model.compute.adapter;
        object(&serde_json::json!({
            "model": self.name,
            "device": if adapter.is_some() { "gpu" } else { "cpu" },
            "adapter": adapter.as_deref().unwrap_or(""),
            "max_tiles": config.tiling.max_tiles,
            "image_size": config.vision.image_size,
            "context": self.model.context(),
        }))
    }

    /// Reads the pictures and the whole conversation; answers `{ prompt_tokens, image_tokens, tiles }`.
    /// `on_progress(phase, done, total)` may answer with a promise of whether to go on; `encode`, where there is one, is
    /// handed the tiles of each new picture, and answers with a promise of their visual tokens.
    pub async fn start(
        &mut self,
        messages: JsValue,
        images: Vec<Uint8Array>,
        options: JsValue,
        on_progress: Function,
        encode: Option<Function>,
    ) -> std::result::Result<JsValue, JsValue> {
        let messages = request::messages(&messages).map_err(|error| thrown(&error))?;
        let options = request::options(&options).map_err(|error| thrown(&error))?;
        let pictures: Vec<_> = images
            .iter()
            .enumerate()
            .map(|(index, bytes)| Picture {
                name: format!("picture {}", index + 1),
                bytes: bytes.to_vec().into(),
            })
            .collect();
        let script = tiles::Script {
            on_progress,
            encode,
        };
        let started = self
            .session
            .start(&self.model, &messages, &pictures, options, &script)
            .await;
        let started = started.map_err(|error| thrown(&error))?;
        Ok(object(&serde_json::json!({
            "prompt_tokens": started.prompt_tokens,
            "image_tokens": started.image_tokens,
            "cached_tokens": started.cached_tokens,
            "tiles": started.tiles,
        })))
    }

    /// `[bytes, lengths, stops]`: the bytes of all tokens in the order of their ids, how many each has, and the ids that end
    /// an answer.
    pub fn vocabulary(&self) -> std::result::Result<Array, JsValue> {
        let words = self.model.words();
        let stops = self.model.stops().map_err(|error| thrown(&error))?;
        let lengths: Vec<u32> = words.iter().map(|word| word.len() as u32).collect();
        Ok(Array::of3(
            &Uint8Array::from(words.concat().as_slice()),
            &Uint32Array::from(lengths.as_slice()),
            &Uint32Array::from(stops.as_slice()),
        ))
    }

    /// The next token: `{ id, text, done }`, on the last one also `stop_reason` and `usage`. Of `allowed`, where it is given,
    /// one bit an id says which may be chosen.
    pub async fn next(
        &mut self,
        allowed: Option<Vec<u32>>,
    ) -> std::result::Result<JsValue, JsValue> {
        let step = self.session.next(&self.model, allowed.as_deref()).await;
        let step = step.map_err(|error| thrown(&error))?;
        let mut answer =
            serde_json::json!({ "id": step.id, "text": step.text, "done": step.stop.is_some() });
        if let Some(stop) = step.stop {
            answer["stop_reason"] = stop.as_str().into();
            answer["usage"] = usage(&self.session.usage());
        }
        Ok(object(&answer))
    }

    /// Measures a model of published sizes with noise for weights; `read` hands out the files of the one that ships.
    /// `report` gets each measurement as it is known.
    pub async fn bench(
        read: Function,
        device: String,
        shape: String,
        weights: String,
        repeats: usize,
        report: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        measure(read, &device, &shape, &weights, repeats, &report)
            .await
            .map_err(|error| thrown(&error))
    }

    /// Ends the answer where it stands; its counts and times.
    pub fn finish(&mut self) -> JsValue {
        object(&usage(&self.session.usage()))
    }
}

async fn measure(
    read: Function,
    device: &str,
    shape: &str,
    weights: &str,
    repeats: usize,
    report: &Function,
) -> Result<JsValue> {
    let shape: Shape = shape.parse()?;
    let precision = weights.parse().map_err(|reason| Error::Request {
        what: "weights".to_owned(),
        reason,
    })?;
    let shipped = Checkpoint::open(Source::Script(read)).await?;
    let compute = Compute::open(device.parse()?).await?;
    let device = compute.to_string();
    let options = BenchOptions {
        repeats,
        prompts: vec![512],
        contexts: vec![512, 4096],
        tokens: 8,
        page: true,
        kernels: true,
    };
    let show = |measured: Measurement| {
        let _ = report.call1(&JsValue::NULL, &object(&serde_json::json!(measured)));
    };
    bench(shipped, shape, precision, compute, &options, show).await?;
    Ok(object(&serde_json::json!({ "device": device })))
}

fn usage(usage: &Usage) -> serde_json::Value {
    serde_json::json!({
        "prompt_tokens": usage.prompt_tokens,
        "image_tokens": usage.image_tokens,
        "completion_tokens": usage.completion_tokens,
        "ttft_ms": usage.ttft_ms,
        "tokens_per_s": usage.tokens_per_s,
    })
}

/// A plain JavaScript value, through its JSON.
fn parse<T: for<'a> Deserialize<'a>>(value: &JsValue, what: &str) -> Result<T> {
    let wrong = |reason: String| Error::Request {
        what: what.to_owned(),
        reason,
    };
    let text = js_sys::JSON::stringify(value).map_err(|_| wrong("not plain data".to_owned()))?;
    serde_json::from_str(&String::from(text)).map_err(|error| wrong(error.to_string()))
}

/// A plain JavaScript object.
fn object(value: &serde_json::Value) -> JsValue {
    js_sys::JSON::parse(&value.to_string()).unwrap_or_else(|_| Object::new().into())
}

/// An `Error` with our words and a `code`.
fn thrown(error: &Error) -> JsValue {
    let thrown = js_sys::Error::new(&error.to_string());
    let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
    thrown.into()
}
