//! Full attention inside each tile: the vision encoder's.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Fragment, Launch, Shader, cpu, edit, elements, fragment, on_gpu, upload};

/// Queries a workgroup, one an invocation.
pub const BLOCK: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    length: u32,
    heads: u32,
}

pub(super) fn shader(head_dim: usize) -> Shader {
    flash_shader(fragment!("attention"), head_dim)
}

/// A kernel on the shared flash-attention core: keys and values of a chunk fill 16 KiB of workgroup memory at most.
pub(super) fn flash_shader(main: Fragment, head_dim: usize) -> Shader {
    assert!(
        head_dim <= 256,
        "attention: heads of {head_dim} exceed the kernel's 256"
    );
    Shader::new(&[fragment!("shared/attention_core"), main])
        .constant("BLOCK", BLOCK)
        .constant("HEAD_DIM", head_dim)
        .constant("CHUNK", (2048 / head_dim).clamp(1, BLOCK))
}

/// `qkv` [tiles * length, 3 * heads * head_dim], columns q | k | v -> [tiles * length, heads * head_dim]; softmax in f32,
/// scale `head_dim^-0.5`, each tile on its own.
pub fn attention(qkv: &Tensor<2>, length: usize, heads: usize) -> Tensor<2> {
    let [rows, columns] = qkv.dims();
    assert!(
        rows % length == 0 && columns % (3 * heads) == 0,
        "attention: qkv [{rows}, {columns}], {length} x {heads} heads"
    );
    let (tiles, head_dim) = (rows / length, columns / 3 / heads);
    if on_gpu(qkv) {
        let params = Params {
            length: length as u32,
            heads: heads as u32,
        };
        return Launch::new(shader(head_dim))
            .tensor(qkv)
            .output([rows, heads * head_dim])
            .run_into(&params, [length.div_ceil(BLOCK), heads, tiles], 1);
    }
    let mut out = vec![0.0; rows * heads * head_dim];
    for (tile, head) in (0..tiles).flat_map(|tile| (0..heads).map(move |head| (tile, head))) {
        let part = |index: usize| {
            let first = (index * heads + head) * head_dim;
            qkv.clone()
                .slice([tile * length..(tile + 1) * length, first..first + head_dim])
        };
        let columns = head * head_dim..(head + 1) * head_dim;
        let to = &mut out[tile * length * heads * head_dim..];
        attend_on_cpu(
            part(0),
            &part(1),
            &part(2),
            |_| length,
            to,
            heads * head_dim,
            columns,
        );
    }
    upload(out, [rows, heads * head_dim], &qkv.device())
}

/// Rows of queries that are scored at a time on the CPU, so that scores stay small however long the context.
const CPU_ROWS: usize = 256;

/// One head on the CPU: `q` [rows, head_dim], `k`, `v` [length, head_dim]; row t sees the first `visible(t)` keys.
/// Row t of the result goes to `out[t * stride ..]` at `columns`.
pub(super) fn attend_on_cpu(
    q: Tensor<2>,
    k: &Tensor<2>,
    v: &Tensor<2>,
    visible: impl Fn(usize) -> usize,
    out: &mut [f32],
    stride: usize,
    columns: std::ops::Range<usize>,
) {
    let [rows, head_dim] = q.dims();
    let scale = (head_dim as f32).sqrt().recip();
    for start in (0..rows).step_by(CPU_ROWS) {
        let end = (start + CPU_ROWS).min(rows);
        let limit = visible(end - 1);
        let keys = k.clone().slice([0..limit, 0..head_dim]);
        let mut scores = q
            .clone()
            .slice([start..end, 0..head_dim])
            .matmul(keys.transpose());
        edit(&mut scores, |all| {
            for (row, scores) in all.chunks_exact_mut(limit).enumerate() {
                let (seen, hidden) = scores.split_at_mut(visible(start + row));
                softmax(seen, scale);
                hidden.fill(0.0);
            }
        });
        let mixed = cpu(&scores.matmul(v.clone().slice([0..limit, 0..head_dim])));
        for (row, values) in elements::<f32>(&mixed).chunks_exact(head_dim).enumerate() {
            let line = &mut out[(start + row) * stride..][..stride];
            line[columns.clone()].copy_from_slice(values);
        }
    }
}

fn softmax(scores: &mut [f32], scale: f32) {
    let top = scores.iter().fold(f32::NEG_INFINITY, |top, &s| top.max(s));
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = ((*score - top) * scale).exp();
        total += *score;
    }
    scores.iter_mut().for_each(|score| *score /= total);
}
