//! Page -> the encoder's input, on whichever device: the tiler's result is the same to the bit.

use burn::tensor::{Device, Tensor};

use super::tiles::{Plan, tiles};
use crate::config::TilingConfig;
use crate::kernels::launch::{is_gpu, upload};
use crate::kernels::resize::Canvas;
use crate::kernels::{normalise, resize, stack};
use crate::page::Page;

/// The largest page, in pixels, that is resized on the GPU: WebGPU's default storage binding of 128 MiB, a word a pixel.
const GPU_PIXELS: usize = 1 << 25;

/// Cuts `page` into normalised tiles of `side` pixels: [tiles, 3, side, side], the thumbnail last.
pub fn pixel_values(page: &Page, tiling: &TilingConfig, side: usize, device: &Device) -> Tensor<4> {
    let plan = Plan::new(page.width, page.height, tiling, side);
    let (width, height) = plan.canvas();
    if !is_gpu(device) || (page.width * page.height).max(width * page.height) > GPU_PIXELS {
        let tiles = tiles(page, tiling, side);
        return upload(tiles.normalise(), [plan.tiles(), 3, side, side], device);
    }
    let canvas = Canvas::new(page, device);
    let grid = normalise(&resize(&canvas, width, height, device), side, device);
    if !plan.thumbnail {
        return grid;
    }
    let thumbnail = normalise(&resize(&canvas, side, side, device), side, device);
    stack(&[grid, thumbnail])
}
