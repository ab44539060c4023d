//! Loops by AVX where the processor has what they use.

#[cfg(target_arch = "x86_64")]
use super::avx;
use super::*;

/// Whether bytes are faster than 16 bits here.
pub(super) fn fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx::able();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

pub(super) fn widest<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    return avx::widest(work);
    #[cfg(not(target_arch = "x86_64"))]
    work()
}

pub(super) fn right() -> Option<Right> {
    Some(Right::Unsigned)
}

pub(super) fn add(
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) {
    #[cfg(target_arch = "x86_64")]
    if avx::add(rows, shifts, columns, out) {
        return;
    }
    plain::add(rows, shifts, columns, out);
}

pub(super) fn floats(
    rows: &[[f32; float::ROWS]],
    columns: &[[f32; COLS]],
    out: &mut [[f32; COLS]],
) {
    #[cfg(target_arch = "x86_64")]
    if avx::floats(rows, columns, out) {
        return;
    }
    plain::floats(rows, columns, out);
}

pub(super) fn dots(row: &Row, weights: Stored<'_>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if avx::dots(row, weights, out) {
        return;
    }
    plain::dots(row, weights, out);
}
