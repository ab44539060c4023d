// out = (x - mean) / sqrt(variance + eps) * weight + bias over each row: x, out [rows, width], weight, bias [width].
// Two passes over the row (mean, then squared deviations), f32: no cancellation. One workgroup a row.
struct Params {
    rows: u32,
    width: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
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
    var sum = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        sum += x[start + i];
    }
    let mean = reduce_sum(lane, sum) / f32(params.width);
    var squares = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        let d = x[start + i] - mean;
        squares += d * d;
    }
    let scale = inverseSqrt(reduce_sum(lane, squares) / f32(params.width) + params.eps);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        out[start + i] = (x[start + i] - mean) * scale * weight[i] + bias[i];
    }
}
