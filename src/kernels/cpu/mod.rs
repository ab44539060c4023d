//! What the kernels' CPU twins are made of.

pub(super) mod float;
pub(super) mod integer;
pub(super) mod math;
pub(super) mod processor;
pub(super) mod stored;

use std::borrow::Cow;
use std::ops::Range;

use burn::backend::flex::FlexTensor;
use burn::tensor::DType;
use half::f16;

use super::launch::elements;

/// Columns of the tile of a product's sums that is held in registers.
pub(super) const COLS: usize = 8;

/// Some elements of a contiguous tensor as f32, whichever they are.
pub(super) fn cells(tensor: &FlexTensor, range: Range<usize>) -> Cow<'_, [f32]> {
    match tensor.dtype() {
        DType::F16 => {
            let halves = &elements::<f16>(tensor)[range];
            Cow::Owned(halves.iter().map(|&half| math::widen(half)).collect())
        }
        _ => Cow::Borrowed(&elements(tensor)[range]),
    }
}

/// Copies as many of eight sums as there is room for; all of them without a call.
fn put(sums: &[f32; COLS], to: &mut [f32]) {
    match to.as_mut_array() {
        Some(to) => *to = *sums,
        None => to.copy_from_slice(&sums[..to.len()]),
    }
}
