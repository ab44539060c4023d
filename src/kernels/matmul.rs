//! Products of many rows on a GPU with workgroup memory.

use burn::tensor::Tensor;

use super::launch::{Shader, fragment};
use super::product::{self, Epilogue, Matrix, Parts, Prologue, tile_columns};

/// Rows and columns of the tile of a workgroup.
const TILE: usize = 64;
/// Columns that are written together stand so far apart in a tile.
const PAIR: usize = 8;

pub(super) fn shader(parts: &Parts) -> Shader {
    product::shader(fragment!("matmul"), PAIR, parts)
}

/// [`product()`](product::product) by this kernel.
pub fn matmul(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
) -> Tensor<2> {
    let grid = |cols| {
        let columns = tile_columns(cols, epilogue, PAIR);
        [columns.div_ceil(TILE), x.dims()[0].div_ceil(TILE), 1]
    };
    let shader = shader(&Parts::new(weights, prologue, epilogue));
    product::launch(&shader, x, prologue, weights, epilogue, grid)
}
