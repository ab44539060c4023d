//! The innermost loops of products by AVX, with the processor's dot products of bytes (VNNI) or with ones made of two instructions:
//! eight columns are a vector.

use std::arch::is_x86_feature_detected as has;
use std::arch::x86_64::*;

use bytemuck::cast;
use half::f16;

use super::*;
use crate::kernels::cpu::math::widen;

/// Whether the processor has what these loops use: dot products in the encoding of AVX-512, or in AVX's own; AVX without them.
fn encodings() -> [bool; 3] {
    let common = has!("avx2") && has!("fma");
    [
        common && has!("avx512vnni") && has!("avx512vl"),
        common && has!("avxvnni"),
        common,
    ]
}

/// How the loops that are run take the right side's bytes.
pub(super) fn right() -> Right {
    match encodings() {
        [false, false, true] => Right::Signed,
        _ => Right::Unsigned,
    }
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
            [true, ..] => unsafe { avx512::$function($($argument),*) },
            // SAFETY: the same.
            [_, true, _] => unsafe { avx::$function($($argument),*) },
            // SAFETY: the same.
            [.., true] => unsafe { avx2::$function($($argument),*) },
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
loops!(avx2, "avx2,fma", dot_of_signed);

/// Adds the products of four bytes to each sum; no byte on the left is -128, so that no two products exceed 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn dot_of_signed(sums: __m256i, right: __m256i, left: __m256i) -> __m256i {
    let left = _mm256_sign_epi8(left, right);
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(right), left);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

#[cfg(test)]
mod tests {
    use std::io::{Write, stderr};

    use super::*;

    type Add = unsafe fn(Piece<'_, ROWS>, &[[i32; ROWS]], Piece<'_, COLS>, &mut [[f32; COLS]]);
    type Floats = unsafe fn(&[[f32; float::ROWS]], &[[f32; COLS]], &mut [[f32; COLS]]);
    type Dots = unsafe fn(&Row, Stored<'_>, &mut [f32]);

    const LOOPS: [(&str, Right, Add, Floats, Dots); 3] = [
        (
            "AVX-512 with VNNI",
            Right::Unsigned,
            avx512::add,
            avx512::floats,
            avx512::dots,
        ),
        (
            "AVX with VNNI",
            Right::Unsigned,
            avx::add,
            avx::floats,
            avx::dots,
        ),
        ("AVX2", Right::Signed, avx2::add, avx2::floats, avx2::dots),
    ];

    fn same(label: &str, got: &[f32], want: &[f32]) {
        let top = want.iter().fold(0.0, |top: f32, v| top.max(v.abs()));
        for (got, want) in got.iter().zip(want) {
            assert!(
                (got - want).abs() <= 1e-5 * top,
                "{label}: {got}, not {want}"
            );
        }
    }

    #[test]
    #[expect(
        unsafe_code,
        reason = "each encoding is forced where the processor has it"
    )]
    fn all_encodings_compute_what_plain_loops_do() {
        let mut random = fastrand::Rng::with_seed(5);
        let (blocks, groups) = (3, 3);
        let rows: Vec<[i32; ROWS]> = (0..groups * blocks * FOURS)
            .map(|_| from_fn(|_| i32::from_le_bytes(from_fn(|_| random.i8(-127..) as u8))))
            .collect();
        let columns: Vec<[i32; COLS]> = (0..blocks * FOURS)
            .map(|_| from_fn(|_| random.i32(..)))
            .collect();
        let shifts: Vec<[i32; ROWS]> = (0..groups * blocks)
            .map(|_| from_fn(|_| BIAS + random.i32(-9999..9999)))
            .collect();
        let scales: Vec<[f32; ROWS]> = (0..groups * blocks)
            .map(|_| from_fn(|_| random.f32()))
            .collect();
        let factors: Vec<[f32; COLS]> = (0..blocks).map(|_| from_fn(|_| random.f32())).collect();
        let rows = Piece {
            words: &rows,
            scales: &scales,
        };
        let columns = Piece {
            words: &columns,
            scales: &factors,
        };
        let values: Vec<f32> = (0..BLOCK * blocks).map(|_| random.f32() - 0.5).collect();
        let words: Vec<u32> = (0..5 * blocks * BLOCK / 4)
            .map(|_| random.u32(..))
            .collect();
        let halves: Vec<f16> = (0..5 * blocks)
            .map(|_| f16::from_f32(random.f32()))
            .collect();
        let fours: Vec<[f32; float::ROWS]> = (0..3 * 7)
            .map(|_| from_fn(|_| random.f32() - 0.5))
            .collect();
        let eights: Vec<[f32; COLS]> = (0..7).map(|_| from_fn(|_| random.f32() - 0.5)).collect();

        for ((name, right, add, floats, dots), there) in LOOPS.into_iter().zip(encodings()) {
            if !there {
                let skipped = "skipped: this processor does not have";
                // Not by a macro, whose output of a test that passes is not shown.
                writeln!(stderr(), "{skipped} {name}").expect("stderr");
                continue;
            }
            let (mut got, mut want) = (
                vec![[0.5; COLS]; groups * ROWS],
                vec![[0.5; COLS]; groups * ROWS],
            );
            plain::add(right, rows, &shifts, columns, &mut want);
            // SAFETY: the processor has the encoding.
            unsafe { add(rows, &shifts, columns, &mut got) };
            same(
                &format!("{name}, add"),
                got.as_flattened(),
                want.as_flattened(),
            );

            let (mut got, mut want) = (
                [[0.0; COLS]; 3 * float::ROWS],
                [[0.0; COLS]; 3 * float::ROWS],
            );
            plain::floats(&fours, &eights, &mut want);
            // SAFETY: the same.
            unsafe { floats(&fours, &eights, &mut got) };
            same(
                &format!("{name}, floats"),
                got.as_flattened(),
                want.as_flattened(),
            );

            let bytes = if right == Right::Signed { 0 } else { 128 };
            for (kind, offset) in [(QuantKind::Q8, bytes), (QuantKind::Q4, 8)] {
                let row = Row::new(&values, kind, offset);
                let words = &words[..5 * blocks * BLOCK / kind.elements_per_word()];
                let weights = Stored {
                    kind,
                    depth: BLOCK * blocks,
                    words,
                    scales: &halves,
                };
                let (mut got, mut want) = ([0.0; 5], [0.0; 5]);
                plain::dots(&row, weights, &mut want);
                // SAFETY: the same.
                unsafe { dots(&row, weights, &mut got) };
                same(&format!("{name}, dots, {kind:?}"), &got, &want);
            }
        }
    }
}
