//! Rotary position embeddings (Su et al. 2021, rotate-half form), after a norm of the heads where the family has one (Qwen3),
//! fused with the append to the KV cache.

use burn::tensor::Tensor;
use bytemuck::NoUninit;
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::launch::{Fragment, Launch, Shader, cpu, edit, elements, fragment, grid, on_gpu};
use super::rms_norm::normalise_slice;
use super::{GRID, REDUCE};
use crate::language::cache::{CachePrecision, LayerCache};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    start: u32,
    context: u32,
    eps: f32,
}

/// Invocations a head: the largest power of two that its pairs fill, two each, for the tree of sums.
pub(super) fn workgroup(head_dim: usize) -> usize {
    1 << (head_dim / 4).clamp(1, 64).ilog2()
}

pub(super) fn shader(head_dim: usize, norm: bool, cells: CachePrecision) -> Shader {
    let norms: &[Fragment] = match norm {
        true => &[REDUCE, fragment!("shared/head_norm")],
        false => &[fragment!("shared/head_norm_none")],
    };
    Shader::new(&[&[GRID, cells.fragment()], norms, &[fragment!("rope")]].concat())
        .constant("WORKGROUP", workgroup(head_dim))
        .constant("HEAD_DIM", head_dim)
}

/// An RMSNorm of each query's and each key's head.
#[derive(Clone, Copy, Debug)]
pub struct HeadNorms<'a> {
    /// Of queries and of keys, [head_dim] each.
    pub weights: [&'a Tensor<1>; 2],
    /// Added to the mean square.
    pub eps: f32,
}

/// Rotates the queries of `qkv` [rows, (heads + 2 * kv_heads) * head_dim], after `norms`, in place and appends the keys, treated
/// the same, and the values to `cache` from position `start` on. `angles` [context, head_dim / 2, 2] holds (cos, sin).
pub fn rope(
    qkv: &mut Tensor<2>,
    norms: Option<HeadNorms<'_>>,
    angles: &Tensor<3>,
    cache: &mut LayerCache,
    start: usize,
) {
    let [rows, stride] = qkv.dims();
    let [kv_heads, context, head_dim] = cache.keys.dims();
    let heads = stride / head_dim - 2 * kv_heads;
    assert!(
        stride == (heads + 2 * kv_heads) * head_dim && head_dim.is_multiple_of(4),
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
            eps: norms.map_or(0.0, |norms| norms.eps),
        };
        let mut launch = Launch::new(shader(head_dim, norms.is_some(), cache.precision))
            .tensor(qkv)
            .tensor(angles)
            .tensor(&cache.keys)
            .tensor(&cache.values);
        if let Some(norms) = norms {
            launch = launch.tensor(norms.weights[0]).tensor(norms.weights[1]);
        }
        launch.run(&params, grid(rows * (heads + 2 * kv_heads)));
        return;
    }
    if let Some(HeadNorms { weights, eps }) = norms {
        for (weight, slots) in weights.into_iter().zip([0..heads, heads..heads + kv_heads]) {
            let weight = cpu(weight);
            let weight = elements::<f32>(&weight);
            edit(qkv, |all| {
                for row in all.chunks_exact_mut(stride) {
                    row[slots.start * head_dim..slots.end * head_dim]
                        .chunks_exact_mut(head_dim)
                        .for_each(|head| normalise_slice(head, weight, eps));
                }
            });
        }
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
        let heads = (0..rows).flat_map(|row| (0..kv_heads).map(move |head| (row, head)));
        let moves = heads.map(|(row, head)| {
            let from = row * stride + (first + head) * head_dim;
            let to = (head * context + start + row) * head_dim;
            (&rotated[from..from + head_dim], to..to + head_dim)
        });
        match cache.precision {
            CachePrecision::F32 => edit(tensor, |cells: &mut [f32]| {
                moves.for_each(|(head, to)| cells[to].copy_from_slice(head));
            }),
            CachePrecision::F16 => edit(tensor, |cells: &mut [f16]| {
                moves.for_each(|(head, to)| cells[to].convert_from_f32_slice(head));
            }),
        }
    }
}

fn rotate(head: &mut [f32], angle: &[f32]) {
    let (low, high) = head.split_at_mut(angle.len() / 2);
    for ((a, b), cos_sin) in low.iter_mut().zip(high).zip(angle.chunks_exact(2)) {
        let (cos, sin) = (cos_sin[0], cos_sin[1]);
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}
