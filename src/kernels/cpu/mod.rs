//! What the kernels' CPU twins are made of.

pub(super) mod float;
pub(super) mod integer;
pub(super) mod math;
pub(super) mod relaxed;
pub(super) mod stored;

/// Columns of the tile of a product's sums that is held in registers.
pub(super) const COLS: usize = 8;

/// Copies as many of eight sums as there is room for; all of them without a call.
fn put(sums: &[f32; COLS], to: &mut [f32]) {
    match to.as_mut_array() {
        Some(to) => *to = *sums,
        None => to.copy_from_slice(&sums[..to.len()]),
    }
}
