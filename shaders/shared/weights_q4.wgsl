// Q4 weights: blocks of 32 along a row; nibble j of word w is element 8w + j, offset by 8; two f16 scales a word, in block order.
@group(0) @binding(WEIGHTS) var<storage, read_write> words: array<vec2<u32>>;
@group(0) @binding(WEIGHTS + 1u) var<storage, read_write> scales: array<u32>;

fn low_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u)) - 8.0;
}

// Elements 16 * chunk .. 16 * chunk + 15 of `row`, four a column, in one read; depth is a multiple of 32.
fn weight16(row: u32, chunk: u32, depth: u32) -> mat4x4<f32> {
    let at = row * (depth / 16u) + chunk;
    let two = words[at];
    let block = at / 2u;
    let scale = unpack2x16float(scales[block / 2u])[block % 2u];
    return scale * mat4x4<f32>(low_nibbles(two.x), low_nibbles(two.x >> 16u), low_nibbles(two.y), low_nibbles(two.y >> 16u));
}
