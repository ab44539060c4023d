//! A plain copy: the yardstick of kernels that are bound by memory.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::cpu::math::by_rows;
use super::launch::{Launch, Shader, cpu, edit, elements, fragment, grid, on_gpu};
use super::{GRID, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    quads: u32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, fragment!("copy")]).constant("WORKGROUP", WORKGROUP)
}

/// Writes `x` [values, a multiple of 4] over `out` [values].
pub fn copy(x: &Tensor<1>, out: &mut Tensor<1>) {
    let [len] = x.dims();
    assert!(
        len % 4 == 0 && out.dims() == [len],
        "copy: {len} values to {:?}",
        out.dims()
    );
    if on_gpu(x) {
        let params = Params {
            quads: (len / 4) as u32,
        };
        let workgroups = grid((len / 4).div_ceil(WORKGROUP));
        Launch::new(shader())
            .tensor(x)
            .tensor(out)
            .run(&params, workgroups);
        return;
    }
    let source = cpu(x);
    let source = elements::<f32>(&source);
    edit(out, |all| {
        by_rows(all, 1, 1 << 20, |first, part| {
            part.copy_from_slice(&source[first..first + part.len()]);
        });
    });
}
