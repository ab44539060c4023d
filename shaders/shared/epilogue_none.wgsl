// The product as it is.
fn finish(row: u32, col: u32, sum: f32) -> f32 {
    return sum;
}
