//! Products of a single row on a GPU: the decode step, bound by how fast the weights stream past.

use burn::tensor::Tensor;

use super::launch::{Shader, fragment, grid};
use super::product::{self, Epilogue, Matrix, Parts, Prologue, tile_columns};

/// Columns of a workgroup.
const COLUMNS: usize = 16;
/// Columns that are written together stand so far apart.
const PAIR: usize = 4;

pub(super) fn shader(parts: &Parts) -> Shader {
    product::shader(&[fragment!("matvec")], PAIR, parts)
}

/// [`product()`](product::product) of one row by this kernel; not after a LayerNorm.
pub fn matvec(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
) -> Tensor<2> {
    assert!(
        x.dims()[0] == 1 && !matches!(prologue, Prologue::LayerNorm { .. }),
        "matvec: {} rows after {prologue:?}",
        x.dims()[0]
    );
    let shader = shader(&Parts::new(weights, prologue, epilogue));
    let grid = |cols| grid(tile_columns(cols, epilogue, PAIR).div_ceil(COLUMNS));
    product::launch(&shader, x, prologue, weights, epilogue, grid)
}
