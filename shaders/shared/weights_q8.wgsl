// Q8 weights: blocks of 32 along a row; byte j of word w is element 4w + j, signed; two f16 scales a word, in block order.
@group(0) @binding(WEIGHTS) var<storage, read_write> words: array<u32>;
@group(0) @binding(WEIGHTS + 1u) var<storage, read_write> scales: array<u32>;

// Elements 4 * quad .. 4 * quad + 3 of `row`; depth is a multiple of 32.
fn weight4(row: u32, quad: u32, depth: u32) -> vec4<f32> {
    let at = row * (depth / 4u) + quad;
    let word = bitcast<i32>(words[at]);
    let block = at / 8u;
    let scale = unpack2x16float(scales[block / 2u])[block % 2u];
    return scale * vec4<f32>(vec4<i32>(word << 24u, word << 16u, word << 8u, word) >> vec4<u32>(24u));
}
