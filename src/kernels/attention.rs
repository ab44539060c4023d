//! Full attention inside each tile: the vision encoder's.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::cpu::float::Columns;
use super::cpu::integer::{Format, Panels, Rows, add_product};
use super::cpu::math::{by_rows, exp, largest, sum};
use super::launch::{Fragment, Launch, Shader, cpu, elements, fragment, on_gpu, upload};

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
        head_dim.is_multiple_of(4) && head_dim <= 256,
        "attention: heads of {head_dim} are no multiple of 4 up to the kernel's 256"
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
    let (qkv_values, stride, width) = (cpu(qkv), 3 * heads * head_dim, heads * head_dim);
    let qkv_values = elements::<f32>(&qkv_values);
    let mut out = vec![0.0; rows * width];
    let tiles = qkv_values
        .chunks_exact(length * stride)
        .zip(out.chunks_exact_mut(length * width));
    for (qkv, out) in tiles {
        by_rows(out, width, 128, |first, out| {
            for head in 0..heads {
                let columns = head * head_dim..(head + 1) * head_dim;
                let keys = Columns::new(&qkv[width + columns.start..], length, head_dim, stride);
                let values = Panels::floats(
                    &qkv[2 * width + columns.start..],
                    head_dim,
                    length,
                    1,
                    stride,
                );
                let queries = &qkv[first * stride + columns.start..];
                attend_on_cpu(
                    queries,
                    stride,
                    (&keys, &values),
                    |_| length,
                    &mut out[columns.start..],
                    width,
                    head_dim,
                );
            }
        });
    }
    upload(out, [rows, width], &qkv.device())
}

/// Rows of queries that are scored at a time on the CPU, so that scores stay small however long the context.
const CPU_ROWS: usize = 256;

/// One head on the CPU: `queries` [rows, head_dim], their rows `stride` apart; `keys` has a column for each key, `values` one
/// for each channel; row t sees the first `visible(t)` keys. The result goes to `out`, its rows `width` apart.
pub(super) fn attend_on_cpu(
    queries: &[f32],
    stride: usize,
    (keys, values): (&Columns, &Panels),
    visible: impl Fn(usize) -> usize,
    out: &mut [f32],
    width: usize,
    head_dim: usize,
) {
    let rows = out.len().div_ceil(width);
    let scale = (head_dim as f32).sqrt().recip();
    for start in (0..rows).step_by(CPU_ROWS) {
        let count = CPU_ROWS.min(rows - start);
        let limit = visible(start + count - 1);
        let mut scores = keys.product(&queries[start * stride..], stride, count, limit);
        let mut shares = Vec::with_capacity(count);
        for (row, scores) in scores.chunks_exact_mut(limit).enumerate() {
            let (seen, hidden) = scores.split_at_mut(visible(start + row));
            shares.push(exponentials(seen, scale).recip());
            hidden.fill(0.0);
        }
        let mut weights = Rows::new(&scores, count, limit, limit, Format::FLOATS);
        weights.scale(&shares);
        add_product(&weights, values, head_dim, &mut out[start * width..], width);
    }
}

/// Softmax without its last step: exponentials of the scaled scores, the largest one 1, and their sum.
pub(super) fn exponentials(scores: &mut [f32], scale: f32) -> f32 {
    let top = largest(scores);
    scores
        .iter_mut()
        .for_each(|score| *score = exp((*score - top) * scale));
    sum(scores, |v| v)
}
