// LayerNorm of the rows, (x - mean) / sqrt(variance + eps) * norm_weight [depth] + norm_bias [depth], as they pass:
// its product with a column w is (x . (norm_weight w) - mean sum(norm_weight w)) / sqrt(..) + norm_bias . w.
// One pass: about (mean / deviation)^2 times the rounding of f32 is lost in the variance, nothing for a transformer's rows.
@group(0) @binding(PROLOGUE) var<storage, read_write> norm_weight: array<vec4<f32>>;
@group(0) @binding(PROLOGUE + 1u) var<storage, read_write> norm_bias: array<vec4<f32>>;

fn norm(quad: u32) -> Norm {
    return Norm(norm_weight[quad], norm_bias[quad]);
}
fn prepare(x: vec4<f32>, norm: Norm) -> vec4<f32> {
    return x * norm.weight;
}
fn row_part(x: vec4<f32>) -> vec2<f32> {
    return vec2<f32>(dot(x, x), dot(x, vec4<f32>(1.0)));
}
fn column_part(w: vec4<f32>, norm: Norm) -> vec2<f32> {
    return vec2<f32>(dot(w, norm.weight), dot(w, norm.bias));
}
fn settle(sum: f32, row: vec2<f32>, column: vec2<f32>) -> f32 {
    let mean = row.y / f32(params.depth);
    let variance = max(row.x / f32(params.depth) - mean * mean, 0.0);
    return (sum - mean * column.x) * inverseSqrt(variance + params.eps) + column.y;
}
