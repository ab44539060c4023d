// A tile's columns are the block's own; sums of two of them, PAIR apart, are finished and written.
fn column(t: u32) -> u32 {
    return t;
}
fn write(row: u32, t: u32, first: f32, second: f32) {
    let col = params.start + t;
    if (row < params.rows && t < params.cols) {
        out[row * params.width + col] = finish(row, col, first);
    }
    if (row < params.rows && t + PAIR < params.cols) {
        out[row * params.width + col + PAIR] = finish(row, col + PAIR, second);
    }
}
