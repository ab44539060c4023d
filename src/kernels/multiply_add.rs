//! Nothing but multiplications and additions: the yardstick of kernels that are bound by arithmetic.

use burn::tensor::Tensor;
use bytemuck::{NoUninit, cast};
use wide::f32x4;

use super::WORKGROUP;
use super::cpu::math::by_rows;
use super::launch::{Launch, Shader, cpu, elements, fragment, on_gpu, upload};

/// Multiplications and additions of a value.
pub const STEPS: usize = 512;
/// Values of an invocation.
const CHUNK: usize = 16;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    chunks: u32,
    factor: f32,
    term: f32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[fragment!("multiply_add")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("STEPS", STEPS)
}

/// `x` [values, a multiple of 32] after [`STEPS`] times `v * factor + term`.
pub fn multiply_add(x: &Tensor<1>, factor: f32, term: f32) -> Tensor<1> {
    let [len] = x.dims();
    assert!(
        len % (2 * CHUNK) == 0,
        "multiply_add: {len} values are no multiple of 32"
    );
    if on_gpu(x) {
        let chunks = len / CHUNK;
        let params = Params {
            chunks: chunks as u32,
            factor,
            term,
        };
        return Launch::new(shader()).tensor(x).output([len]).run_into(
            &params,
            [chunks.div_ceil(WORKGROUP), 1, 1],
            1,
        );
    }
    let mut out = elements::<f32>(&cpu(x)).to_vec();
    let (factor, term) = (f32x4::splat(factor), f32x4::splat(term));
    by_rows(&mut out, 2 * CHUNK, 64, |_, part| {
        for values in part.as_chunks_mut::<{ 2 * CHUNK }>().0 {
            let mut eight: [f32x4; 8] = cast(*values);
            for _ in 0..STEPS {
                eight = eight.map(|v| v * factor + term);
            }
            *values = cast(eight);
        }
    });
    upload(out, [len], &x.device())
}
