//! Each kernel by itself at a model's sizes, beside what a plain copy and a plain loop of multiplications reach.

use burn::tensor::{Device, Tensor};
use half::f16;
use web_time::Instant;

use super::{Measurement, elapsed, median, ones, wait};
use crate::engine::model::Model;
use crate::error::Result;
use crate::kernels::launch::upload;
use crate::kernels::multiply_add::STEPS;
use crate::kernels::product::{Factors, Trial};
use crate::kernels::{
    Epilogue, Matrix, Prologue, attention, attention_causal, attention_decode, copy, multiply_add,
    product,
};
use crate::language::cache::LayerCache;
use crate::nn::Precisions;
use crate::quant::{BLOCK, Precision, QuantizedMatrix};

/// Values of the copy: 64 MiB.
const COPIED: usize = 1 << 24;
/// Values of the loop of multiplications.
const MULTIPLIED: usize = 1 << 18;
/// Rows of a prefill, and positions that a decode step sees.
const ROWS: usize = 512;
const CONTEXT: usize = 4096;

/// What bounds a kernel, and how much of it the kernel does.
enum Work {
    Bytes(f64),
    Flops(f64),
}

/// The product, which 32 bits would not hold.
fn product_of<const N: usize>(factors: [usize; N]) -> f64 {
    factors.map(|factor| factor as f64).iter().product()
}

/// Measures what the device reaches at most, then the kernels of an encoder layer, of a decoder layer's prefill and of its decode
/// step.
pub(super) async fn kernels(
    model: &Model,
    precisions: Precisions,
    repeats: usize,
    report: &mut impl FnMut(Measurement),
) -> Result<()> {
    let (config, device) = (&model.config, &model.compute.device);
    let x = ones([COPIED], device);
    let mut out = ones([COPIED], device);
    let copied = timed(repeats, || {
        copy(&x, 0..COPIED, &mut out, 0);
        out.clone()
    })
    .await?;
    let x = ones([MULTIPLIED], device);
    let looped = timed(repeats, || multiply_add(&x, 0.999, 0.001)).await?;
    let bytes = 8.0 * COPIED as f64 / copied / 1e6;
    let flops = product_of([2, MULTIPLIED, STEPS]) / looped / 1e6;
    report(Measurement::new(
        "peak: a copy of 64 MiB",
        copied,
        bytes,
        "GB/s",
    ));
    report(Measurement::new(
        "peak: v * a + b",
        looped,
        flops,
        "GFLOP/s",
    ));

    let bench = Bench {
        device,
        weights: precisions.language,
        repeats,
    };
    let mut line = |name: String, ms: f64, work: Work| {
        let (rate, unit, peak) = match work {
            Work::Bytes(count) => (count / ms / 1e6, "GB/s", bytes),
            Work::Flops(count) => (count / ms / 1e6, "GFLOP/s", flops),
        };
        report(Measurement {
            share: rate / peak,
            ..Measurement::new(&name, ms, rate, unit)
        });
    };
    if !model.compute.factors.is_empty() {
        let trial = Trial::new(Trial::ROWS, device);
        let others = model.compute.factors.iter().copied();
        for factors in [Factors::F32].into_iter().chain(others) {
            let ms = timed(repeats, || trial.product(factors)).await?;
            let name = format!("{} rows in {factors}", Trial::ROWS);
            line(name, ms, Work::Flops(trial.flops()));
        }
    }
    let v = &config.vision;
    let (n, c, f) = (v.positions(), v.hidden_size, v.intermediate_size);
    let (bias, wide_bias) = (bench.vector(3 * c), bench.vector(f));
    let (norm, norm_bias, scale) = (bench.vector(c), bench.vector(c), bench.vector(c));
    let layer_norm = Prologue::LayerNorm {
        weight: &norm,
        bias: &norm_bias,
        eps: v.eps,
    };
    let residual = bench.rows(n, c);
    let scaled = Epilogue::ScaledResidual {
        bias: &norm,
        layer_scale: &scale,
        residual: &residual,
    };
    for (name, rows, [cols, depth], prologue, epilogue) in [
        (
            "encoder qkv",
            n,
            [3 * c, c],
            layer_norm,
            Epilogue::Bias(&bias),
        ),
        ("encoder proj", n, [c, c], Prologue::None, scaled),
        (
            "encoder fc1",
            n,
            [f, c],
            layer_norm,
            Epilogue::BiasGelu(&wide_bias),
        ),
        ("encoder fc2", n, [c, f], Prologue::None, scaled),
    ] {
        let ms = bench
            .product(rows, [cols, depth], prologue, epilogue)
            .await?;
        let work = Work::Flops(product_of([2, rows, cols, depth]));
        line(name.to_owned(), ms.0, work);
    }
    let qkv = bench.rows(n, 3 * c);
    let ms = timed(repeats, || attention(&qkv, n, v.heads)).await?;
    line(
        "encoder attention".to_owned(),
        ms,
        Work::Flops(product_of([4, n, n, c])),
    );

    let l = &config.language;
    let (d, f) = (l.hidden_size, l.intermediate_size);
    let (query, fused) = (
        l.heads * l.head_dim,
        (l.heads + 2 * l.kv_heads) * l.head_dim,
    );
    let norm = bench.vector(d);
    let rms_norm = Prologue::RmsNorm {
        weight: &norm,
        eps: l.eps,
    };
    for rows in [ROWS, 1] {
        let residual = bench.rows(rows, d);
        let residual = Epilogue::Residual(&residual);
        let what = if rows == 1 { "decode" } else { "prefill" };
        for (name, [cols, depth], prologue, epilogue) in [
            ("qkv", [fused, d], rms_norm, Epilogue::None),
            ("o_proj", [d, query], Prologue::None, residual),
            ("gate_up", [2 * f, d], rms_norm, Epilogue::SwiGlu),
            ("down", [d, f], Prologue::None, residual),
            ("lm_head", [l.vocab_size, d], Prologue::None, Epilogue::None),
        ] {
            if rows > 1 && name == "lm_head" {
                continue;
            }
            let (ms, stored) = bench
                .product(rows, [cols, depth], prologue, epilogue)
                .await?;
            let work = match rows {
                1 => Work::Bytes(stored as f64),
                _ => Work::Flops(product_of([2, rows, cols, depth])),
            };
            line(format!("{what} {name}"), ms, work);
        }
        let length = if rows == 1 { CONTEXT } else { ROWS };
        let shape = [l.kv_heads, length, l.head_dim];
        let cache = LayerCache::new(shape, precisions.kv, device);
        let cell = precisions.kv.dtype().size();
        let qkv = bench.rows(rows, fused);
        let (ms, work) = match rows {
            1 => (
                timed(repeats, || attention_decode(&qkv, &cache, length - 1)).await?,
                Work::Bytes(product_of([2, l.kv_heads, length, l.head_dim, cell])),
            ),
            _ => (
                timed(repeats, || attention_causal(&qkv, &cache, 0)).await?,
                Work::Flops(product_of([2, rows, rows + 1, query])),
            ),
        };
        line(format!("{what} attention, {length} positions"), ms, work);
    }
    Ok(())
}

struct Bench<'a> {
    device: &'a Device,
    weights: Precision,
    repeats: usize,
}

impl Bench<'_> {
    fn vector(&self, len: usize) -> Tensor<1> {
        ones([len], self.device)
    }

    fn rows(&self, rows: usize, width: usize) -> Tensor<2> {
        upload(noise(rows * width), [rows, width], self.device)
    }

    /// Milliseconds of a product with weights [cols, depth], and the bytes that these take.
    async fn product(
        &self,
        rows: usize,
        [cols, depth]: [usize; 2],
        prologue: Prologue<'_>,
        epilogue: Epilogue<'_>,
    ) -> Result<(f64, usize)> {
        let x = self.rows(rows, depth);
        let (weights, bytes) = match self.weights.quant() {
            Some(kind) if depth % BLOCK == 0 => {
                let packed = QuantizedMatrix {
                    kind,
                    rows: cols,
                    cols: depth,
                    words: vec![0x3b_51_a7_f9; cols * depth / kind.elements_per_word()],
                    scales: vec![f16::from_f32(0.01); cols * depth / BLOCK],
                };
                let bytes = packed.bytes();
                (Matrix::packed(packed, self.device), bytes)
            }
            _ => {
                let dense = Matrix::dense(noise(cols * depth), [cols, depth], self.device);
                (dense, 4 * cols * depth)
            }
        };
        let ms = timed(self.repeats, || product(&x, prologue, &weights, epilogue)).await?;
        Ok((ms, bytes))
    }
}

/// Values in -1..1.
fn noise(len: usize) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(len as u64);
    (0..len).map(|_| random.f32() * 2.0 - 1.0).collect()
}

/// Milliseconds of `work`: the median of `repeats` turns, each long enough for what hands it over and reads it back not to count.
async fn timed<const D: usize>(repeats: usize, mut work: impl FnMut() -> Tensor<D>) -> Result<f64> {
    const TURN: f64 = 50.0;
    wait(work()).await?;
    let began = Instant::now();
    wait(work()).await?;
    let count = (TURN / elapsed(began).max(0.1)).ceil() as usize;
    let mut times = Vec::new();
    for _ in 0..repeats {
        let began = Instant::now();
        for _ in 1..count {
            work();
        }
        wait(work()).await?;
        times.push(elapsed(began) / count as f64);
    }
    Ok(median(times))
}
