//! Each encoding against plain loops.

use std::io::{Write, stderr};

use half::f16;

use super::*;

type Add = unsafe fn(Format, Piece<'_, ROWS>, &[[i32; ROWS]], Piece<'_, COLS>, &mut [[f32; COLS]]);
type Floats = unsafe fn(&[[f32; float::ROWS]], &[[f32; COLS]], &mut [[f32; COLS]]);
type Dots = unsafe fn(&Row, Stored<'_>, &mut [f32]);
type DotsOfWords = unsafe fn(&[[i16; BLOCK]], &[f32], Stored<'_>, &mut [f32]);

/// With what bytes each takes of columns at most.
const LOOPS: [(&str, u8, Add, Floats, Dots, DotsOfWords); 3] = [
    (
        "AVX-512 with VNNI",
        255,
        avx512::add,
        avx512::floats,
        avx512::dots,
        avx512::dots_of_words,
    ),
    (
        "AVX with VNNI",
        255,
        avx::add,
        avx::floats,
        avx::dots,
        avx::dots_of_words,
    ),
    (
        "AVX2",
        15,
        avx2::add,
        avx2::floats,
        avx2::dots,
        avx2::dots_of_words,
    ),
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
    let rows: Vec<[i32; ROWS]> = (0..groups * blocks * PAIRS)
        .map(|_| from_fn(|_| random.i32(..)))
        .collect();
    let bytes: Vec<[[u8; 4]; COLS]> = (0..blocks * PAIRS)
        .map(|_| from_fn(|_| from_fn(|_| random.u8(..))))
        .collect();
    let shifts: Vec<[i32; ROWS]> = (0..groups * blocks)
        .map(|_| from_fn(|_| BIAS + random.i32(-9999..9999)))
        .collect();
    let scales: Vec<[f32; ROWS]> = (0..groups * blocks)
        .map(|_| from_fn(|_| random.f32()))
        .collect();
    let factors: Vec<[f32; COLS]> = (0..blocks).map(|_| from_fn(|_| random.f32())).collect();
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

    let integers: Vec<[i16; BLOCK]> = (0..blocks).map(|_| from_fn(|_| random.i16(..))).collect();

    for (loops, there) in LOOPS.into_iter().zip(encodings()) {
        let (name, largest, add, floats, dots, dots_of_words) = loops;
        if !there {
            let skipped = "skipped: this processor does not have";
            // Not by a macro, whose output of a test that passes is not shown.
            writeln!(stderr(), "{skipped} {name}").expect("stderr");
            continue;
        }
        for format in [Format::Words, Format::Bytes { offset: 0 }] {
            let columns: Vec<[i32; COLS]> = bytes
                .iter()
                .map(|eight| {
                    eight.map(|four| match format {
                        Format::Words => i32::from_le_bytes(four) & 0x00ff_00ff,
                        Format::Bytes { .. } => i32::from_le_bytes(four.map(|b| b & largest)),
                    })
                })
                .collect();
            let rows = Piece {
                words: &rows[..groups * blocks * format.words()],
                scales: &scales,
            };
            let columns = Piece {
                words: &columns[..blocks * format.words()],
                scales: &factors,
            };
            let (mut got, mut want) = (
                vec![[0.5; COLS]; groups * ROWS],
                vec![[0.5; COLS]; groups * ROWS],
            );
            plain::add(format, rows, &shifts, columns, &mut want);
            // SAFETY: the processor has the encoding.
            unsafe { add(format, rows, &shifts, columns, &mut got) };
            same(
                &format!("{name}, add, {format:?}"),
                got.as_flattened(),
                want.as_flattened(),
            );
        }

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

        for (kind, offset) in [(QuantKind::Q8, 128), (QuantKind::Q4, 8)] {
            if kind == QuantKind::Q8 && largest < 255 {
                continue;
            }
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

        let weights = Stored {
            kind: QuantKind::Q8,
            depth: BLOCK * blocks,
            words: &words,
            scales: &halves,
        };
        let (mut got, scales) = ([0.0; 5], factors[0].map(|f| f / 1e6));
        // SAFETY: the same.
        unsafe { dots_of_words(&integers, &scales[..blocks], weights, &mut got) };
        let want: [f32; 5] = from_fn(|col| {
            let products = (0..blocks).map(|block| {
                let stored = weights.integers(col * blocks + block);
                let both = stored.iter().zip(&integers[block]);
                let sum: i32 = both.map(|(w, x)| w * i32::from(*x)).sum();
                sum as f32 * scales[block] * halves[col * blocks + block].to_f32()
            });
            products.sum()
        });
        same(&format!("{name}, dots_of_words"), &got, &want);
    }
}
