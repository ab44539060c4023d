// A tile's columns are the product's own; sums of two of them, PAIR apart, are finished and written.
fn column(t: u32) -> u32 {
    return t;
}
fn write(row: u32, t: u32, first: f32, second: f32) {
    if (row < params.rows && t < params.cols) {
        out[row * params.cols + t] = finish(row, t, first);
    }
    if (row < params.rows && t + PAIR < params.cols) {
        out[row * params.cols + t + PAIR] = finish(row, t + PAIR, second);
    }
}
