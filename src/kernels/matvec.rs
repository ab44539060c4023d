//! Matrix product with a single row: the decode step, bound by how fast the weights stream past.

use burn::tensor::Tensor;

use super::launch::{Fragment, Launch, Shader, cpu, cpu_words, elements, fragment};
use super::matmul::{Epilogue, Matrix, Params, matvec_grid, product_shader};
use crate::quant::{BLOCK, unpack_block};

/// Invocations a workgroup: 16 for each of four outputs.
pub const WORKGROUP: usize = super::matmul::WORKGROUP;

pub(super) fn shader(weights: Fragment, epilogue: Fragment) -> Shader {
    product_shader(fragment!("matvec"), weights, epilogue)
}

/// `finish(x . weights^T)` on the GPU: `x` [1, depth], `weights` [cols, depth] -> [1, cols].
pub fn matvec(x: &Tensor<2>, weights: &Matrix, epilogue: Epilogue<'_>) -> Tensor<2> {
    let [rows, depth] = x.dims();
    let [cols, weights_depth] = weights.dims();
    assert!(
        rows == 1 && depth == weights_depth,
        "matvec: x [{rows}, {depth}] against weights [{cols}, {weights_depth}]"
    );
    let params = Params {
        rows: 1,
        cols: cols as u32,
        depth: depth as u32,
    };
    let launch = Launch::new(shader(weights.fragment(), epilogue.fragment()))
        .tensor(x)
        .output([1, cols]);
    epilogue
        .bind(weights.bind(launch))
        .run_into(&params, matvec_grid(cols), 1)
}

/// The products of one row with packed weights on the CPU, [cols], unpacking a block at a time.
pub(super) fn dots(x: &Tensor<2>, weights: &Matrix) -> Vec<f32> {
    let Matrix::Packed {
        kind,
        cols,
        depth,
        words,
        scales,
    } = weights
    else {
        unreachable!("dense weights go through Burn's matmul");
    };
    let (x, words, scales) = (cpu(x), cpu_words(words), cpu_words(scales));
    let (x, words, scales) = (
        elements::<f32>(&x),
        elements::<u32>(&words),
        elements::<u32>(&scales),
    );
    let scales: &[half::f16] = bytemuck::cast_slice(scales);
    let (blocks, words_a_block) = (depth / BLOCK, BLOCK / kind.elements_per_word());
    let mut unpacked = [0f32; BLOCK];
    let product = |row: usize| {
        let mut sum = 0f32;
        for (block, x) in x.chunks_exact(BLOCK).enumerate() {
            let at = row * blocks + block;
            unpack_block(
                *kind,
                &words[at * words_a_block..][..words_a_block],
                &mut unpacked,
            );
            let mut lanes = [0f32; 8];
            for (a, b) in unpacked.chunks_exact(8).zip(x.chunks_exact(8)) {
                lanes
                    .iter_mut()
                    .zip(a.iter().zip(b))
                    .for_each(|(lane, (a, b))| *lane += a * b);
            }
            sum += lanes.iter().sum::<f32>() * scales[at].to_f32();
        }
        sum
    };
    (0..*cols).map(product).collect()
}
