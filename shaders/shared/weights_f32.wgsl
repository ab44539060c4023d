// Dense weights: f32, row-major [rows, depth]; `scales` holds the single factor 1.0.
@group(0) @binding(WEIGHTS) var<storage, read_write> words: array<vec4<f32>>;
@group(0) @binding(WEIGHTS + 1u) var<storage, read_write> scales: array<f32>;

// Elements 16 * chunk .. 16 * chunk + 15 of `row`, four a column, 0 beyond its end; depth is a multiple of 4.
fn weight16(row: u32, chunk: u32, depth: u32) -> mat4x4<f32> {
    let quads = depth / 4u;
    var sixteen: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        if (chunk * 4u + i < quads) {
            sixteen[i] = words[row * quads + chunk * 4u + i] * scales[0];
        }
    }
    return sixteen;
}
