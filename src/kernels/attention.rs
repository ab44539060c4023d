//! Full attention inside each tile: the vision encoder's.

use std::array::from_fn;

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::cpu::COLS;
use super::cpu::float::{Columns, ROWS, Rows, multiply};
use super::cpu::math::{by_rows, exp, largest, sum};
use super::cpu::processor::widest;
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
    flash_shader(&[fragment!("attention")], head_dim)
}

/// A kernel on the shared flash-attention core: keys and values of a chunk fill 16 KiB of workgroup memory at most.
pub(super) fn flash_shader(fragments: &[Fragment], head_dim: usize) -> Shader {
    assert!(
        head_dim.is_multiple_of(4) && head_dim <= 256,
        "attention: heads of {head_dim} are no multiple of 4 up to the kernel's 256"
    );
    Shader::new(&[&[fragment!("shared/attention_core")], fragments].concat())
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
                let keys = Rows::new(&qkv[width + columns.start..], length, head_dim, stride, 1);
                let values = &qkv[2 * width + columns.start..];
                let values = Rows::new(values, head_dim, length, 1, stride);
                let queries = &qkv[first * stride + columns.start..];
                let out = &mut out[columns.start..];
                attend_on_cpu(queries, stride, [&keys, &values], |_| length, out, width);
            }
        });
    }
    upload(out, [rows, width], &qkv.device())
}

/// One head on the CPU: `queries`, their rows `stride` apart; `keys` has a line for each key, `values` one for each channel;
/// row t sees the first `visible(t)` keys. The result goes to `out`, its rows `width` apart.
///
/// Eight queries at a time are columns, and so are their scores, which stay in the first-level cache: what softmax does, it
/// does to all eight at once.
pub(super) fn attend_on_cpu(
    queries: &[f32],
    stride: usize,
    [keys, values]: [&Rows; 2],
    visible: impl Fn(usize) -> usize,
    out: &mut [f32],
    width: usize,
) {
    let (rows, head_dim) = (out.len().div_ceil(width), keys.depth());
    let scale = (head_dim as f32).sqrt().recip();
    let mut scores = vec![[0.0; COLS]; values.depth().next_multiple_of(ROWS)];
    for first in (0..rows).step_by(COLS) {
        let count = COLS.min(rows - first);
        let seen: [usize; COLS] = from_fn(|i| visible(first + i.min(count - 1)));
        let limit = seen[count - 1];
        let queries = Columns::new(&queries[first * stride..], count, head_dim, stride, 1);
        let keys = keys.some(0..limit.div_ceil(ROWS));
        multiply(keys, queries.group(0), &mut scores);
        let scores = &mut scores[..limit];
        for (i, &seen) in seen.iter().enumerate() {
            scores[seen..]
                .iter_mut()
                .for_each(|eight| eight[i] = f32::NEG_INFINITY);
        }
        let shares = widest(|| exponentials_of_eight(scores, scale)).map(f32::recip);
        for channel in (0..head_dim).step_by(ROWS) {
            let values = &values.group(channel / ROWS)[..limit];
            let mut sums = [[0.0; COLS]; ROWS];
            multiply(values, scores, &mut sums);
            for (i, share) in shares.iter().enumerate().take(count) {
                let to = &mut out[(first + i) * width + channel..];
                let pairs = to.iter_mut().zip(&sums).take(head_dim - channel);
                pairs.for_each(|(to, sums)| *to = sums[i] * share);
            }
        }
    }
}

/// [`exponentials`] of the scores of eight queries.
#[inline(always)]
fn exponentials_of_eight(scores: &mut [[f32; COLS]], scale: f32) -> [f32; COLS] {
    let mut tops = [f32::NEG_INFINITY; COLS];
    for eight in scores.iter() {
        for (top, &score) in tops.iter_mut().zip(eight) {
            *top = if score > *top { score } else { *top };
        }
    }
    let mut sums = [0.0; COLS];
    for eight in scores {
        for ((score, top), sum) in eight.iter_mut().zip(&tops).zip(&mut sums) {
            *score = exp((*score - top) * scale);
            *sum += *score;
        }
    }
    sums
}

/// Softmax without its last step: exponentials of the scaled scores, the largest one 1, and their sum.
pub(super) fn exponentials(scores: &mut [f32], scale: f32) -> f32 {
    let top = largest(scores);
    scores
        .iter_mut()
        .for_each(|score| *score = exp((*score - top) * scale));
    sum(scores, |v| v)
}
