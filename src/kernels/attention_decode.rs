//! Grouped-query attention of a single new token over the KV cache: the decode step. A long context is cut into parts, so that
//! the heads of one row fill a GPU.

use std::ops::Range;

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::attention::exponentials;
use super::attention_merge::attention_merge;
use super::cpu::cells;
use super::cpu::float::{self, Heads};
use super::cpu::math::by_rows;
use super::launch::{Launch, Shader, cpu, elements, fragment, on_gpu, upload};
use crate::language::cache::{CachePrecision, LayerCache};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    heads: u32,
    kv_heads: u32,
    length: u32,
    context: u32,
    part: u32,
}

/// Invocations a workgroup: as many as take a key each at a time.
pub const BLOCK: usize = 64;
/// Positions of a part, and the most parts: a longer context has longer parts.
const PART: usize = 256;
const MOST_PARTS: usize = 32;

pub(super) fn shader(head_dim: usize, cells: CachePrecision) -> Shader {
    assert!(
        head_dim.is_multiple_of(4) && head_dim <= 4 * BLOCK,
        "attention_decode: heads of {head_dim}"
    );
    Shader::new(&[cells.fragment(), fragment!("attention_decode")])
        .constant("BLOCK", BLOCK)
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
    let length = start + 1;
    let part = PART.max(length.div_ceil(MOST_PARTS).next_multiple_of(BLOCK));
    let parts = length.div_ceil(part);
    let params = Params {
        heads: heads as u32,
        kv_heads: kv_heads as u32,
        length: length as u32,
        context: context as u32,
        part: part as u32,
    };
    let (launch, grid) = (
        Launch::new(shader(head_dim, cache.precision)),
        [heads, parts, 1],
    );
    let launch = launch.tensor(qkv).tensor(&cache.keys).tensor(&cache.values);
    if parts == 1 {
        let launch = launch.output([1, heads * head_dim]);
        return launch.output([heads, 1, 2]).run_into(&params, grid, 3);
    }
    let launch = launch.output([heads, parts, head_dim]);
    let launch = launch.output([heads, parts, 2]);
    let (out, marks) = launch.run_into_both(&params, grid, [3, 4]);
    attention_merge(&out, &marks)
}

/// Positions whose keys or values stay in the first-level cache while all heads that share them pass.
const CPU_PART: usize = 64;

/// Positions below which one core has attended before another is there.
const CPU_ALONE: usize = 1024;

fn on_cpu(qkv: &Tensor<2>, cache: &LayerCache, length: usize, heads: usize) -> Vec<f32> {
    let [kv_heads, context, head_dim] = cache.keys.dims();
    let (qkv, keys, values) = (cpu(qkv), cpu(&cache.keys), cpu(&cache.values));
    let queries = elements::<f32>(&qkv);
    let scale = (head_dim as f32).sqrt().recip();
    let group = heads / kv_heads;
    let mut out = vec![0.0; heads * head_dim];
    let width = group * head_dim;
    let parts = || {
        (0..length)
            .step_by(CPU_PART)
            .map(|at| at..length.min(at + CPU_PART))
    };
    let shape = |part: &Range<usize>| Heads {
        heads: group,
        depth: head_dim,
        count: part.len(),
        stride: length,
    };
    let least = if length < CPU_ALONE { kv_heads } else { 1 };
    by_rows(&mut out, width, least, |first, out| {
        let mut scores = vec![0.0; group * length];
        for (kv_head, out) in (first..).zip(out.chunks_exact_mut(width)) {
            let cached = kv_head * context;
            let place = |part: &Range<usize>| {
                (cached + part.start) * head_dim..(cached + part.end) * head_dim
            };
            let queries = &queries[kv_head * width..][..width];
            for part in parts() {
                let keys = cells(&keys, place(&part));
                float::scores(shape(&part), queries, &keys, &mut scores[part.start..]);
            }
            let shares: Vec<_> = scores
                .chunks_exact_mut(length)
                .map(|scores| exponentials(scores, scale).recip())
                .collect();
            for part in parts() {
                let values = cells(&values, place(&part));
                float::weigh(shape(&part), &scores[part.start..], &values, out);
            }
            for (out, share) in out.chunks_exact_mut(head_dim).zip(shares) {
                out.iter_mut().for_each(|o| *o *= share);
            }
        }
    });
    out
}
