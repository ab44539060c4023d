//! Matrix product with a single row: the decode step, bound by how fast the weights stream past.

use burn::tensor::Tensor;

use super::launch::{Fragment, Launch, Shader, fragment};
use super::matmul::{Epilogue, Matrix, Params, matvec_grid, product_shader};

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
