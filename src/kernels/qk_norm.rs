//! RMSNorm in place on the queries and the keys of a fused projection, each as wide as the model (InternViT-6B).

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, edit, elements, fragment, grid, on_gpu};
use super::rms_norm::normalise_slice;
use super::{GRID, REDUCE, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    width: u32,
    eps: f32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, REDUCE, fragment!("qk_norm")]).constant("WORKGROUP", WORKGROUP)
}

/// Normalises the first and the second third of each row of `qkv` [rows, 3 * width], each with its weight [width]. `qkv` is a
/// fresh result of the caller, changed in place.
pub fn qk_norm(qkv: &mut Tensor<2>, weights: [&Tensor<1>; 2], eps: f32) {
    let [rows, stride] = qkv.dims();
    let [width] = weights[0].dims();
    assert!(
        stride == 3 * width && weights[1].dims() == [width],
        "qk_norm: qkv [{rows}, {stride}] against weights of {width}"
    );
    if on_gpu(qkv) {
        let params = Params {
            rows: rows as u32,
            width: width as u32,
            eps,
        };
        Launch::new(shader())
            .tensor(qkv)
            .tensor(weights[0])
            .tensor(weights[1])
            .run(&params, grid(2 * rows));
        return;
    }
    for (part, weight) in weights.into_iter().enumerate() {
        let weight = cpu(weight);
        let weight = elements::<f32>(&weight);
        edit(qkv, |all| {
            for row in all.chunks_exact_mut(stride) {
                normalise_slice(&mut row[part * width..(part + 1) * width], weight, eps);
            }
        });
    }
}
