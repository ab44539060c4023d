// Q8 weights: blocks of 32 along a row; byte j of word w is element 4w + j, signed; two f16 scales a word, in block order.
@group(0) @binding(WEIGHTS) var<storage, read_write> words: array<vec4<u32>>;
@group(0) @binding(WEIGHTS + 1u) var<storage, read_write> scales: array<u32>;

fn signed_bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u));
}

fn block_scale(row: u32, block: u32, depth: u32) -> f32 {
    let at = row * (depth / 32u) + block;
    return unpack2x16float(scales[at / 2u])[at % 2u];
}

// The integers of elements 16 * chunk .. 16 * chunk + 15 of `row`, signed bytes.
fn bytes16(row: u32, chunk: u32, depth: u32) -> vec4<u32> {
    return words[row * (depth / 16u) + chunk];
}

// These elements, four a column, in one read; depth is a multiple of 32.
fn weight16(row: u32, chunk: u32, depth: u32) -> mat4x4<f32> {
    let four = bytes16(row, chunk, depth);
    let scale = block_scale(row, chunk / 2u, depth);
    return scale * mat4x4<f32>(signed_bytes(four.x), signed_bytes(four.y), signed_bytes(four.z), signed_bytes(four.w));
}
