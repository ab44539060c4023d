//! The module of `relaxed_simd`, in the engine's memory, where the browser's engine takes it.

use half::f16;
use js_sys::{Object, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::prelude::*;

use super::*;

/// Whether bytes are faster than 16 bits here.
pub(super) fn fast() -> bool {
    true
}

pub(super) fn widest<T>(work: impl FnOnce() -> T) -> T {
    work()
}

static MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/relaxed_simd.wasm"));

#[wasm_bindgen]
extern "C" {
    type Module;

    #[wasm_bindgen(method)]
    fn probe(this: &Module, at: *mut u8);

    #[wasm_bindgen(method)]
    fn add(
        this: &Module,
        how: u32,
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
    fn scores(
        this: &Module,
        queries: *const f32,
        keys: *const f32,
        out: *mut f32,
        quads: usize,
        heads: usize,
        count: usize,
        stride: usize,
    );

    #[wasm_bindgen(method)]
    fn weigh(
        this: &Module,
        weights: *const f32,
        values: *const f32,
        out: *mut f32,
        quads: usize,
        heads: usize,
        count: usize,
        stride: usize,
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
    let set =
        |object: &Object, name: &str, value: &JsValue| Reflect::set(object, &name.into(), value);
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
    format: Format,
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) {
    PROCESSOR.with(|processor| {
        let (module, right) = processor.as_ref().expect(LOADED);
        let how = match (format, choice(*right)) {
            (Format::Words, _) => 0,
            (Format::Bytes { .. }, Integers::Nibbles) => 2,
            (Format::Bytes { .. }, _) => 1,
        };
        module.add(
            how,
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

pub(super) fn scores(shape: Heads, queries: &[f32], keys: &[f32], out: &mut [f32]) {
    let (quads, heads, count, stride) = shape.numbers();
    PROCESSOR.with(|processor| {
        let (module, _) = processor.as_ref().expect(LOADED);
        let (queries, keys, out) = (queries.as_ptr(), keys.as_ptr(), out.as_mut_ptr());
        module.scores(queries, keys, out, quads, heads, count, stride);
    });
}

pub(super) fn weigh(shape: Heads, weights: &[f32], values: &[f32], out: &mut [f32]) {
    let (quads, heads, count, stride) = shape.numbers();
    PROCESSOR.with(|processor| {
        let (module, _) = processor.as_ref().expect(LOADED);
        let (weights, values, out) = (weights.as_ptr(), values.as_ptr(), out.as_mut_ptr());
        module.weigh(weights, values, out, quads, heads, count, stride);
    });
}

/// There is nothing faster than plain SIMD.
pub(super) fn dots_of_words(_: &[[i16; BLOCK]], _: &[f32], _: Stored<'_>, _: &mut [f32]) -> bool {
    false
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
