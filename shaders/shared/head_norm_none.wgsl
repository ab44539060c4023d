// Heads that are rotated as they are.
fn head_scale(lane: u32, squares: f32) -> f32 {
    return 1.0;
}
fn head_weight(is_key: bool, d: u32) -> f32 {
    return 1.0;
}
