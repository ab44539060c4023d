// The rows as they are.
fn norm(quad: u32) -> Norm {
    return Norm();
}
fn prepare(x: vec4<f32>, norm: Norm) -> vec4<f32> {
    return x;
}
fn row_part(x: vec4<f32>) -> vec2<f32> {
    return vec2<f32>(0.0);
}
fn column_part(w: vec4<f32>, norm: Norm) -> vec2<f32> {
    return vec2<f32>(0.0);
}
fn settle(sum: f32, row: vec2<f32>, column: vec2<f32>) -> f32 {
    return sum;
}
