//! SwiGLU's gate (Shazeer 2020): `silu(gate) * up`.

use burn::tensor::Tensor;
use bytemuck::NoUninit;

use super::cpu::math::silu;
use super::launch::{Launch, Shader, cpu, elements, fragment, grid, on_gpu, upload};
use super::{GRID, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    width: u32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, fragment!("swiglu")]).constant("WORKGROUP", WORKGROUP)
}

/// `x` [rows, 2 * width], columns gate | up -> [rows, width].
pub fn swiglu(x: &Tensor<2>) -> Tensor<2> {
    let [rows, double] = x.dims();
    assert!(
        double % 2 == 0,
        "swiglu: {double} columns are not gate | up"
    );
    let width = double / 2;
    if on_gpu(x) {
        let params = Params {
            rows: rows as u32,
            width: width as u32,
        };
        let workgroups = grid((rows * width).div_ceil(WORKGROUP));
        return Launch::new(shader())
            .tensor(x)
            .output([rows, width])
            .run_into(&params, workgroups, 1);
    }
    let source = cpu(x);
    let mut out = Vec::with_capacity(rows * width);
    for row in elements::<f32>(&source).chunks_exact(double) {
        let (gate, up) = row.split_at(width);
        out.extend(gate.iter().zip(up).map(|(g, u)| silu(*g) * u));
    }
    upload(out, [rows, width], &x.device())
}
