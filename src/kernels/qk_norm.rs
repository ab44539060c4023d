//! RMSNorm in place on the queries or keys inside a fused projection (InternViT-6B, Qwen3).

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, edit, elements, fragment, grid, on_gpu};
use super::rms_norm::normalise_slice;
use super::{GRID, REDUCE, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    stride: u32,
    offset: u32,
    groups: u32,
    width: u32,
    eps: f32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, REDUCE, fragment!("qk_norm")]).constant("WORKGROUP", WORKGROUP)
}

/// Normalises `groups` neighbouring slices of `weight`'s width from column `offset` of each row of `qkv` [rows, stride],
/// each slice on its own. `qkv` is a fresh result of the caller, changed in place.
pub fn qk_norm(qkv: &mut Tensor<2>, offset: usize, groups: usize, weight: &Tensor<1>, eps: f32) {
    let [rows, stride] = qkv.dims();
    let [width] = weight.dims();
    assert!(
        offset + groups * width <= stride,
        "qk_norm: {groups} slices of {width} from {offset} exceed the row of {stride}"
    );
    if on_gpu(qkv) {
        let [offset, groups] = [offset as u32, groups as u32];
        let params = Params {
            rows: rows as u32,
            stride: stride as u32,
            offset,
            groups,
            width: width as u32,
            eps,
        };
        Launch::new(shader())
            .tensor(qkv)
            .tensor(weight)
            .run(&params, grid(rows * groups as usize));
        return;
    }
    let weight = cpu(weight);
    let weight = elements::<f32>(&weight);
    edit(qkv, |all| {
        for row in all.chunks_exact_mut(stride) {
            row[offset..offset + groups * width]
                .chunks_exact_mut(width)
                .for_each(|slice| normalise_slice(slice, weight, eps));
        }
    });
}
