// silu(gate) * up: the block's columns are gate | up [cols], cols / 2 of out are made. In a tile, PAIR columns of gate
// stand before the same PAIR of up, so that both sums of an output meet.
fn gate(t: u32) -> u32 {
    return t / (2u * PAIR) * PAIR + t % PAIR;
}
fn column(t: u32) -> u32 {
    let half = params.cols / 2u;
    return select(gate(t) + t / PAIR % 2u * half, params.cols, gate(t) >= half);
}
fn write(row: u32, t: u32, first: f32, second: f32) {
    if (row < params.rows && gate(t) < params.cols / 2u) {
        out[row * params.width + params.start + gate(t)] = first / (1.0 + exp(-first)) * second;
    }
}
