//! The parts of a split attention, brought together.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::WORKGROUP;
use super::launch::{Launch, Shader, fragment};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    heads: u32,
    splits: u32,
}

pub(super) fn shader(head_dim: usize) -> Shader {
    Shader::new(&[fragment!("attention_merge")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("HEAD_DIM", head_dim)
}

/// On the GPU: `parts` [heads, splits, head_dim], each its own attention, and `marks` [heads, splits, 2], its largest score and
/// the total of its exponentials below that -> [1, heads * head_dim].
pub fn attention_merge(parts: &Tensor<3>, marks: &Tensor<3>) -> Tensor<2> {
    let [heads, splits, head_dim] = parts.dims();
    assert_eq!(
        marks.dims(),
        [heads, splits, 2],
        "attention_merge: {heads} heads in {splits} parts"
    );
    let params = Params {
        heads: heads as u32,
        splits: splits as u32,
    };
    let width = heads * head_dim;
    Launch::new(shader(head_dim))
        .tensor(parts)
        .tensor(marks)
        .output([1, width])
        .run_into(&params, [width.div_ceil(WORKGROUP), 1, 1], 2)
}
