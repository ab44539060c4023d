//! Pixel shuffle (InternVL 1.5, section 3.1): four neighbouring patches become one token, the class token goes.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, elements, fragment, grid, on_gpu, upload};
use super::{GRID, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    tiles: u32,
    side: u32,
    width: u32,
}

pub(super) fn shader(transposed: usize) -> Shader {
    Shader::new(&[GRID, fragment!("pixel_shuffle")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("TRANSPOSED", transposed)
}

/// `x` [tiles * (1 + side^2), width] -> [tiles * (side / 2)^2, 4 * width]. `transposed` is `ps_version` v1's token order.
pub fn pixel_shuffle(x: &Tensor<2>, side: usize, transposed: bool) -> Tensor<2> {
    let [rows, width] = x.dims();
    let length = 1 + side * side;
    assert!(
        rows.is_multiple_of(length) && side.is_multiple_of(2),
        "pixel_shuffle: {rows} rows are no tiles of 1 + {side}^2"
    );
    let (tiles, blocks) = (rows / length, side / 2);
    let shape = [tiles * blocks * blocks, 4 * width];
    if on_gpu(x) {
        let params = Params {
            tiles: tiles as u32,
            side: side as u32,
            width: width as u32,
        };
        let workgroups = grid((shape[0] * shape[1]).div_ceil(WORKGROUP));
        return Launch::new(shader(usize::from(transposed)))
            .tensor(x)
            .output(shape)
            .run_into(&params, workgroups, 1);
    }
    let source = cpu(x);
    let mut out = Vec::with_capacity(shape[0] * shape[1]);
    for tile in elements::<f32>(&source).chunks_exact(length * width) {
        for token in 0..blocks * blocks {
            let (row, col) = if transposed {
                (token % blocks, token / blocks)
            } else {
                (token / blocks, token % blocks)
            };
            for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let patch = 1 + (2 * row + y) * side + 2 * col + x;
                out.extend_from_slice(&tile[patch * width..(patch + 1) * width]);
            }
        }
    }
    upload(out, shape, &x.device())
}
