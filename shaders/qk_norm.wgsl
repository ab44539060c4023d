// RMSNorm in place on a slice of the fused projection: qkv [rows, stride]; from column `offset`, `groups` slices of
// `width` are normalised, each on its own, with the same weight [width]. InternViT-6B: one slice as wide as the model;
// Qwen3: one slice a head. One workgroup a slice.
struct Params {
    rows: u32,
    stride: u32,
    offset: u32,
    groups: u32,
    width: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slice = flat_workgroup(id, count);
    if (slice >= params.rows * params.groups) {
        return;
    }
    let start = (slice / params.groups) * params.stride + params.offset + (slice % params.groups) * params.width;
    var squares = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        squares += qkv[start + i] * qkv[start + i];
    }
    let scale = inverseSqrt(reduce_sum(lane, squares) / f32(params.width) + params.eps);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        qkv[start + i] *= scale * weight[i];
    }
}
