// RMSNorm of the rows, x / sqrt(mean(x^2) + eps) * norm_weight [depth], as they pass: the root is known when the sums are.
@group(0) @binding(PROLOGUE) var<storage, read_write> norm_weight: array<vec4<f32>>;

fn norm(quad: u32) -> Norm {
    return Norm(norm_weight[quad], vec4<f32>(0.0));
}
fn prepare(x: vec4<f32>, norm: Norm) -> vec4<f32> {
    return x * norm.weight;
}
fn row_part(x: vec4<f32>) -> vec2<f32> {
    return vec2<f32>(dot(x, x), 0.0);
}
fn column_part(w: vec4<f32>, norm: Norm) -> vec2<f32> {
    return vec2<f32>(0.0);
}
fn settle(sum: f32, row: vec2<f32>, column: vec2<f32>) -> f32 {
    return sum * inverseSqrt(row.x / f32(params.depth) + params.eps);
}
