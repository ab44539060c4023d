//! How fast a model is on a device, from its kernels to a whole answer. The weights may be noise: speed is in the sizes.

mod kernels;
mod shape;

use burn::tensor::{Device, Tensor};
use serde::Serialize;
use web_time::Instant;

pub use shape::Shape;

use super::answer::GenerateOptions;
use super::model::Model;
use super::pictures::Picture;
use super::session::Session;
use crate::chat::prompt::Prompt;
use crate::chat::{Message, Part, Role};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::gpu::Compute;
use crate::kernels::embed::Source;
use crate::kernels::launch::{dispatches, finish, upload};
use crate::language::cache::CachePrecision;
use crate::nn::Precisions;
use crate::quant::Precision;
use crate::weights::Checkpoint;

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Times that each thing is done; the median counts.
    pub repeats: usize,
    /// Prompts to prefill, in tokens; those that exceed the model's context are left out, as are contexts.
    pub prompts: Vec<usize>,
    /// Contexts to decode at, in tokens.
    pub contexts: Vec<usize>,
    /// Tokens that are decoded at each.
    pub tokens: usize,
    /// Whether a page of seven tiles is asked about.
    pub page: bool,
    /// Whether each kernel is measured by itself.
    pub kernels: bool,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// What was done, or counted.
    pub name: String,
    /// Median milliseconds; 0 where nothing was timed.
    pub ms: f64,
    /// What that comes to, or the count, in `unit`; 0 where there is none.
    pub rate: f64,
    /// `GFLOP/s`, `GB/s`, `tokens/s`, `MB`, `dispatches`, or nothing.
    pub unit: &'static str,
    /// `rate` as a fraction of the peak that was measured first; 0 where there is none.
    pub share: f64,
}

impl Measurement {
    fn new(name: &str, ms: f64, rate: f64, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            ms,
            rate,
            unit,
            share: 0.0,
        }
    }
}

/// Loads a model of `shape` with its weights in one precision, and measures it; each line goes to `report` as it is known.
/// `shipped` is the model that ships: what its config leaves open, and its tokenizer, are the others' too.
///
/// # Errors
///
/// What is wrong with `shipped`, and [`Error::DeviceLost`] where the device fails.
pub async fn bench(
    shipped: Checkpoint,
    shape: Shape,
    weights: Precision,
    compute: Compute,
    options: &BenchOptions,
    mut report: impl FnMut(Measurement),
) -> Result<()> {
    let config = shape.apply(shipped.config());
    let checkpoint = match shape {
        Shape::Tiny => shipped,
        _ => shipped.with_noise(config.clone()),
    };
    let began = Instant::now();
    let precisions = Precisions {
        kv: CachePrecision::suited_to(&compute),
        ..Precisions::all(weights)
    };
    compute.choose_factors().await;
    let model = Model::load(&checkpoint, compute, precisions, &mut |_, _| {}).await?;
    report(Measurement::new("load", elapsed(began), 0.0, ""));
    parts(&model, options, &mut report).await?;
    if let Some(bytes) = peak_memory() {
        let name = "memory at most, without the GPU's";
        report(Measurement::new(name, 0.0, bytes as f64 / 1e6, "MB"));
    }
    // Last, so that their own tensors are not in the memory above.
    if options.kernels {
        kernels::kernels(&model, precisions, options.repeats, &mut report).await?;
    }
    Ok(())
}

/// Measures what a model is used for.
async fn parts(
    model: &Model,
    options: &BenchOptions,
    report: &mut impl FnMut(Measurement),
) -> Result<()> {
    let mut line = |name: String, times: Vec<f64>, work: f64, unit| {
        let ms = median(times);
        report(Measurement::new(&name, ms, work / (ms / 1e3), unit));
    };

    let side = model.config.vision.image_size;
    let tile = ones([1, 3, side, side], &model.compute.device);
    let flops = encode_flops(&model.config);
    let mut times = Vec::new();
    for warm in 0..=options.repeats {
        let began = Instant::now();
        wait(model.encode(&tile, 0..1).1).await?;
        if warm > 0 {
            times.push(elapsed(began));
        }
    }
    line("encode a tile".to_owned(), times, flops / 1e9, "GFLOP/s");
    let before = dispatches();
    wait(model.encode(&tile, 0..1).1).await?;
    let encoding = dispatches() - before;

    let fits =
        |length: &&usize| **length + options.tokens * (options.repeats + 1) < model.context();
    for &length in options.prompts.iter().filter(fits) {
        let mut times = Vec::new();
        for warm in 0..=options.repeats {
            let mut cache = model.cache(length);
            let began = Instant::now();
            wait(model.forward(&tokens(model, length), None, &mut cache)).await?;
            if warm > 0 {
                times.push(elapsed(began));
            }
        }
        line(
            format!("prefill {length}"),
            times,
            length as f64,
            "tokens/s",
        );
    }

    let mut counts = vec![("a tile".to_owned(), encoding as f64)];
    for &context in options.contexts.iter().filter(fits) {
        let mut session = Session::new();
        let ids = (0..context as u32)
            .map(|id| id % vocabulary(model))
            .collect();
        let prompt = Prompt {
            ids,
            images: Vec::new(),
        };
        let limits = GenerateOptions {
            // One more than are made: the last of an answer is not decoded.
            max_tokens: options.tokens * (options.repeats + 1) + 1,
            ..GenerateOptions::default()
        };
        session.prefill(model, prompt, &[], limits, Instant::now())?;
        session.forget_stops();
        let mut times = Vec::new();
        let before = dispatches();
        for warm in 0..=options.repeats {
            let began = Instant::now();
            for _ in 0..options.tokens {
                session.next_id(model, None).await?;
            }
            if warm > 0 {
                times.push(elapsed(began) / options.tokens as f64);
            }
        }
        let count =
            (dispatches() - before) as f64 / (options.tokens * (options.repeats + 1)) as f64;
        line(format!("a token at {context}"), times, 1.0, "tokens/s");
        counts.push((format!("a token at {context}"), count));
    }

    if options.page {
        let mut session = Session::new();
        let picture = Picture {
            name: "page".to_owned(),
            bytes: page()?.into(),
        };
        let limits = GenerateOptions {
            max_tokens: 1,
            max_tiles: Some(6),
            ..GenerateOptions::default()
        };
        for (name, question) in [
            ("first token, page of 7 tiles", "What is this?"),
            ("first token, second question", "And what is that?"),
        ] {
            let message = Message {
                role: Role::User,
                content: vec![Part::Image(0), Part::Text(question.to_owned())],
            };
            let began = Instant::now();
            session
                .start(
                    model,
                    &[message],
                    std::slice::from_ref(&picture),
                    limits.clone(),
                    async |_, _| true,
                )
                .await?;
            session.next_id(model, None).await?;
            line(name.to_owned(), vec![elapsed(began)], 0.0, "");
        }
    }
    if model.compute.adapter.is_some() {
        for (name, count) in counts {
            report(Measurement::new(&name, 0.0, count, "dispatches"));
        }
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The most bytes that this process has held, or a page's engine its WebAssembly memory; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    #[cfg(target_arch = "wasm32")]
    return Some(65_536 * core::arch::wasm32::memory_size(0) as u64);
    #[cfg(not(target_arch = "wasm32"))]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

fn elapsed(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// A tensor of ones.
fn ones<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    upload(vec![1.0; shape.iter().product()], shape, device)
}

/// Waits until a device is done with a tensor.
async fn wait<const D: usize>(tensor: Tensor<D>) -> Result<()> {
    finish(&tensor).await
}

fn vocabulary(model: &Model) -> u32 {
    model.config.language.vocab_size.min(1000) as u32
}

fn tokens(model: &Model, count: usize) -> Vec<Source> {
    (0..count as u32)
        .map(|id| Source::Token(id % vocabulary(model)))
        .collect()
}

/// A multiplication and an addition are two.
fn encode_flops(config: &ModelConfig) -> f64 {
    let v = &config.vision;
    let [c, f, n, d, tokens, downsample, patch, layers] = [
        v.hidden_size,
        v.intermediate_size,
        v.positions(),
        config.language.hidden_size,
        config.projector.tokens_per_tile(v),
        config.projector.downsample,
        v.patch_size,
        v.layers,
    ]
    .map(|size| size as f64);
    let layer = n * (4.0 * c * c + 2.0 * c * f) + 2.0 * n * n * c;
    let projector = tokens * (c * downsample * downsample * d + d * d);
    2.0 * (layers * layer + (n - 1.0) * 3.0 * patch * patch * c + projector)
}

/// A picture of three by two tiles, as a file.
fn page() -> Result<Vec<u8>> {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 7 + y * 3) as u8, (x ^ y) as u8, (x + y) as u8]);
    let picture = image::RgbImage::from_fn(3 * 448, 2 * 448, pixel);
    let mut file = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut file, image::ImageFormat::Png)
        .map_err(|error| Error::Io {
            path: "the bench's page".to_owned(),
            reason: error.to_string(),
        })?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> ModelConfig {
        let manifest =
            std::fs::read("www/models/tiny/manifest.json").expect("the model that ships");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
        serde_json::from_value(manifest["config"].clone()).expect("a config")
    }

    #[test]
    fn shapes_are_the_published_ones() {
        let base = base();
        let weights = |shape: Shape| -> usize {
            let config = shape.apply(&base);
            config.validate().expect("sizes that a model can have");
            config
                .tensors()
                .iter()
                .map(|spec| spec.shape.iter().product::<usize>())
                .sum()
        };
        // The published counts, in millions: spec section 5.
        assert_eq!(weights(Shape::InternVl25B1) / 1_000_000, 938);
        assert_eq!(weights(Shape::InternVl2B2) / 1_000_000, 2205);
        assert_eq!(Shape::Tiny.apply(&base), base);
        assert!("internvl3-1b".parse::<Shape>().is_err());
    }

    #[test]
    fn a_tile_of_the_300m_encoder_is_722_gflop() {
        let gflop = encode_flops(&Shape::InternVl25B1.apply(&base())) / 1e9;
        assert!((gflop - 722.0).abs() < 8.0, "{gflop}");
    }
}
