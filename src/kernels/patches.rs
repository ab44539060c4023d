//! Pixels to rows, so that the patch embedding's convolution is a matmul.

use std::ops::Range;

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, elements, fragment, grid, on_gpu, upload};
use super::{GRID, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    count: u32,
    side: u32,
    first: u32,
}

pub(super) fn shader(patch: usize) -> Shader {
    Shader::new(&[GRID, fragment!("patches")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("PATCH", patch)
}

/// Tiles `tiles` of `pixels` [n, 3, side, side] -> [tiles * (side / patch)^2, 3 * patch^2]; patches row-major, columns
/// channel-major.
pub fn patches(pixels: &Tensor<4>, tiles: Range<usize>, patch: usize) -> Tensor<2> {
    let [n, channels, side, width] = pixels.dims();
    assert!(
        tiles.end <= n && channels == 3 && side == width && side % patch == 0,
        "patches: {tiles:?} of [{n}, {channels}, {side}, {width}] by {patch}"
    );
    let across = side / patch;
    let shape = [tiles.len() * across * across, 3 * patch * patch];
    let count = shape[0] * shape[1];
    if on_gpu(pixels) {
        let params = Params {
            count: count as u32,
            side: side as u32,
            first: tiles.start as u32,
        };
        let workgroups = grid(count.div_ceil(WORKGROUP));
        return Launch::new(shader(patch))
            .tensor(pixels)
            .output(shape)
            .run_into(&params, workgroups, 1);
    }
    let source = cpu(pixels);
    let mut out = Vec::with_capacity(count);
    let all = elements::<f32>(&source).chunks_exact(3 * side * side);
    for tile in all.skip(tiles.start).take(tiles.len()) {
        for (row, col) in (0..across).flat_map(|row| (0..across).map(move |col| (row, col))) {
            for (channel, y) in (0..3).flat_map(|channel| (0..patch).map(move |y| (channel, y))) {
                let start = (channel * side + row * patch + y) * side + col * patch;
                out.extend_from_slice(&tile[start..start + patch]);
            }
        }
    }
    upload(out, shape, &pixels.device())
}
