//! What a GPU multiplies: some take half as long for f16 as for f32, some a quarter for dot products of bytes, and some longer.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use burn::tensor::{Device, Tensor};
use half::f16;
use web_time::Instant;

use super::{Epilogue, Matrix, Prologue};
use crate::error::Result;
use crate::kernels::launch::{finish, read, upload};
use crate::kernels::{matmul, matmul_blocks};
use crate::quant::{BLOCK, QuantKind, QuantizedMatrix};

/// What the products of many rows with quantized weights are made of on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factors {
    /// f32.
    F32,
    /// f16: each block of 32 values over the largest of them, and the weights' integers.
    F16,
    /// Bytes, both: the values are rounded as on the CPU where that multiplies in bytes.
    Bytes,
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bytes => "bytes",
        })
    }
}

const CHOICES: [Factors; 3] = [Factors::F32, Factors::F16, Factors::Bytes];

/// The number of one of [`CHOICES`].
static CHOICE: AtomicU8 = AtomicU8::new(0);

/// Multiplies in these on the GPU from now on. The adapter has to be able to.
pub fn multiply_on_gpu_in(factors: Factors) {
    CHOICE.store(factors as u8, Ordering::Relaxed);
}

pub(super) fn chosen() -> Factors {
    CHOICES[usize::from(CHOICE.load(Ordering::Relaxed))]
}

/// How much faster than f32 the others must be to be worth what they round away.
const WORTH: f64 = 1.25;

/// The fastest of `able` at a trial, f32 where the others gain little, fail, or come out wrong.
pub async fn fastest(able: &[Factors], trial: &Trial) -> Factors {
    let Ok((exact, f32_ms)) = trial.turn(Factors::F32).await else {
        return Factors::F32;
    };
    let mut best = (Factors::F32, f32_ms / WORTH);
    for &factors in able.iter().filter(|&&one| one != Factors::F32) {
        if let Ok((values, ms)) = trial.turn(factors).await
            && ms < best.1
            && agree(&values, &exact)
        {
            best = (factors, ms);
        }
    }
    best.0
}

/// Within what 8 bits round away, a fiftieth of the largest by far.
fn agree(values: &[f32], exact: &[f32]) -> bool {
    let largest = exact.iter().fold(0f32, |top, v| top.max(v.abs()));
    let mut pairs = values.iter().zip(exact);
    pairs.all(|(a, b)| (a - b).abs() <= largest / 50.0)
}

/// A product as the vision encoder makes them (LayerNorm before, bias and GELU after) to compare factors by.
pub struct Trial {
    x: Tensor<2>,
    weights: Matrix,
    norm: [Tensor<1>; 2],
    bias: Tensor<1>,
}

impl Trial {
    /// Rows that fill a GPU, and take a slow one milliseconds.
    pub const ROWS: usize = 512;
    /// InternViT-300M's.
    const WIDTH: usize = 1024;

    /// The product's tensors, of noise with 8-bit weights.
    pub fn new(rows: usize, device: &Device) -> Self {
        let [cols, depth] = [Self::WIDTH; 2];
        let mut random = fastrand::Rng::with_seed(448);
        let x = (0..rows * depth).map(|_| random.f32() - 0.5).collect();
        let weights = QuantizedMatrix {
            kind: QuantKind::Q8,
            rows: cols,
            cols: depth,
            words: (0..cols * depth / 4).map(|_| random.u32(..)).collect(),
            scales: vec![f16::from_f32(0.001); cols * depth / BLOCK],
        };
        Self {
            x: upload(x, [rows, depth], device),
            weights: Matrix::packed(weights, device),
            // A buffer is bound once.
            norm: [1.0, 0.1].map(|value| upload(vec![value; depth], [depth], device)),
            bias: upload(vec![0.1; cols], [cols], device),
        }
    }

    /// Additions and multiplications of the product.
    pub fn flops(&self) -> f64 {
        let [rows, depth] = self.x.dims();
        2.0 * (rows * depth * Self::WIDTH) as f64
    }

    /// The product in `factors`, [rows, 1024].
    pub fn product(&self, factors: Factors) -> Tensor<2> {
        let prologue = Prologue::LayerNorm {
            weight: &self.norm[0],
            bias: &self.norm[1],
            eps: 1e-6,
        };
        let epilogue = Epilogue::BiasGelu(&self.bias);
        in_tiles(&self.x, prologue, &self.weights, epilogue, factors)
    }

    /// Its values, and the milliseconds that it takes once it is compiled, the least of three turns.
    async fn turn(&self, factors: Factors) -> Result<(Vec<f32>, f64)> {
        let values = read(&self.product(factors)).await?;
        let mut least = f64::INFINITY;
        for _ in 0..3 {
            let began = Instant::now();
            drop(self.product(factors));
            finish(&self.product(factors)).await?;
            least = least.min(began.elapsed().as_secs_f64() * 500.0);
        }
        Ok((values, least))
    }
}

/// A product of many rows by the kernel for these factors; dense weights stay f32.
pub(super) fn in_tiles(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
    factors: Factors,
) -> Tensor<2> {
    match factors {
        Factors::F16 | Factors::Bytes if weights.is_packed() => {
            matmul_blocks(x, prologue, weights, epilogue, factors)
        }
        _ => matmul(x, prologue, weights, epilogue),
    }
}
