//! A model's files on the script's side: weighed, then loaded.

use js_sys::Function;
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::{Engine, object, parse};
use crate::engine::fit::{Fit, Use};
use crate::engine::{Model, Parts, Session};
use crate::error::{Error, Result};
use crate::gpu::Compute;
use crate::language::cache::CachePrecision;
use crate::nn::Precisions;
use crate::quant::Precision;
use crate::weights::{Checkpoint, Sink, Source};

/// Data bytes of a shard that a page keeps: small, since it is in memory as a whole.
const SHARD: usize = 8 << 20;

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

async fn open(files: &Files) -> Result<Checkpoint> {
    let (source, gguf) = (Source::Script(files.read()), files.gguf());
    if gguf.is_undefined() {
        return Checkpoint::open(source).await;
    }
    let WireGguf { model, mmproj } = parse(&gguf, "gguf")?;
    Checkpoint::open_gguf(source, &model, mmproj.as_deref()).await
}

/// What a model needs, and whether it fits.
pub(super) async fn fit(files: &Files, options: &JsValue) -> Result<Fit> {
    let options = parse::<WireLoad>(options, "options")?;
    let checkpoint = open(files).await?;
    let compute = Compute::open(options.device.parse()?).await?;
    Ok(options.fit(&checkpoint, &compute))
}

/// Loads a model that fits. `on_progress(phase, done, total)` is told of every hundredth of the weights.
pub(super) async fn engine(
    files: &Files,
    options: &JsValue,
    on_progress: &Function,
) -> Result<Engine> {
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
