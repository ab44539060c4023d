//! Grouped-query attention of a single new token over the KV cache: the decode step.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::attention::exponentials;
use super::cpu::float::{add_weighted, dots};
use super::launch::{Launch, Shader, cpu, elements, fragment, on_gpu, upload};
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
        let out = on_cpu(qkv, cache, start + 1, heads);
        return upload(out, [1, heads * head_dim], &qkv.device());
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

fn on_cpu(qkv: &Tensor<2>, cache: &LayerCache, length: usize, heads: usize) -> Vec<f32> {
    let [kv_heads, context, head_dim] = cache.keys.dims();
    let (qkv, keys, values) = (cpu(qkv), cpu(&cache.keys), cpu(&cache.values));
    let queries = elements::<f32>(&qkv);
    let (keys, values) = (elements::<f32>(&keys), elements::<f32>(&values));
    let scale = (head_dim as f32).sqrt().recip();
    let mut out = vec![0.0; heads * head_dim];
    let mut scores = vec![0.0; length];
    for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
        let query = &queries[head * head_dim..][..head_dim];
        let cached = head / (heads / kv_heads) * context * head_dim;
        dots(query, &keys[cached..], &mut scores);
        let share = exponentials(&mut scores, scale).recip();
        add_weighted(&scores, &values[cached..], out);
        out.iter_mut().for_each(|o| *o *= share);
    }
    out
}
