//! The wasm-bindgen surface and nothing else: `www/worker.js` is its one caller.

mod tiles;

use js_sys::{Array, Function, Object, Reflect, Uint8Array, Uint32Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use crate::chat::{Message, Part, Role};
use crate::engine::bench::{BenchOptions, Measurement, Shape, bench};
use crate::engine::fit::{Fit, Use};
use crate::engine::{GenerateOptions, Model, Parts, Picture, Session, Usage};
use crate::error::{Error, Result};
use crate::gpu::Compute;
use crate::language::cache::CachePrecision;
use crate::nn::Precisions;
use crate::quant::Precision;
use crate::weights::{Checkpoint, Sink, Source};

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

/// A message as the page sends it; images are indices.
#[derive(Deserialize)]
struct WireMessage {
    role: WireRole,
    content: Vec<WirePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    System,
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum WirePart {
    Text { text: String },
    Image { index: usize },
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WireOptions {
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    repetition_penalty: Option<f32>,
    seed: Option<u64>,
    max_tiles: Option<usize>,
}

/// How a model is to be loaded, or weighed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLoad {
    /// Of a checkpoint, which does not know its own.
    name: String,
    device: String,
    vision: Precision,
    language: Precision,
    max_tiles: Option<usize>,
    context: Option<usize>,
    kv: Option<CachePrecision>,
    #[serde(default)]
    parts: Parts,
}

/// GGUF files by name: a language model, and the encoder that belongs to it.
#[derive(Deserialize)]
struct WireGguf {
    model: String,
    mmproj: Option<String>,
}

/// The script's side of a model's files.
#[wasm_bindgen]
extern "C" {
    /// `{ read, gguf, plan, write }`.
    pub type Files;
    /// `(file, start, end) => Promise<Uint8Array | null>`, as [`Source::Script`] asks.
    #[wasm_bindgen(method, getter)]
    fn read(this: &Files) -> Function;
    /// `{ model, mmproj }`, the names of GGUF files where it is those that are to be read.
    #[wasm_bindgen(method, getter)]
    fn gguf(this: &Files) -> JsValue;
    /// `(plan, fit) => Promise`: told what will be read before it is, and what it needs; a rejection ends the load.
    #[wasm_bindgen(method, catch)]
    async fn plan(
        this: &Files,
        plan: JsValue,
        fit: JsValue,
    ) -> std::result::Result<JsValue, JsValue>;
    /// `(file, bytes) => Promise`, where the converted checkpoint is to be kept as a pack.
    #[wasm_bindgen(method, getter)]
    fn write(this: &Files) -> Option<Function>;
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
        load(&files, &options, &on_progress)
            .await
            .map_err(|error| thrown(&error))
    }

    /// What a model needs and whether it fits: the fields of [`Fit`]. `options` are those of [`Self::load`].
    pub async fn fit(files: Files, options: JsValue) -> std::result::Result<JsValue, JsValue> {
        let weighed = async {
            let options = parse::<WireLoad>(&options, "options")?;
            let checkpoint = open(&files).await?;
            let compute = Compute::open(options.device.parse()?).await?;
            Ok(options.fit(&checkpoint, &compute))
        };
        match weighed.await {
            Ok(fit) => Ok(object(&serde_json::json!(fit))),
            Err(error) => Err(thrown(&error)),
        }
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
        let messages = match parse::<Vec<WireMessage>>(&messages, "messages") {
            Ok(messages) => messages.into_iter().map(message).collect::<Vec<_>>(),
            Err(error) => return Err(thrown(&error)),
        };
        let options = parse::<WireOptions>(&options, "options").map_err(|error| thrown(&error))?;
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
            .start(
                &self.model,
                &messages,
                &pictures,
                generate_options(options),
                &script,
            )
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

impl WireLoad {
    fn precisions(&self, compute: &Compute) -> Precisions {
        Precisions {
            vision: self.vision,
            language: self.language,
            kv: self
                .kv
                .unwrap_or_else(|| CachePrecision::suited_to(compute)),
        }
    }

    fn fit(&self, checkpoint: &Checkpoint, compute: &Compute) -> Fit {
        let usage = Use {
            tiles: self.max_tiles,
            context: self.context,
        };
        Fit::of(checkpoint, self.precisions(compute), compute.limits, usage)
    }
}

/// Data bytes of a shard that a page keeps: small, since it is in memory as a whole.
const SHARD: usize = 8 << 20;

async fn open(files: &Files) -> Result<Checkpoint> {
    let (source, gguf) = (Source::Script(files.read()), files.gguf());
    if gguf.is_undefined() {
        return Checkpoint::open(source).await;
    }
    let WireGguf { model, mmproj } = parse(&gguf, "gguf")?;
    Checkpoint::open_gguf(source, &model, mmproj.as_deref()).await
}

async fn load(files: &Files, options: &JsValue, on_progress: &Function) -> Result<Engine> {
    let options = parse::<WireLoad>(options, "options")?;
    let checkpoint = open(files).await?;
    let compute = Compute::open(options.device.parse()?).await?;
    let fit = options.fit(&checkpoint, &compute);
    fit.check()?;
    let plan = object(&serde_json::json!(checkpoint.plan()));
    let planned = files.plan(plan, object(&serde_json::json!(fit))).await;
    planned.map_err(|_| Error::Stopped)?;
    if let (Some(write), None) = (files.write(), checkpoint.name()) {
        checkpoint.keep(Sink::Script(write), SHARD)?;
    }
    let mut shown = 0;
    let mut progress = |done: u64, total: u64| {
        let percent = done * 100 / total.max(1);
        if percent > shown {
            shown = percent;
            let _ = on_progress.call3(
                &JsValue::NULL,
                &"load".into(),
                &(done as f64).into(),
                &(total as f64).into(),
            );
        }
    };
    compute.choose_factors().await;
    let (precisions, parts) = (options.precisions(&compute), options.parts);
    let model = Model::load_parts(&checkpoint, compute, precisions, parts, &mut progress).await?;
    let name = checkpoint.name().unwrap_or(&options.name).to_owned();
    checkpoint.finish(&name).await?;
    Ok(Engine {
        name,
        model,
        session: Session::new(),
    })
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

fn message(wire: WireMessage) -> Message {
    let role = match wire.role {
        WireRole::System => Role::System,
        WireRole::User => Role::User,
        WireRole::Assistant => Role::Assistant,
    };
    let content = wire.content.into_iter().map(|part| match part {
        WirePart::Text { text } => Part::Text(text),
        WirePart::Image { index } => Part::Image(index),
    });
    Message {
        role,
        content: content.collect(),
    }
}

fn generate_options(wire: WireOptions) -> GenerateOptions {
    let default = GenerateOptions::default();
    GenerateOptions {
        max_tokens: wire.max_tokens.unwrap_or(default.max_tokens),
        temperature: wire.temperature.unwrap_or(default.temperature),
        top_p: wire.top_p.unwrap_or(default.top_p),
        top_k: wire.top_k.unwrap_or(default.top_k),
        repetition_penalty: wire
            .repetition_penalty
            .unwrap_or(default.repetition_penalty),
        seed: wire.seed.unwrap_or(default.seed),
        max_tiles: wire.max_tiles,
    }
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
