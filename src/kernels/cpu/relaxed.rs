//! What relaxed SIMD does faster than plain SIMD: products in bytes, four depths of a row times those of eight columns at a time,
//! and products in floats, with one instruction for a multiplication and the addition after it.
//!
//! Its dot products take the right side's bytes as one processor or another finds it easy: with a sign, without one, or
//! without one and in sums of two that stop at 16 bits. Which it is is tried once; columns are stored to suit, so that no sum
//! loses anything, and 8-bit weights stay in 16 bits where they would.

use std::array::from_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use super::integer::{Piece, ROWS, quantize};
use super::stored::Stored;
use super::{COLS, float};
use crate::quant::{BLOCK, QuantKind};

/// Words of a block of a row or column, four bytes each.
pub(super) const FOURS: usize = BLOCK / 4;

/// What quantized weights are multiplied in on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integers {
    /// 16 bits, by plain SIMD, and so are floats.
    Words,
    /// Bytes, summed in 32 bits.
    Bytes,
    /// Bytes, summed in 16 bits, for 4-bit weights.
    Nibbles,
}

const CHOICES: [Integers; 3] = [Integers::Words, Integers::Bytes, Integers::Nibbles];

/// The number of one of [`CHOICES`], else what suits the processor.
static CHOICE: AtomicU8 = AtomicU8::new(u8::MAX);

/// Multiplies in these from now on, in 16 bits where the processor cannot; or in what suits it best.
pub fn multiply_in(integers: Option<Integers>) {
    let number = integers.and_then(|one| CHOICES.iter().position(|&other| other == one));
    CHOICE.store(
        number.map_or(u8::MAX, |number| number as u8),
        Ordering::Relaxed,
    );
}

/// How the right side's bytes are taken.
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "what a page's processor may be like")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Signed,
    Unsigned,
    /// Without a sign, sums of two products at most 2^15 - 1.
    Saturating,
}

fn choice(right: Right) -> Integers {
    let chosen = CHOICES.get(usize::from(CHOICE.load(Ordering::Relaxed)));
    chosen.copied().unwrap_or(match right {
        _ if !processor::FAST => Integers::Words,
        Right::Saturating => Integers::Nibbles,
        Right::Signed | Right::Unsigned => Integers::Bytes,
    })
}

/// Whether products with such weights are made in bytes.
pub fn in_bytes(kind: QuantKind) -> bool {
    offset(kind).is_some()
}

/// What is added to the integers of such weights to make the bytes of columns, or `None` where they stay in 16 bits.
pub(super) fn offset(kind: QuantKind) -> Option<i32> {
    let right = processor::right()?;
    match (choice(right), kind, right) {
        (Integers::Words, ..) => None,
        (_, QuantKind::Q4, _) => Some(8),
        (Integers::Bytes, _, Right::Signed) => Some(0),
        (Integers::Bytes, _, Right::Unsigned) => Some(128),
        _ => None,
    }
}

/// The bits of 1.5 * 2^23: an integer below 2^22 added to them is, as a float, that integer more.
pub(super) const BIAS: i32 = 0x4b40_0000;

/// Adds the products of some groups of rows with eight columns to `out`, a line for each row. Each block's sums begin at its
/// `shifts`, [`BIAS`] included.
pub(super) fn add(
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) {
    let (blocks, groups) = (columns.scales.len(), out.len() / ROWS);
    // The module reads and writes without looking.
    assert!(
        blocks > 0
            && rows.words.len() == groups * blocks * FOURS
            && rows.scales.len() == groups * blocks
            && shifts.len() == groups * blocks
            && columns.words.len() == blocks * FOURS,
        "bytes: {groups} groups of {blocks} blocks"
    );
    processor::add(rows, shifts, columns, out);
}

/// `rows . columns` over their depth by relaxed SIMD, where there is, to a line of `out` for each row.
pub(super) fn floats(
    rows: &[[f32; float::ROWS]],
    columns: &[[f32; COLS]],
    out: &mut [[f32; COLS]],
) -> bool {
    let able = processor::right().is_some_and(|right| choice(right) != Integers::Words);
    if able {
        let groups = rows.len() / columns.len();
        assert!(
            rows.len() == groups * columns.len() && out.len() >= groups * float::ROWS,
            "floats: {groups} groups of {}",
            columns.len()
        );
        processor::floats(rows, columns, out);
    }
    able
}

/// A single row in bytes.
pub(super) struct Row {
    /// In the order in which 32 weights are unpacked: those of 4 bits first the even ones, then the odd ones.
    integers: Vec<[i8; BLOCK]>,
    scales: Vec<f32>,
    /// For each block less what `offset` adds to its sum.
    shifts: Vec<i32>,
    offset: i32,
}

impl Row {
    /// Of a row to be multiplied with weights of this kind, whose bytes are off by `offset`.
    pub(super) fn new(values: &[f32], kind: QuantKind, offset: i32) -> Self {
        let mut row = Self {
            integers: Vec::new(),
            scales: Vec::new(),
            shifts: Vec::new(),
            offset,
        };
        for block in values.as_chunks::<BLOCK>().0 {
            let (integers, scale) = quantize(block, 127.0);
            row.integers
                .push(from_fn(|i| integers[kind.unpacked(i)] as i8));
            row.scales.push(scale);
            row.shifts.push(-offset * integers.iter().sum::<i32>());
        }
        row
    }

    /// Products with columns `cols`.
    pub(super) fn dots(&self, weights: Stored<'_>, cols: Range<usize>, out: &mut [f32]) {
        let blocks = self.scales.len();
        let scales = &weights.scales[cols.start * blocks..cols.end * blocks];
        let words = blocks * BLOCK / weights.kind.elements_per_word();
        let words = &weights.words[cols.start * words..cols.end * words];
        assert_eq!(out.len(), cols.len(), "an output a column");
        processor::dots(
            self,
            Stored {
                words,
                scales,
                ..weights
            },
            out,
        );
    }
}

/// Loops without SIMD, which are for tests alone: 16 bits are faster.
#[cfg(not(target_arch = "wasm32"))]
mod processor {
    use super::*;

    pub(super) const FAST: bool = false;

    pub(super) fn right() -> Option<Right> {
        Some(Right::Unsigned)
    }

    pub(super) fn add(
        rows: Piece<'_, ROWS>,
        shifts: &[[i32; ROWS]],
        columns: Piece<'_, COLS>,
        out: &mut [[f32; COLS]],
    ) {
        let blocks = columns.scales.len();
        for (line, col) in (0..out.len()).flat_map(|line| (0..COLS).map(move |col| (line, col))) {
            let (group, row) = (line / ROWS, line % ROWS);
            for block in 0..blocks {
                let at = group * blocks + block;
                let mut sum = shifts[at][row] - BIAS;
                for four in 0..FOURS {
                    let left = rows.words[at * FOURS + four][row].to_le_bytes();
                    let right = columns.words[block * FOURS + four][col].to_le_bytes();
                    let products = left
                        .iter()
                        .zip(right)
                        .map(|(l, r)| i32::from(*l as i8) * i32::from(r));
                    sum += products.sum::<i32>();
                }
                out[line][col] += sum as f32 * rows.scales[at][row] * columns.scales[block][col];
            }
        }
    }

    pub(super) fn floats(
        rows: &[[f32; float::ROWS]],
        columns: &[[f32; COLS]],
        out: &mut [[f32; COLS]],
    ) {
        let lines = rows
            .chunks_exact(columns.len())
            .flat_map(|rows| (0..float::ROWS).map(move |row| (rows, row)));
        for ((rows, row), out) in lines.zip(out) {
            *out = from_fn(|col| {
                let products = rows.iter().zip(columns);
                products.map(|(left, right)| left[row] * right[col]).sum()
            });
        }
    }

    pub(super) fn dots(row: &Row, weights: Stored<'_>, out: &mut [f32]) {
        let blocks = row.scales.len();
        for (col, out) in out.iter_mut().enumerate() {
            let products = (0..blocks).map(|block| {
                let stored = weights.integers(col * blocks + block);
                let left = row.integers[block].iter().enumerate();
                let sum: i32 = left
                    .map(|(i, &l)| i32::from(l) * (stored[weights.kind.unpacked(i)] + row.offset))
                    .sum();
                let scale = row.scales[block] * weights.scales[col * blocks + block].to_f32();
                (sum + row.shifts[block]) as f32 * scale
            });
            *out = products.sum();
        }
    }
}

/// The module of `relaxed_simd.rs`, in the engine's memory, where the browser's engine takes it.
#[cfg(target_arch = "wasm32")]
mod processor {
    use half::f16;
    use js_sys::{Object, Reflect, Uint8Array, WebAssembly};
    use wasm_bindgen::prelude::*;

    use super::*;

    pub(super) const FAST: bool = true;

    static MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/relaxed_simd.wasm"));

    #[wasm_bindgen]
    extern "C" {
        type Module;

        #[wasm_bindgen(method)]
        fn probe(this: &Module, at: *mut u8);

        #[wasm_bindgen(method)]
        fn add(
            this: &Module,
            narrow: bool,
            rows: *const [i32; ROWS],
            scales: *const [f32; ROWS],
            shifts: *const [i32; ROWS],
            columns: *const [i32; COLS],
            factors: *const [f32; COLS],
            out: *mut [f32; COLS],
            blocks: usize,
            groups: usize,
        );

        #[wasm_bindgen(method)]
        fn floats(
            this: &Module,
            rows: *const [f32; float::ROWS],
            columns: *const [f32; COLS],
            out: *mut [f32; COLS],
            depth: usize,
            groups: usize,
        );

        #[wasm_bindgen(method)]
        fn dots(
            this: &Module,
            nibbles: bool,
            row: *const [i8; BLOCK],
            scales: *const f32,
            shifts: *const i32,
            words: *const u32,
            factors: *const f16,
            sign: u8,
            out: *mut f32,
            blocks: usize,
            cols: usize,
        );
    }

    const LOADED: &str = "what is asked for is there";

    thread_local!(static PROCESSOR: Option<(Module, Right)> = load());

    fn load() -> Option<(Module, Right)> {
        let bytes = Uint8Array::from(MODULE);
        if WebAssembly::validate(&bytes) != Ok(true) {
            log::info!("no relaxed SIMD: products in 16 bits");
            return None;
        }
        let environment = Object::new();
        let imports = Object::new();
        let set = |object: &Object, name: &str, value: &JsValue| {
            Reflect::set(object, &name.into(), value)
        };
        set(&environment, "memory", &wasm_bindgen::memory()).ok()?;
        set(&imports, "env", &environment).ok()?;
        let module = WebAssembly::Module::new(&bytes).ok()?;
        let instance = WebAssembly::Instance::new(&module, &imports).ok()?;
        let module = instance.exports().unchecked_into::<Module>();

        let mut vectors = [[0; 16], [127; 16], [255; 16]];
        vectors.rotate_left(1);
        module.probe(vectors.as_mut_ptr().cast());
        let sum = i32::from_le_bytes(from_fn(|i| vectors[2][i]));
        let right = match sum {
            _ if sum == 4 * 127 * 255 => Right::Unsigned,
            _ if sum == 4 * -127 => Right::Signed,
            _ => Right::Saturating,
        };
        log::info!("relaxed SIMD: {right:?}");
        Some((module, right))
    }

    pub(super) fn right() -> Option<Right> {
        PROCESSOR.with(|processor| processor.as_ref().map(|(_, right)| *right))
    }

    pub(super) fn add(
        rows: Piece<'_, ROWS>,
        shifts: &[[i32; ROWS]],
        columns: Piece<'_, COLS>,
        out: &mut [[f32; COLS]],
    ) {
        PROCESSOR.with(|processor| {
            let (module, right) = processor.as_ref().expect(LOADED);
            module.add(
                choice(*right) == Integers::Nibbles,
                rows.words.as_ptr(),
                rows.scales.as_ptr(),
                shifts.as_ptr(),
                columns.words.as_ptr(),
                columns.scales.as_ptr(),
                out.as_mut_ptr(),
                columns.scales.len(),
                out.len() / ROWS,
            );
        });
    }

    pub(super) fn floats(
        rows: &[[f32; float::ROWS]],
        columns: &[[f32; COLS]],
        out: &mut [[f32; COLS]],
    ) {
        PROCESSOR.with(|processor| {
            let (module, _) = processor.as_ref().expect(LOADED);
            let groups = rows.len() / columns.len();
            let (rows, to) = (rows.as_ptr(), out.as_mut_ptr());
            module.floats(rows, columns.as_ptr(), to, columns.len(), groups);
        });
    }

    pub(super) fn dots(row: &Row, weights: Stored<'_>, out: &mut [f32]) {
        PROCESSOR.with(|processor| {
            let (module, _) = processor.as_ref().expect(LOADED);
            module.dots(
                weights.kind == QuantKind::Q4,
                row.integers.as_ptr(),
                row.scales.as_ptr(),
                row.shifts.as_ptr(),
                weights.words.as_ptr(),
                weights.scales.as_ptr(),
                row.offset as u8,
                out.as_mut_ptr(),
                row.scales.len(),
                out.len(),
            );
        });
    }
}
