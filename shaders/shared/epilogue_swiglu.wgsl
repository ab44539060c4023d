// silu(gate) * up: the product's columns are gate | up [cols], out is [rows, cols / 2]. In a tile, PAIR columns of gate
// stand before the same PAIR of up, so that both sums of an output meet.
fn gate(t: u32) -> u32 {
    return t / (2u * PAIR) * PAIR + t % PAIR;
}
fn column(t: u32) -> u32 {
    let width = params.cols / 2u;
    return select(gate(t) + t / PAIR % 2u * width, params.cols, gate(t) >= width);
}
fn write(row: u32, t: u32, first: f32, second: f32) {
    let width = params.cols / 2u;
    if (row < params.rows && gate(t) < width) {
        out[row * width + gate(t)] = first / (1.0 + exp(-first)) * second;
    }
}
