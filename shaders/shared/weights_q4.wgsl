// Q4 weights: blocks of 32 along a row; nibble j of word w is element 8w + j, offset by 8; two f16 scales a word, in block order.
@group(0) @binding(WEIGHTS) var<storage, read_write> words: array<vec2<u32>>;
@group(0) @binding(WEIGHTS + 1u) var<storage, read_write> scales: array<u32>;

fn low_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u)) - 8.0;
}

fn block_scale(row: u32, block: u32, depth: u32) -> f32 {
    let at = row * (depth / 32u) + block;
    return unpack2x16float(scales[at / 2u])[at % 2u];
}

// The integers of elements 16 * chunk .. 16 * chunk + 15 of `row`, signed bytes.
fn bytes16(row: u32, chunk: u32, depth: u32) -> vec4<u32> {
    let two = words[row * (depth / 16u) + chunk];
    let low = vec4<u32>(two.x, two.x >> 16u, two.y, two.y >> 16u) & vec4<u32>(0xffffu);
    let twos = (low | (low << vec4<u32>(8u))) & vec4<u32>(0x00ff00ffu);
    let ones = (twos | (twos << vec4<u32>(4u))) & vec4<u32>(0x0f0f0f0fu);
    // 8 less in each byte, none borrowing from the next.
    return ((ones | vec4<u32>(0x80808080u)) - vec4<u32>(0x08080808u)) ^ vec4<u32>(0x80808080u);
}

// These elements, four a column, in one read; depth is a multiple of 32.
fn weight16(row: u32, chunk: u32, depth: u32) -> mat4x4<f32> {
    let two = words[row * (depth / 16u) + chunk];
    let scale = block_scale(row, chunk / 2u, depth);
    return scale * mat4x4<f32>(low_nibbles(two.x), low_nibbles(two.x >> 16u), low_nibbles(two.y), low_nibbles(two.y >> 16u));
}
