//! The innermost loops of products by AVX, where the processor has dot products of bytes (VNNI): eight columns are a vector.

use std::arch::is_x86_feature_detected as has;
use std::arch::x86_64::*;

use bytemuck::cast;
use half::f16;

use super::*;
use crate::kernels::cpu::math::widen;

/// Whether the processor has what these loops use, in the encoding of AVX-512 or in AVX's own.
fn encodings() -> [bool; 2] {
    let common = has!("avx2") && has!("fma");
    [
        common && has!("avx512vnni") && has!("avx512vl"),
        common && has!("avxvnni"),
    ]
}

/// Runs `work`, for which the compiler may use AVX where there is.
pub(super) fn widest<T>(work: impl FnOnce() -> T) -> T {
    #[target_feature(enable = "avx2,fma")]
    fn wide<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    if able() {
        #[expect(
            unsafe_code,
            reason = "a function for processors that have these features alone"
        )]
        // SAFETY: the processor has them.
        return unsafe { wide(work) };
    }
    work()
}

/// Whether there are any.
pub(super) fn able() -> bool {
    encodings().contains(&true)
}

/// Runs a loop in the encoding that there is; whether there is one.
macro_rules! run {
    ($function:ident($($argument:expr),*)) => {{
        #[expect(unsafe_code, reason = "a function for processors that have these features alone")]
        match encodings() {
            // SAFETY: the processor has what the function is compiled for.
            [true, _] => unsafe { avx512::$function($($argument),*) },
            // SAFETY: the same.
            [_, true] => unsafe { avx::$function($($argument),*) },
            _ => return false,
        }
        true
    }};
}

/// [`super::add`]
pub(super) fn add(
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) -> bool {
    run!(add(rows, shifts, columns, out))
}

/// [`super::floats`]
pub(super) fn floats(
    rows: &[[f32; float::ROWS]],
    columns: &[[f32; COLS]],
    out: &mut [[f32; COLS]],
) -> bool {
    run!(floats(rows, columns, out))
}

/// [`Row::dots`]
pub(super) fn dots(row: &Row, weights: Stored<'_>, out: &mut [f32]) -> bool {
    run!(dots(row, weights, out))
}

macro_rules! loops {
    ($encoding:ident, $features:literal, $dot:ident) => {
        mod $encoding {
            use super::*;

            #[target_feature(enable = $features)]
            pub(super) fn add(
                rows: Piece<'_, ROWS>,
                shifts: &[[i32; ROWS]],
                columns: Piece<'_, COLS>,
                out: &mut [[f32; COLS]],
            ) {
                let blocks = columns.scales.len();
                let columns = columns
                    .words
                    .as_chunks::<FOURS>()
                    .0
                    .iter()
                    .zip(columns.scales);
                let rows = rows
                    .words
                    .as_chunks::<FOURS>()
                    .0
                    .chunks_exact(blocks)
                    .zip(rows.scales.chunks_exact(blocks))
                    .zip(shifts.chunks_exact(blocks));
                for (((rows, scales), shifts), out) in rows.zip(out.as_chunks_mut::<ROWS>().0) {
                    let mut sums: [__m256; ROWS] = out.map(cast);
                    let blocks = rows.iter().zip(scales).zip(shifts).zip(columns.clone());
                    for (((rows, scales), shifts), (columns, factors)) in blocks {
                        let mut block = shifts.map(|shift| _mm256_set1_epi32(shift - BIAS));
                        for (four, eight) in rows.iter().zip(columns) {
                            let eight = cast(*eight);
                            for (sum, &row) in block.iter_mut().zip(four) {
                                *sum = $dot(*sum, eight, _mm256_set1_epi32(row));
                            }
                        }
                        let factors = cast(*factors);
                        for ((sum, block), &scale) in sums.iter_mut().zip(block).zip(scales) {
                            let factors = _mm256_mul_ps(factors, _mm256_set1_ps(scale));
                            *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(block), factors, *sum);
                        }
                    }
                    *out = sums.map(cast);
                }
            }

            #[target_feature(enable = $features)]
            pub(super) fn floats(
                rows: &[[f32; float::ROWS]],
                columns: &[[f32; COLS]],
                out: &mut [[f32; COLS]],
            ) {
                // Two groups at a time: four sums alone would wait for each other.
                let (pairs, last) =
                    rows.split_at(rows.len() / (2 * columns.len()) * 2 * columns.len());
                let (outs, rest) = out.as_chunks_mut::<{ 2 * float::ROWS }>();
                for (pair, out) in pairs.chunks_exact(2 * columns.len()).zip(outs) {
                    let (upper, lower) = pair.split_at(columns.len());
                    tile([upper, lower], columns, out);
                }
                if !last.is_empty() {
                    tile([last], columns, rest);
                }
            }

            #[target_feature(enable = $features)]
            fn tile<const N: usize>(
                groups: [&[[f32; float::ROWS]]; N],
                columns: &[[f32; COLS]],
                out: &mut [[f32; COLS]],
            ) {
                let mut sums = [[_mm256_setzero_ps(); float::ROWS]; N];
                for (depth, eight) in columns.iter().enumerate() {
                    let eight = cast(*eight);
                    for (sums, group) in sums.iter_mut().zip(groups) {
                        for (sum, &row) in sums.iter_mut().zip(&group[depth]) {
                            *sum = _mm256_fmadd_ps(_mm256_set1_ps(row), eight, *sum);
                        }
                    }
                }
                let sums = sums.as_flattened().iter();
                out.iter_mut()
                    .zip(sums)
                    .for_each(|(out, sum)| *out = cast(*sum));
            }

            #[target_feature(enable = $features)]
            pub(super) fn dots(row: &Row, weights: Stored<'_>, out: &mut [f32]) {
                match weights.kind {
                    QuantKind::Q8 => {
                        let sign = _mm256_set1_epi8(row.offset as i8);
                        let bytes = |words: [u32; 8]| _mm256_xor_si256(cast(words), sign);
                        columns(row, weights.words.as_chunks().0, weights.scales, bytes, out);
                    }
                    QuantKind::Q4 => {
                        let bytes = |words: [u32; 4]| {
                            let words = cast(words);
                            let both = _mm256_set_m128i(_mm_srli_epi16::<4>(words), words);
                            _mm256_and_si256(both, _mm256_set1_epi8(15))
                        };
                        columns(row, weights.words.as_chunks().0, weights.scales, bytes, out);
                    }
                }
            }

            /// Products with columns whose blocks `bytes` unpacks.
            #[target_feature(enable = $features)]
            fn columns<const N: usize>(
                row: &Row,
                words: &[[u32; N]],
                scales: &[f16],
                bytes: impl Fn([u32; N]) -> __m256i,
                out: &mut [f32],
            ) {
                let blocks = row.scales.len();
                let mut factors = vec![0.0; blocks];
                let columns = words.chunks_exact(blocks).zip(scales.chunks_exact(blocks));
                for ((words, scales), out) in columns.zip(out) {
                    let both = scales.iter().zip(&row.scales);
                    factors
                        .iter_mut()
                        .zip(both)
                        .for_each(|(to, (w, x))| *to = widen(*w) * x);
                    let blocks = words
                        .iter()
                        .zip(&row.integers)
                        .zip(&row.shifts)
                        .zip(&factors);
                    let mut sums = [_mm256_setzero_ps(); 2];
                    for (((words, integers), shift), factor) in blocks {
                        let shift = _mm256_zextsi128_si256(_mm_cvtsi32_si128(*shift));
                        let sum = $dot(shift, bytes(*words), cast(*integers));
                        let sum = _mm256_cvtepi32_ps(sum);
                        let sum = _mm256_fmadd_ps(sum, _mm256_set1_ps(*factor), sums[0]);
                        sums = [sums[1], sum];
                    }
                    let eight: [f32; 8] = cast(_mm256_add_ps(sums[0], sums[1]));
                    *out = eight.iter().sum();
                }
            }
        }
    };
}

loops!(avx512, "avx2,fma,avx512vnni,avx512vl", _mm256_dpbusd_epi32);
loops!(avx, "avx2,fma,avxvnni", _mm256_dpbusd_avx_epi32);
