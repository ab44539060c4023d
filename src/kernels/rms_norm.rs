//! RMSNorm over rows (Zhang and Sennrich 2019), as in the decoders and InternViT-6B.

use burn::tensor::Tensor;

use super::cpu::math::sum;
use super::launch::{Launch, Shader, cpu, elements, fragment, grid, on_gpu, upload};
use super::layer_norm::{Params, WORKGROUP};
use super::{GRID, REDUCE};

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, REDUCE, fragment!("rms_norm")]).constant("WORKGROUP", WORKGROUP)
}

/// `x / sqrt(mean(x^2) + eps) * weight` for each row of `x` [rows, width]; `weight` [width].
pub fn rms_norm(x: &Tensor<2>, weight: &Tensor<1>, eps: f32) -> Tensor<2> {
    let [rows, width] = x.dims();
    assert_eq!(weight.dims(), [width], "rms_norm: weight must be [width]");
    if on_gpu(x) {
        let params = Params {
            rows: rows as u32,
            width: width as u32,
            eps,
        };
        return Launch::new(shader())
            .tensor(x)
            .tensor(weight)
            .output([rows, width])
            .run_into(&params, grid(rows), 2);
    }
    let (source, weight) = (cpu(x), cpu(weight));
    let weight = elements::<f32>(&weight);
    let mut out = elements::<f32>(&source).to_vec();
    out.chunks_exact_mut(width)
        .for_each(|row| normalise_slice(row, weight, eps));
    upload(out, [rows, width], &x.device())
}

/// The same for one slice, in place.
pub(super) fn normalise_slice(row: &mut [f32], weight: &[f32], eps: f32) {
    let squares = sum(row, |v| v * v) / row.len() as f32;
    let scale = (squares + eps).sqrt().recip();
    row.iter_mut()
        .zip(weight)
        .for_each(|(v, w)| *v *= scale * w);
}
