//! Class token and position embeddings: the vision encoder's input.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, elements, fragment, grid, on_gpu, upload};
use super::{GRID, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    tiles: u32,
    count: u32,
    width: u32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, fragment!("positions")]).constant("WORKGROUP", WORKGROUP)
}

/// `[class, patches] + positions` a tile: `patches` [tiles * count, width], `class_embedding` [width],
/// `position_embedding` [1 + count, width] -> [tiles * (1 + count), width].
pub fn positions(
    patches: &Tensor<2>,
    class_embedding: &Tensor<1>,
    position_embedding: &Tensor<2>,
) -> Tensor<2> {
    let [rows, width] = patches.dims();
    let [length, position_width] = position_embedding.dims();
    let count = length - 1;
    assert!(
        rows % count == 0 && position_width == width && class_embedding.dims() == [width],
        "positions: patches [{rows}, {width}] against positions [{length}, {position_width}]"
    );
    let tiles = rows / count;
    if on_gpu(patches) {
        let params = Params {
            tiles: tiles as u32,
            count: count as u32,
            width: width as u32,
        };
        return Launch::new(shader())
            .tensor(patches)
            .tensor(class_embedding)
            .tensor(position_embedding)
            .output([tiles * length, width])
            .run_into(
                &params,
                grid((tiles * length * width).div_ceil(WORKGROUP)),
                3,
            );
    }
    let (source, class, table) = (cpu(patches), cpu(class_embedding), cpu(position_embedding));
    let table = elements::<f32>(&table);
    let mut out = Vec::with_capacity(tiles * length * width);
    for tile in elements::<f32>(&source).chunks_exact(count * width) {
        let input = elements::<f32>(&class).iter().chain(tile);
        out.extend(input.zip(table).map(|(v, p)| v + p));
    }
    upload(out, [tiles * length, width], &patches.device())
}
