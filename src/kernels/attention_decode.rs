//! Grouped-query attention of a single new token over the KV cache: the decode step.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::attention_causal;
use super::launch::{Launch, Shader, fragment, on_gpu};
use crate::language::cache::LayerCache;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    heads: u32,
    kv_heads: u32,
    length: u32,
    context: u32,
}

/// Invocations a workgroup: as many as keep the partial sums within 8 KiB of workgroup memory.
pub(super) fn block(head_dim: usize) -> usize {
    1 << (2048 / head_dim).clamp(8, 64).ilog2()
}

pub(super) fn shader(head_dim: usize) -> Shader {
    Shader::new(&[fragment!("attention_decode")])
        .constant("BLOCK", block(head_dim))
        .constant("HEAD_DIM", head_dim)
}

/// `qkv` [1, (heads + 2 * kv_heads) * head_dim] after [`super::rope`] at position `start`; `cache` already holds it.
/// -> [1, heads * head_dim].
pub fn attention_decode(qkv: &Tensor<2>, cache: &LayerCache, start: usize) -> Tensor<2> {
    let [rows, stride] = qkv.dims();
    let [kv_heads, context, head_dim] = cache.keys.dims();
    let heads = stride / head_dim - 2 * kv_heads;
    assert!(
        rows == 1 && start < context,
        "attention_decode: {rows} rows at {start} in {context}"
    );
    if !on_gpu(qkv) {
        return attention_causal(qkv, cache, start);
    }
    let params = Params {
        heads: heads as u32,
        kv_heads: kv_heads as u32,
        length: start as u32 + 1,
        context: context as u32,
    };
    Launch::new(shader(head_dim))
        .tensor(qkv)
        .tensor(&cache.keys)
        .tensor(&cache.values)
        .output([1, heads * head_dim])
        .run_into(&params, [heads, 1, 1], 3)
}
