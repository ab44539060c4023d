//! A token's attention: its queries' products with the keys, and the values weighed by them.

use core::arch::wasm32::*;

/// The products of `Q` queries with `count` keys, four at a time, to rows of `out`, `stride` apart.
#[inline(always)]
unsafe fn scores_of<const Q: usize>(
    queries: *const v128,
    mut keys: *const v128,
    out: *mut f32,
    quads: usize,
    count: usize,
    stride: usize,
) {
    unsafe {
        for key in (0..count).step_by(4) {
            let mut sums = [[f32x4_splat(0.0); 4]; Q];
            for quad in 0..quads {
                let mut four = [f32x4_splat(0.0); 4];
                for (n, key) in four.iter_mut().enumerate() {
                    *key = v128_load(keys.add(n * quads + quad));
                }
                for (q, sums) in sums.iter_mut().enumerate() {
                    let query = v128_load(queries.add(q * quads + quad));
                    for (sum, key) in sums.iter_mut().zip(four) {
                        *sum = f32x4_relaxed_madd(query, key, *sum);
                    }
                }
            }
            keys = keys.add(4 * quads);
            for (q, [a, b, c, d]) in sums.into_iter().enumerate() {
                let ab = f32x4_add(
                    i32x4_shuffle::<0, 4, 1, 5>(a, b),
                    i32x4_shuffle::<2, 6, 3, 7>(a, b),
                );
                let cd = f32x4_add(
                    i32x4_shuffle::<0, 4, 1, 5>(c, d),
                    i32x4_shuffle::<2, 6, 3, 7>(c, d),
                );
                let sum = f32x4_add(
                    i32x4_shuffle::<0, 1, 4, 5>(ab, cd),
                    i32x4_shuffle::<2, 3, 6, 7>(ab, cd),
                );
                v128_store(out.add(q * stride + key) as *mut v128, sum);
            }
        }
    }
}

/// The products of queries with `count` keys, a multiple of four, to rows of `out`, `stride` apart.
///
/// # Safety
/// `queries` and `keys`: `quads` vectors each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scores(
    mut queries: *const v128,
    keys: *const v128,
    mut out: *mut f32,
    quads: usize,
    heads: usize,
    count: usize,
    stride: usize,
) {
    unsafe {
        for _ in 0..heads / 2 {
            scores_of::<2>(queries, keys, out, quads, count, stride);
            (queries, out) = (queries.add(2 * quads), out.add(2 * stride));
        }
        if heads % 2 == 1 {
            scores_of::<1>(queries, keys, out, quads, count, stride);
        }
    }
}

/// Adds to `H` rows of `out` the `count` rows of `values`, four at a time, each times its weight for that row.
#[inline(always)]
unsafe fn weigh_of<const H: usize>(
    weights: *const u32,
    mut values: *const v128,
    out: *mut v128,
    quads: usize,
    count: usize,
    stride: usize,
) {
    unsafe {
        for first in (0..count).step_by(4) {
            let mut factors = [[f32x4_splat(0.0); 4]; H];
            for (h, factors) in factors.iter_mut().enumerate() {
                for (n, factor) in factors.iter_mut().enumerate() {
                    *factor = v128_load32_splat(weights.add(h * stride + first + n));
                }
            }
            for quad in 0..quads {
                let mut four = [f32x4_splat(0.0); 4];
                for (n, value) in four.iter_mut().enumerate() {
                    *value = v128_load(values.add(n * quads + quad));
                }
                for (h, factors) in factors.iter().enumerate() {
                    let to = out.add(h * quads + quad);
                    let mut sum = v128_load(to);
                    for (&factor, value) in factors.iter().zip(four) {
                        sum = f32x4_relaxed_madd(factor, value, sum);
                    }
                    v128_store(to, sum);
                }
            }
            values = values.add(4 * quads);
        }
    }
}

/// Adds to the rows of `out`, one a head, the `count` rows of `values`, a multiple of four, times the head's weights, whose rows
/// are `stride` apart.
///
/// # Safety
/// `values` and `out`: `quads` vectors each row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weigh(
    mut weights: *const u32,
    values: *const v128,
    mut out: *mut v128,
    quads: usize,
    heads: usize,
    count: usize,
    stride: usize,
) {
    unsafe {
        for _ in 0..heads / 2 {
            weigh_of::<2>(weights, values, out, quads, count, stride);
            (weights, out) = (weights.add(2 * stride), out.add(2 * quads));
        }
        if heads % 2 == 1 {
            weigh_of::<1>(weights, values, out, quads, count, stride);
        }
    }
}
