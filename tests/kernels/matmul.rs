use pagelens::kernels::{Epilogue, Matrix, matmul};
use pagelens::quant::{QuantKind, QuantizedMatrix};

use crate::check::{Device, close, noise, on_cpu, tensor, values, wide};

/// (rows, cols, depth): one block, ragged edges, one row, a row more than a tile, real widths; more than
/// the CPU has in its caches at a time, both ways.
const SHAPES: &[(usize, usize, usize)] = &[
    (2, 1, 32),
    (33, 31, 64),
    (1, 7, 32),
    (5, 96, 128),
    (65, 130, 96),
    (4, 300, 896),
    (3, 33, 4096),
    (12, 40, 1056),
    (12, 40, 1152),
    (300, 9, 96),
];

pub(crate) async fn check(device: &Device) {
    for &(rows, cols, depth) in SHAPES {
        product(device, rows, cols, depth, matmul).await;
    }
    // Widths that no block divides are dense.
    for (rows, cols, depth) in [(9, 5, 588), (1, 3, 12), (40, 34, 4)] {
        let (x, w) = (noise(rows * depth, 10), noise(cols * depth, 11));
        let weights = Matrix::dense(w.clone(), [cols, depth], device);
        let got = values(matmul(
            &tensor(&x, [rows, depth], device),
            &weights,
            Epilogue::None,
        ))
        .await;
        close(
            &format!("dense [{rows}, {depth}] x [{cols}, {depth}]"),
            &got,
            &multiply(&x, &w, depth),
            1e-5,
        );
    }
}

/// Every storage and every epilogue of one shape.
pub(crate) async fn product(
    device: &Device,
    rows: usize,
    cols: usize,
    depth: usize,
    kernel: impl Fn(&burn::tensor::Tensor<2>, &Matrix, Epilogue<'_>) -> burn::tensor::Tensor<2>,
) {
    let (x, w) = (noise(rows * depth, 10), noise(cols * depth, 11));
    let (bias, scale, residual) = (noise(cols, 12), noise(cols, 13), noise(rows * cols, 14));
    let quantized = |kind| QuantizedMatrix::quantize(kind, cols, depth, &w);
    let (q8, q4) = (quantized(QuantKind::Q8), quantized(QuantKind::Q4));
    let stored = [
        (
            "f32",
            w.clone(),
            Matrix::dense(w.clone(), [cols, depth], device),
        ),
        ("q8", q8.dequantize(), Matrix::packed(q8, device)),
        ("q4", q4.dequantize(), Matrix::packed(q4, device)),
    ];
    let x_tensor = tensor(&x, [rows, depth], device);
    let (bias_tensor, scale_tensor) = (
        tensor(&bias, [cols], device),
        tensor(&scale, [cols], device),
    );
    let residual_tensor = tensor(&residual, [rows, cols], device);
    for (name, dense, weights) in &stored {
        let sums = multiply(&x, dense, depth);
        let at = |f: &dyn Fn(f64, usize) -> f64| {
            sums.iter()
                .enumerate()
                .map(|(i, &v)| f(v, i))
                .collect::<Vec<_>>()
        };
        let b = |i: usize| f64::from(bias[i % cols]);
        let epilogues: [(Epilogue<'_>, Vec<f64>); 5] = [
            (Epilogue::None, sums.clone()),
            (Epilogue::Bias(&bias_tensor), at(&|v, i| v + b(i))),
            (Epilogue::BiasGelu(&bias_tensor), at(&|v, i| gelu(v + b(i)))),
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
                at(&|v, i| f64::from(residual[i]) + f64::from(scale[i % cols]) * (v + b(i))),
            ),
        ];
        for (index, (epilogue, want)) in epilogues.iter().enumerate() {
            let got = values(kernel(&x_tensor, weights, *epilogue)).await;
            close(
                &format!("{name} [{rows}, {depth}] x [{cols}, {depth}], epilogue {index}"),
                &got,
                want,
                if on_cpu(device) && *name != "f32" {
                    2e-4
                } else {
                    1e-5
                },
            );
        }
    }
}

fn multiply(x: &[f32], w: &[f32], depth: usize) -> Vec<f64> {
    let (x, w) = (wide(x), wide(w));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    x.chunks(depth)
        .flat_map(|x| w.chunks(depth).map(move |w| dot(x, w)))
        .collect()
}

/// GELU with erf from Simpson's rule over its defining integral; beyond 7 standard deviations it is 0 or x.
fn gelu(x: f64) -> f64 {
    let t = x / std::f64::consts::SQRT_2;
    if t.abs() > 5.0 {
        return x.max(0.0);
    }
    const STEPS: u32 = 1000;
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
