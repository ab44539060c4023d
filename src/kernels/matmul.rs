//! Products of many rows on a GPU with workgroup memory.

use burn::tensor::Tensor;

use super::launch::{Shader, fragment};
use super::product::{self, Epilogue, Matrix, Parts, Prologue};

pub(super) fn shader(parts: &Parts) -> Shader {
    product::tiled(&[fragment!("matmul")], parts)
}

/// [`product()`](product::product) by this kernel.
pub fn matmul(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
) -> Tensor<2> {
    let shader = shader(&Parts::new(weights, prologue, epilogue));
    product::launch_tiled(&shader, x, prologue, weights, epilogue)
}
