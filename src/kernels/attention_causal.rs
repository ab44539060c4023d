//! Causal grouped-query attention over the KV cache, for several new rows: the decoder's prefill.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::attention::{BLOCK, attend_on_cpu, flash_shader};
use super::launch::{Launch, Shader, fragment, on_gpu, upload};
use crate::language::cache::LayerCache;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    start: u32,
    context: u32,
}

pub(super) fn shader(head_dim: usize) -> Shader {
    flash_shader(fragment!("attention_causal"), head_dim)
}

/// `qkv` [rows, (heads + 2 * kv_heads) * head_dim] after [`super::rope`], row t at position `start + t`; `cache` already
/// holds these rows. -> [rows, heads * head_dim].
pub fn attention_causal(qkv: &Tensor<2>, cache: &LayerCache, start: usize) -> Tensor<2> {
    let [rows, stride] = qkv.dims();
    let [kv_heads, context, head_dim] = cache.keys.dims();
    let heads = stride / head_dim - 2 * kv_heads;
    assert!(
        start + rows <= context && heads % kv_heads == 0,
        "attention_causal: {rows} rows from {start} in {context}"
    );
    if on_gpu(qkv) {
        let params = Params {
            rows: rows as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            start: start as u32,
            context: context as u32,
        };
        return Launch::new(shader(head_dim))
            .tensor(qkv)
            .tensor(&cache.keys)
            .tensor(&cache.values)
            .output([rows, heads * head_dim])
            .run_into(&params, [rows.div_ceil(BLOCK), heads, 1], 3);
    }
    let mut out = vec![0.0; rows * heads * head_dim];
    let length = start + rows;
    for head in 0..heads {
        let kv_head = head / (heads / kv_heads);
        let cached = |tensor: &Tensor<3>| {
            let slice = tensor
                .clone()
                .slice([kv_head..kv_head + 1, 0..length, 0..head_dim]);
            slice.reshape([length, head_dim])
        };
        let columns = head * head_dim..(head + 1) * head_dim;
        let q = qkv.clone().slice([0..rows, columns.clone()]);
        let (k, v) = (cached(&cache.keys), cached(&cache.values));
        attend_on_cpu(
            q,
            &k,
            &v,
            |row| start + row + 1,
            &mut out,
            heads * head_dim,
            columns,
        );
    }
    upload(out, [rows, heads * head_dim], &qkv.device())
}
