// residual [rows, width] + layer_scale [width] * (. + bias [width]).
@group(0) @binding(EPILOGUE) var<storage, read_write> bias: array<f32>;
@group(0) @binding(EPILOGUE + 1u) var<storage, read_write> layer_scale: array<f32>;
@group(0) @binding(EPILOGUE + 2u) var<storage, read_write> residual: array<f32>;

fn finish(row: u32, col: u32, sum: f32) -> f32 {
    return residual[row * params.width + col] + layer_scale[col] * (sum + bias[col]);
}
