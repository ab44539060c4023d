// + residual [rows, width].
@group(0) @binding(EPILOGUE) var<storage, read_write> residual: array<f32>;

fn finish(row: u32, col: u32, sum: f32) -> f32 {
    return residual[row * params.width + col] + sum;
}
