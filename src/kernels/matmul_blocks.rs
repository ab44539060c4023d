//! Products of many rows with quantized weights on a GPU, in factors that it multiplies faster than f32.

use burn::tensor::Tensor;

use super::launch::{Fragment, Shader, fragment};
use super::product::{self, Epilogue, Factors, Matrix, Parts, Prologue};

pub(super) const FACTORS: [Fragment; 2] = [
    fragment!("shared/factors_f16"),
    fragment!("shared/factors_bytes"),
];

pub(super) fn shader(factors: Fragment, parts: &Parts) -> Shader {
    product::tiled(&[factors, fragment!("matmul_blocks")], parts)
}

/// [`product()`](product::product) by this kernel, in f16 or bytes; the weights are packed.
pub fn matmul_blocks(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
    factors: Factors,
) -> Tensor<2> {
    let fragment = match factors {
        Factors::F32 => panic!("matmul_blocks: f32 is matmul's"),
        Factors::F16 => FACTORS[0],
        Factors::Bytes => FACTORS[1],
    };
    let parts = Parts::new(weights, prologue, epilogue);
    assert!(parts.packed(), "matmul_blocks: dense weights");
    product::launch_tiled(&shader(fragment, &parts), x, prologue, weights, epilogue)
}
