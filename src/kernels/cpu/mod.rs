//! What the kernels' CPU twins are made of.

pub(super) mod float;
pub(super) mod integer;
pub(super) mod math;
pub(super) mod relaxed;
pub(super) mod stored;

/// Rows and columns of the tile of a product's sums that is held in registers.
pub(super) const ROWS: usize = 4;
pub(super) const COLS: usize = 8;
