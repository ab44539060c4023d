// RMSNorm in place on the queries and on the keys of a fused projection, each as wide as the model (InternViT-6B):
// qkv [rows, 3 * width], columns q | k | v; q_weight, k_weight [width]. Workgroup 2t normalises the queries of row t, 2t + 1
// its keys.
struct Params {
    rows: u32,
    width: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> q_weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> k_weight: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slice = flat_workgroup(id, count);
    if (slice >= params.rows * 2u) {
        return;
    }
    let keys = slice % 2u == 1u;
    let start = (slice / 2u * 3u + slice % 2u) * params.width;
    var squares = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        squares += qkv[start + i] * qkv[start + i];
    }
    let scale = inverseSqrt(reduce_sum(lane, squares) / f32(params.width) + params.eps);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        qkv[start + i] *= scale * select(q_weight[i], k_weight[i], keys);
    }
}
