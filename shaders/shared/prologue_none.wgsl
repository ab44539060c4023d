// The rows as they are.
fn prepare(x: vec4<f32>, quad: u32) -> vec4<f32> {
    return x;
}
fn row_part(x: vec4<f32>) -> vec2<f32> {
    return vec2<f32>(0.0);
}
fn column_part(w: vec4<f32>, quad: u32) -> vec2<f32> {
    return vec2<f32>(0.0);
}
fn settle(sum: f32, row: vec2<f32>, column: vec2<f32>) -> f32 {
    return sum;
}
