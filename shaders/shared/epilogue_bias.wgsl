// + bias [width].
@group(0) @binding(EPILOGUE) var<storage, read_write> bias: array<f32>;

fn finish(row: u32, col: u32, sum: f32) -> f32 {
    return sum + bias[col];
}
