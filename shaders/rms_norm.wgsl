// out = x / sqrt(mean(x^2) + eps) * weight over each row: x, out [rows, width], weight [width]. One workgroup a row.
struct Params {
    rows: u32,
    width: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_workgroup(id, count);
    if (row >= params.rows) {
        return;
    }
    let start = row * params.width;
    var squares = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        squares += x[start + i] * x[start + i];
    }
    let scale = inverseSqrt(reduce_sum(lane, squares) / f32(params.width) + params.eps);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        out[start + i] = x[start + i] * scale * weight[i];
    }
}
