//! LayerNorm over rows (Ba et al. 2016), as in InternViT-300M and the projector.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::cpu::math::sum;
use super::launch::{Launch, Shader, cpu, elements, fragment, grid, on_gpu, upload};
use super::{GRID, REDUCE};

/// Invocations a row.
pub const WORKGROUP: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
pub(super) struct Params {
    pub(super) rows: u32,
    pub(super) width: u32,
    pub(super) eps: f32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, REDUCE, fragment!("layer_norm")]).constant("WORKGROUP", WORKGROUP)
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` for each row of `x` [rows, width]; `weight`, `bias` [width].
pub fn layer_norm(x: &Tensor<2>, weight: &Tensor<1>, bias: &Tensor<1>, eps: f32) -> Tensor<2> {
    let [rows, width] = x.dims();
    assert_eq!(
        (weight.dims(), bias.dims()),
        ([width], [width]),
        "layer_norm: weight and bias must be [width]"
    );
    if on_gpu(x) {
        let params = Params {
            rows: rows as u32,
            width: width as u32,
            eps,
        };
        return Launch::new(shader())
            .tensor(x)
            .tensor(weight)
            .tensor(bias)
            .output([rows, width])
            .run_into(&params, grid(rows), 3);
    }
    let (source, weight, bias) = (cpu(x), cpu(weight), cpu(bias));
    let (weight, bias) = (elements::<f32>(&weight), elements::<f32>(&bias));
    let mut out = Vec::with_capacity(rows * width);
    for row in elements::<f32>(&source).chunks_exact(width) {
        let mean = sum(row, |v| v) / width as f32;
        let variance = sum(row, |v| (v - mean) * (v - mean)) / width as f32;
        let scale = (variance + eps).sqrt().recip();
        out.extend(
            row.iter()
                .zip(weight)
                .zip(bias)
                .map(|((v, w), b)| (v - mean) * scale * w + b),
        );
    }
    upload(out, [rows, width], &x.device())
}
