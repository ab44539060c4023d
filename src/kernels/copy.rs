//! Parts of tensors in others, where no other kernel would write them; and the yardstick of kernels that are bound by memory.

use std::ops::Range;

use burn::tensor::{DType, Tensor};
use bytemuck::NoUninit;
use half::f16;

use super::cpu::math::by_rows;
use super::launch::{Launch, Shader, cpu, edit, elements, fragment, grid, on_gpu, unwritten};
use super::{GRID, WORKGROUP};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    quads: u32,
    start: u32,
    begin: u32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[GRID, fragment!("copy")]).constant("WORKGROUP", WORKGROUP)
}

/// Writes elements `from` of `x` over those of `out` from `to` on, of the same type; all begin and end at multiples of 16 bytes.
pub fn copy<const D: usize, const E: usize>(
    x: &Tensor<D>,
    from: Range<usize>,
    out: &mut Tensor<E>,
    to: usize,
) {
    let (len, quad) = (from.len(), 16 / x.dtype().size());
    assert!(
        from.end <= x.shape().num_elements()
            && to + len <= out.shape().num_elements()
            && [from.start, len, to].iter().all(|at| at % quad == 0)
            && x.dtype() == out.dtype(),
        "copy: {from:?} of {:?} to {to} of {:?}",
        x.dims(),
        out.dims()
    );
    if on_gpu(x) {
        let params = Params {
            quads: (len / quad) as u32,
            start: (from.start / quad) as u32,
            begin: (to / quad) as u32,
        };
        let workgroups = grid((len / quad).div_ceil(WORKGROUP));
        Launch::new(shader())
            .tensor(x)
            .tensor(out)
            .run(&params, workgroups);
        return;
    }
    let source = cpu(x);
    if x.dtype() == DType::F16 {
        let source = &elements::<f16>(&source)[from];
        edit(out, |all| all[to..to + len].copy_from_slice(source));
        return;
    }
    let source = &elements::<f32>(&source)[from];
    edit(out, |all| {
        by_rows(&mut all[to..to + len], 1, 1 << 20, |first, part| {
            part.copy_from_slice(&source[first..first + part.len()]);
        });
    });
}

/// Rows `rows` of `x`, as its first dimension counts them.
pub fn rows<const D: usize>(x: &Tensor<D>, rows: Range<usize>) -> Tensor<D> {
    let mut shape = x.dims();
    let row = x.shape().num_elements() / shape[0];
    shape[0] = rows.len();
    let mut out = unwritten(shape, &x.device());
    copy(x, rows.start * row..rows.end * row, &mut out, 0);
    out
}

/// The rows of all parts, in order.
pub fn stack<const D: usize>(parts: &[Tensor<D>]) -> Tensor<D> {
    let mut shape = parts[0].dims();
    shape[0] = parts.iter().map(|part| part.dims()[0]).sum();
    let mut out = unwritten(shape, &parts[0].device());
    let mut to = 0;
    for part in parts {
        let len = part.shape().num_elements();
        copy(part, 0..len, &mut out, to);
        to += len;
    }
    out
}
