//! Rotary position embeddings (Su et al. 2021, rotate-half form) fused with the append to the KV cache.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, edit, elements, fragment, grid, on_gpu};
use super::{GRID, WORKGROUP};
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
    Shader::new(&[GRID, fragment!("rope")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("HEAD_DIM", head_dim)
}

/// Rotates the queries of `qkv` [rows, (heads + 2 * kv_heads) * head_dim] in place and appends the rotated keys and the
/// values to `cache` from position `start` on. `angles` [context, head_dim / 2, 2] holds (cos, sin).
pub fn rope(qkv: &mut Tensor<2>, angles: &Tensor<3>, cache: &mut LayerCache, start: usize) {
    let [rows, stride] = qkv.dims();
    let [kv_heads, context, head_dim] = cache.keys.dims();
    let heads = stride / head_dim - 2 * kv_heads;
    assert_eq!(
        stride,
        (heads + 2 * kv_heads) * head_dim,
        "rope: qkv [{rows}, {stride}] against {kv_heads} x {head_dim}"
    );
    assert!(
        start + rows <= context,
        "rope: {rows} rows from {start} exceed the cache's {context}"
    );
    assert!(
        angles.dims()[0] >= start + rows && angles.dims()[1] * 2 == head_dim,
        "rope: angles {:?}",
        angles.dims()
    );
    if on_gpu(qkv) {
        let params = Params {
            rows: rows as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            start: start as u32,
            context: context as u32,
        };
        Launch::new(shader(head_dim))
            .tensor(qkv)
            .tensor(angles)
            .tensor(&cache.keys)
            .tensor(&cache.values)
            .run(&params, grid((rows * stride / 2).div_ceil(WORKGROUP)));
        return;
    }
    let table = cpu(angles);
    let angle = |row: usize| &elements::<f32>(&table)[(start + row) * head_dim..][..head_dim];
    edit(qkv, |all| {
        for (row, line) in all.chunks_exact_mut(stride).enumerate() {
            line[..(heads + kv_heads) * head_dim]
                .chunks_exact_mut(head_dim)
                .for_each(|head| rotate(head, angle(row)));
        }
    });
    let rotated = cpu(qkv);
    let rotated = elements::<f32>(&rotated);
    for (tensor, first) in [
        (&mut cache.keys, heads),
        (&mut cache.values, heads + kv_heads),
    ] {
        edit(tensor, |cells| {
            for (row, head) in (0..rows).flat_map(|row| (0..kv_heads).map(move |head| (row, head)))
            {
                let from = row * stride + (first + head) * head_dim;
                let to = (head * context + start + row) * head_dim;
                cells[to..to + head_dim].copy_from_slice(&rotated[from..from + head_dim]);
            }
        });
    }
}

fn rotate(head: &mut [f32], angle: &[f32]) {
    let (low, high) = head.split_at_mut(angle.len() / 2);
    for ((a, b), cos_sin) in low.iter_mut().zip(high).zip(angle.chunks_exact(2)) {
        let (cos, sin) = (cos_sin[0], cos_sin[1]);
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}
