//! What the kernels' CPU twins are made of.

pub(super) mod float;
pub(super) mod integer;
pub(super) mod math;
pub(super) mod relaxed;
pub(super) mod stored;
