//! Canvas to tiles of normalised pixels on the GPU; the CPU twin is [`crate::vision::tiles::Tiles::normalise`].

use burn::tensor::{Device, Tensor};
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, fragment, grid, upload};
use super::resize::Canvas;
use super::{GRID, WORKGROUP};
use crate::vision::tiles;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    cols: u32,
    rows: u32,
    side: u32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, fragment!("normalise")]).constant("WORKGROUP", WORKGROUP)
}

/// Cuts `canvas` into tiles of `side` pixels, row-major -> [tiles, 3, side, side], normalised with ImageNet's mean and std.
pub fn normalise(canvas: &Canvas, side: usize, device: &Device) -> Tensor<4> {
    let (cols, rows) = (canvas.width / side, canvas.height / side);
    assert!(
        cols * side == canvas.width && rows * side == canvas.height,
        "normalise: {} x {} is no grid of {side}",
        canvas.width,
        canvas.height
    );
    let table = tiles::levels().as_flattened().to_vec();
    let params = Params {
        cols: cols as u32,
        rows: rows as u32,
        side: side as u32,
    };
    let count = cols * rows * 3 * side * side;
    Launch::new(shader())
        .ints(&canvas.pixels)
        .tensor(&upload(table, [768], device))
        .output([cols * rows, 3, side, side])
        .run_into(&params, grid(count.div_ceil(WORKGROUP)), 2)
}
