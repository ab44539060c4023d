//! Causal grouped-query attention over the KV cache, for several new rows: the decoder's prefill.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::attention::{BLOCK, attend_on_cpu, flash_shader};
use super::cpu::cells;
use super::cpu::float::Rows;
use super::cpu::math::by_rows;
use super::launch::{Launch, Shader, cpu, elements, fragment, on_gpu, upload};
use crate::language::cache::{CachePrecision, LayerCache};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    start: u32,
    context: u32,
}

pub(super) fn shader(head_dim: usize, cells: CachePrecision) -> Shader {
    flash_shader(&[cells.fragment(), fragment!("attention_causal")], head_dim)
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
        return Launch::new(shader(head_dim, cache.precision))
            .tensor(qkv)
            .tensor(&cache.keys)
            .tensor(&cache.values)
            .output([rows, heads * head_dim])
            .run_into(&params, [rows.div_ceil(BLOCK), heads, 1], 3);
    }
    let (length, width) = (start + rows, heads * head_dim);
    let (qkv_values, keys, values) = (cpu(qkv), cpu(&cache.keys), cpu(&cache.values));
    let qkv_values = elements::<f32>(&qkv_values);
    let mut out = vec![0.0; rows * width];
    by_rows(&mut out, width, 64, |first, out| {
        for kv_head in 0..kv_heads {
            let cached = kv_head * context * head_dim..(kv_head * context + length) * head_dim;
            let keys = cells(&keys, cached.clone());
            let keys = Rows::new(&keys, length, head_dim, head_dim, 1);
            let values = cells(&values, cached);
            let values = Rows::new(&values, head_dim, length, 1, head_dim);
            let group = heads / kv_heads;
            for head in kv_head * group..(kv_head + 1) * group {
                let queries = &qkv_values[first * stride + head * head_dim..];
                let visible = |row| start + first + row + 1;
                let out = &mut out[head * head_dim..];
                attend_on_cpu(queries, stride, [&keys, &values], visible, out, width);
            }
        }
    });
    upload(out, [rows, width], &qkv.device())
}
