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
    #[cfg(target_arch = "x86_64")]
    return Some(avx::right());
    #[cfg(not(target_arch = "x86_64"))]
    Some(Right::Unsigned)
}

pub(super) fn add(
    format: Format,
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) {
    #[cfg(target_arch = "x86_64")]
    if avx::add(format, rows, shifts, columns, out) {
        return;
    }
    plain::add(format, rows, shifts, columns, out);
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

pub(super) fn dots_of_words(
    row: &[[i16; BLOCK]],
    scales: &[f32],
    weights: Stored<'_>,
    out: &mut [f32],
) -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx::dots_of_words(row, scales, weights, out);
    #[cfg(not(target_arch = "x86_64"))]
    false
}

pub(super) fn scores(shape: Heads, queries: &[f32], keys: &[f32], out: &mut [f32]) {
    widest(
        #[inline(always)]
        || {
            let rows = out.chunks_mut(shape.stride);
            for (query, out) in queries.chunks_exact(shape.depth).zip(rows) {
                let fours = out[..shape.count].as_chunks_mut().0.iter_mut();
                for (out, keys) in fours.zip(keys.chunks_exact(4 * shape.depth)) {
                    *out = four_scores(query, keys);
                }
            }
        },
    );
}

#[inline(always)]
fn four_scores(query: &[f32], keys: &[f32]) -> [f32; 4] {
    let query = query.as_chunks::<8>().0;
    let mut keys = keys.as_chunks::<8>().0.chunks_exact(query.len());
    let keys: [_; 4] = from_fn(|_| keys.next().expect("four keys"));
    let mut sums = [[0f32; 8]; 4];
    for (i, query) in query.iter().enumerate() {
        for (sum, key) in sums.iter_mut().zip(&keys) {
            for ((sum, q), k) in sum.iter_mut().zip(query).zip(&key[i]) {
                *sum = q.mul_add(*k, *sum);
            }
        }
    }
    sums.map(|sum| sum.iter().sum())
}

pub(super) fn weigh(shape: Heads, weights: &[f32], values: &[f32], out: &mut [f32]) {
    widest(
        #[inline(always)]
        || {
            let rows = weights.chunks(shape.stride);
            for (out, weights) in out.chunks_exact_mut(shape.depth).zip(rows) {
                let fours = weights[..shape.count].as_chunks::<4>().0.iter();
                for (weights, values) in fours.zip(values.chunks_exact(4 * shape.depth)) {
                    let mut rows = values.chunks_exact(shape.depth);
                    let [a, b, c, d] = from_fn(|_| rows.next().expect("four values"));
                    for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                        let sum = weights[0].mul_add(*a, weights[1].mul_add(*b, *out));
                        *out = weights[2].mul_add(*c, weights[3].mul_add(*d, sum));
                    }
                }
            }
        },
    );
}
