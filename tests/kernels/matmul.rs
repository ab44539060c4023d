use burn::tensor::Tensor;
use pagelens::kernels::product::{Factors, Integers, in_bytes, multiply_in};
use pagelens::kernels::{Epilogue, Filling, Matrix, Prologue, matmul, product as on_device};
use pagelens::quant::{QuantKind, QuantizedMatrix};

use crate::check::{Device, close, noise, on_cpu, tensor, values, wide};

/// (rows, cols, depth): one block, ragged edges, one row, a row more than a tile, real widths; more than
/// the CPU has in its caches at a time, both ways.
pub(crate) const SHAPES: &[(usize, usize, usize)] = &[
    (2, 2, 32),
    (33, 31, 64),
    (1, 7, 32),
    (5, 96, 128),
    (65, 130, 96),
    (4, 300, 896),
    (3, 34, 4096),
    (12, 40, 1056),
    (12, 40, 1152),
    (300, 10, 96),
];

/// The CPU's product, and the GPU's kernel by its own name.
pub(crate) async fn check(device: &Device) {
    match on_cpu(device) {
        true => in_all_integers(async || many_rows(device, on_device, Factors::F32).await).await,
        false => many_rows(device, matmul, Factors::F32).await,
    }
}

/// What the CPU computes, in each kind of integers.
pub(crate) async fn in_all_integers(check: impl AsyncFn()) {
    for integers in [Integers::Words, Integers::Bytes, Integers::Nibbles] {
        multiply_in(Some(integers));
        check().await;
    }
    multiply_in(None);
}

pub(crate) type Kernel = fn(&Tensor<2>, Prologue<'_>, &Matrix, Epilogue<'_>) -> Tensor<2>;

/// Every shape by one kernel, which multiplies in `factors` on a GPU.
pub(crate) async fn many_rows(device: &Device, kernel: Kernel, factors: Factors) {
    for &(rows, cols, depth) in SHAPES {
        product(device, [rows, cols, depth], 3, kernel, factors).await;
    }
    if factors != Factors::F32 {
        return;
    }
    // Widths that no block divides are dense.
    for (rows, cols, depth) in [(9, 5, 588), (1, 3, 12), (40, 34, 4)] {
        let (x, w) = (noise(rows * depth, 10), noise(cols * depth, 11));
        let weights = Matrix::dense(w.clone(), [cols, depth], device);
        let got = values(kernel(
            &tensor(&x, [rows, depth], device),
            Prologue::None,
            &weights,
            Epilogue::None,
        ))
        .await;
        close(
            &format!("dense [{rows}, {depth}] x [{cols}, {depth}]"),
            &got,
            &multiply(&wide(&x), &w, depth),
            1e-5,
        );
    }
}

/// Every storage, every epilogue and the first `prologues` norms, on one shape; what is quantized where the factors are not f32.
pub(crate) async fn product(
    device: &Device,
    [rows, cols, depth]: [usize; 3],
    prologues: usize,
    kernel: Kernel,
    factors: Factors,
) {
    const EPS: f32 = 1e-6;
    let (x, w) = (noise(rows * depth, 10), noise(cols * depth, 11));
    let (bias, scale, residual) = (noise(cols, 12), noise(cols, 13), noise(rows * cols, 14));
    let (norm_weight, norm_bias) = (noise(depth, 15), noise(depth, 16));
    let quantized = |kind| QuantizedMatrix::quantize(kind, cols, depth, &w);
    let (q8, q4) = (quantized(QuantKind::Q8), quantized(QuantKind::Q4));
    let cut = |kind, halves| in_blocks(kind, [cols, depth], halves, &w, device);
    let (dense8, dense4) = (q8.dequantize(), q4.dequantize());
    let whole = Matrix::dense(w.clone(), [cols, depth], device);
    let mut stored = vec![
        ("f32", &w, whole),
        ("q8", &dense8, Matrix::packed(q8, device)),
        ("q4", &dense4, Matrix::packed(q4, device)),
    ];
    // Real widths have no edge that small ones lack.
    if depth < 896 && cols < 900 {
        stored.extend([
            ("f32 in blocks", &w, cut(None, 1)),
            ("q8 in blocks", &dense8, cut(Some(QuantKind::Q8), 1)),
        ]);
        if cols % 4 == 0 {
            stored.push(("q4 in pairs", &dense4, cut(Some(QuantKind::Q4), 2)));
        }
    }
    let x_tensor = tensor(&x, [rows, depth], device);
    let [bias_tensor, scale_tensor] = [&bias, &scale].map(|v| tensor(v, [cols], device));
    let [norm_weight_tensor, norm_bias_tensor] =
        [&norm_weight, &norm_bias].map(|v| tensor(v, [depth], device));
    let residual_tensor = tensor(&residual, [rows, cols], device);
    let norms = [
        ("as they are", Prologue::None, wide(&x)),
        (
            "RMSNorm",
            Prologue::RmsNorm {
                weight: &norm_weight_tensor,
                eps: EPS,
            },
            normed(&x, &norm_weight, None),
        ),
        (
            "LayerNorm",
            Prologue::LayerNorm {
                weight: &norm_weight_tensor,
                bias: &norm_bias_tensor,
                eps: EPS,
            },
            normed(&x, &norm_weight, Some(&norm_bias)),
        ),
    ];
    let unnormed = wide(&x);
    for (norm, prologue, x) in &norms[..prologues] {
        // Storage, norm and epilogue know nothing of each other: not all go with all, each kernel is compiled for each.
        let plain = matches!(prologue, Prologue::None);
        let narrow = factors != Factors::F32;
        for (name, dense, weights) in &stored {
            let dense32 = name.starts_with("f32");
            if (!plain && *name != if narrow { "q8" } else { "f32" }) || (narrow && dense32) {
                continue;
            }
            let bytes = match &name[..2] {
                _ if narrow => factors == Factors::Bytes,
                "q8" => on_cpu(device) && in_bytes(QuantKind::Q8),
                "q4" => on_cpu(device) && in_bytes(QuantKind::Q4),
                _ => false,
            };
            let sums = match (bytes, prologue) {
                // A GPU rounds before it subtracts the mean.
                (true, Prologue::LayerNorm { .. }) => {
                    in_bytes_then_centred(&unnormed, &norm_weight, &norm_bias, dense)
                }
                (true, _) => multiply(&to_bytes(x), dense, depth),
                (false, _) => multiply(x, dense, depth),
            };
            let at = |f: &dyn Fn(f64, usize) -> f64| {
                let all = sums.iter().enumerate();
                all.map(|(i, &v)| f(v, i)).collect::<Vec<_>>()
            };
            let b = |i: usize| f64::from(bias[i % cols]);
            let mut epilogues: Vec<(Epilogue<'_>, Vec<f64>)> = Vec::new();
            // Pairs of rows share a block for SwiGLU's sake, whose outputs are in order.
            if cols % 2 == 0 && !name.ends_with("blocks") {
                epilogues.push((Epilogue::SwiGlu, swiglu(&sums, cols)));
            }
            if !name.ends_with("pairs") {
                epilogues.push((Epilogue::BiasGelu(&bias_tensor), at(&|v, i| gelu(v + b(i)))));
            }
            if plain && !name.ends_with("pairs") {
                epilogues.push((Epilogue::None, sums.clone()));
            }
            if plain && dense32 {
                let scaled = |v, i: usize| f64::from(residual[i]) + f64::from(scale[i % cols]) * v;
                epilogues.extend([
                    (Epilogue::Bias(&bias_tensor), at(&|v, i| v + b(i))),
                    (
                        Epilogue::Residual(&residual_tensor),
                        at(&|v, i| f64::from(residual[i]) + v),
                    ),
                    (
                        Epilogue::ScaledResidual {
                            bias: &bias_tensor,
                            layer_scale: &scale_tensor,
                            residual: &residual_tensor,
                        },
                        at(&|v, i| scaled(v + b(i), i)),
                    ),
                ]);
            }
            for (epilogue, want) in &epilogues {
                let got = values(kernel(&x_tensor, *prologue, weights, *epilogue)).await;
                let epilogue = format!("{epilogue:?}");
                let epilogue = epilogue.split(['(', ' ']).next().unwrap_or_default();
                close(
                    &format!("[{rows}, {depth}] {norm} x {name} [{cols}, {depth}], {epilogue}"),
                    &got,
                    want,
                    match (epilogue, factors) {
                        ("SwiGlu", Factors::F16) => 4e-3,
                        (_, Factors::F16) => 2e-3,
                        (_, Factors::F32) if !on_cpu(device) || dense32 => 1e-5,
                        // Two sums of products of integers are multiplied.
                        ("SwiGlu", _) => 5e-4,
                        _ => 2e-4,
                    },
                );
            }
        }
    }
}

/// Weights [cols, depth] in buffers of a third of their rows, which arrive an odd number at a time.
pub(crate) fn in_blocks(
    kind: Option<QuantKind>,
    [cols, depth]: [usize; 2],
    halves: usize,
    weights: &[f32],
    device: &Device,
) -> Matrix {
    let row_bytes = 4 * depth / kind.map_or(1, QuantKind::elements_per_word);
    let limit = (cols / 3 * row_bytes) as u64;
    let mut filling = Filling::new(kind, [cols, depth], halves, device, limit);
    for rows in weights.chunks(((cols / 7) | 1) * depth) {
        match kind {
            None => filling.push_dense(rows),
            Some(kind) => {
                let count = rows.len() / depth;
                filling.push_packed(&QuantizedMatrix::quantize(kind, count, depth, rows));
            }
        }
    }
    filling.finish()
}

/// RMSNorm of each row, or LayerNorm where there is a bias.
fn normed(x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let width = weight.len() as f64;
    let mut rows = wide(x);
    for row in rows.chunks_mut(weight.len()) {
        let mean = bias.map_or(0.0, |_| row.iter().sum::<f64>() / width);
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width;
        for (i, v) in row.iter_mut().enumerate() {
            let shift = bias.map_or(0.0, |bias| f64::from(bias[i]));
            *v = (*v - mean) / (variance + 1e-6).sqrt() * f64::from(weight[i]) + shift;
        }
    }
    rows
}

/// The products of LayerNorm's rows whose values times its weight are rounded to bytes, and nothing else.
fn in_bytes_then_centred(x: &[f64], weight: &[f32], bias: &[f32], w: &[f32]) -> Vec<f64> {
    let depth = weight.len();
    let weighted = |row: &[f64]| -> Vec<f64> {
        let pairs = row.iter().zip(weight);
        pairs.map(|(v, weight)| v * f64::from(*weight)).collect()
    };
    let (of_weight, of_bias) = (
        multiply(&wide(weight), w, depth),
        multiply(&wide(bias), w, depth),
    );
    let row = |row: &[f64]| {
        let mean = row.iter().sum::<f64>() / depth as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / depth as f64;
        let sums = multiply(&to_bytes(&weighted(row)), w, depth);
        let all = sums.into_iter().zip(&of_weight).zip(&of_bias);
        all.map(|((sum, weight), bias)| (sum - mean * weight) / (variance + 1e-6).sqrt() + bias)
            .collect::<Vec<_>>()
    };
    x.chunks(depth).flat_map(row).collect()
}

/// Each 32 values as integers of at most 127 times their scale.
fn to_bytes(values: &[f64]) -> Vec<f64> {
    let block = |block: &[f64]| {
        let top = block.iter().fold(0f64, |top, v| top.max(v.abs()));
        let round = |v: &f64| (v * 127.0 / top).round_ties_even() * top / 127.0;
        block.iter().map(round).collect::<Vec<_>>()
    };
    values.chunks(32).flat_map(block).collect()
}

fn swiglu(sums: &[f64], cols: usize) -> Vec<f64> {
    let gated = |row: &[f64]| {
        let (gate, up) = row.split_at(cols / 2);
        gate.iter()
            .zip(up)
            .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
            .collect::<Vec<_>>()
    };
    sums.chunks(cols).flat_map(gated).collect()
}

fn multiply(x: &[f64], w: &[f32], depth: usize) -> Vec<f64> {
    let w = wide(w);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    x.chunks(depth)
        .flat_map(|x| w.chunks(depth).map(move |w| dot(x, w)))
        .collect()
}

/// GELU with erf from Simpson's rule over its defining integral, to 1e-8; beyond 7 standard deviations it is 0 or x.
fn gelu(x: f64) -> f64 {
    let t = x / std::f64::consts::SQRT_2;
    if t.abs() > 5.0 {
        return x.max(0.0);
    }
    const STEPS: u32 = 64;
    let h = t / f64::from(STEPS);
    let weight = |i: u32| {
        if i == 0 || i == STEPS {
            1.0
        } else {
            f64::from(2 + 2 * (i % 2))
        }
    };
    let sum: f64 = (0..=STEPS)
        .map(|i| weight(i) * (-(f64::from(i) * h).powi(2)).exp())
        .sum();
    0.5 * x * (1.0 + 2.0 / std::f64::consts::PI.sqrt() * sum * h / 3.0)
}
