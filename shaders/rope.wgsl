// Rotary positions (rotate-half) on the fused projection, and the append to the KV cache.
// qkv [rows, (heads + 2 * kv_heads) * HEAD_DIM], columns q | k | v; row t stands at position start + t.
// The query part is rotated in place; the rotated keys and the values go to keys, values [kv_heads, context, HEAD_DIM].
// angles [context, HEAD_DIM / 2, 2] holds (cos, sin). shared/head_norm*.wgsl say whether heads are normalised before.
// One workgroup a head of a row, its lanes the pairs (d, d + HEAD_DIM / 2).
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    start: u32,
    context: u32,
    eps: f32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> angles: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> keys: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

const HALF = HEAD_DIM / 2u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slots = params.heads + 2u * params.kv_heads;
    let index = flat_workgroup(id, count);
    if (index >= params.rows * slots) {
        return;
    }
    let slot = index % slots;
    let position = params.start + index / slots;
    let at = index * HEAD_DIM;
    // A lane reads and writes its own pairs only, so that in place is safe.
    var squares = 0.0;
    for (var d = lane; d < HALF; d += WORKGROUP) {
        squares += qkv[at + d] * qkv[at + d] + qkv[at + d + HALF] * qkv[at + d + HALF];
    }
    let scale = head_scale(lane, squares);
    let is_key = slot >= params.heads;
    for (var d = lane; d < HALF; d += WORKGROUP) {
        let pair = vec2<f32>(qkv[at + d], qkv[at + d + HALF]);
        let normed = pair * scale * vec2<f32>(head_weight(is_key, d), head_weight(is_key, d + HALF));
        let angle = angles[position * HALF + d];
        let rotated = vec2<f32>(normed.x * angle.x - normed.y * angle.y, normed.y * angle.x + normed.x * angle.y);
        if (slot < params.heads) {
            qkv[at + d] = rotated.x;
            qkv[at + d + HALF] = rotated.y;
        } else if (slot < params.heads + params.kv_heads) {
            let cell = ((slot - params.heads) * params.context + position) * HEAD_DIM + d;
            keys[cell] = rotated.x;
            keys[cell + HALF] = rotated.y;
        } else {
            let cell = ((slot - params.heads - params.kv_heads) * params.context + position) * HEAD_DIM + d;
            values[cell] = pair.x;
            values[cell + HALF] = pair.y;
        }
    }
}
