// Dense weights: one f32 a word, row-major [rows, depth]; `scales` holds the single factor 1.0.
@group(0) @binding(WEIGHTS) var<storage, read_write> words: array<u32>;
@group(0) @binding(WEIGHTS + 1u) var<storage, read_write> scales: array<u32>;

// Elements 4 * quad .. 4 * quad + 3 of `row`; depth is a multiple of 4.
fn weight4(row: u32, quad: u32, depth: u32) -> vec4<f32> {
    let at = row * depth + quad * 4u;
    return bitcast<vec4<f32>>(vec4<u32>(words[at], words[at + 1u], words[at + 2u], words[at + 3u])) * bitcast<f32>(scales[0]);
}
