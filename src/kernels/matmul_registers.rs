//! Products on a GPU in registers alone, without a barrier: for software adapters.

use burn::tensor::Tensor;

use super::launch::{Shader, fragment};
use super::product::{self, Epilogue, Matrix, Parts, Prologue, WORKGROUP, tile_columns};

/// Rows of an invocation where there are several.
pub(super) const ROWS: usize = 8;
/// Columns of an invocation.
const COLUMNS: usize = 8;
/// Columns that are written together stand so far apart.
const PAIR: usize = 2;

pub(super) fn shader(rows: usize, parts: &Parts) -> Shader {
    product::shader(&[fragment!("matmul_registers")], PAIR, parts).constant("ROWS", rows)
}

/// [`product()`](product::product) by this kernel.
pub fn matmul_registers(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
) -> Tensor<2> {
    let rows = if x.dims()[0] == 1 { 1 } else { ROWS };
    let grid = |cols| {
        let columns = tile_columns(cols, epilogue, PAIR);
        [
            columns.div_ceil(COLUMNS * WORKGROUP),
            x.dims()[0].div_ceil(rows),
            1,
        ]
    };
    let shader = shader(rows, &Parts::new(weights, prologue, epilogue));
    product::launch(&shader, x, prologue, weights, epilogue, grid)
}
