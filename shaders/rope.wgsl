// Rotary positions (rotate-half) on the fused projection, and the append to the KV cache.
// qkv [rows, (heads + 2 * kv_heads) * HEAD_DIM], columns q | k | v; row t stands at position start + t.
// The query part is rotated in place; the rotated keys and the values go to keys, values [kv_heads, context, HEAD_DIM].
// angles [context, HEAD_DIM / 2, 2] holds (cos, sin). One invocation a pair (d, d + HEAD_DIM / 2) of a head.
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    start: u32,
    context: u32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> angles: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> keys: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    const HALF = HEAD_DIM / 2u;
    let slots = params.heads + 2u * params.kv_heads;
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    if (index >= params.rows * slots * HALF) {
        return;
    }
    let d = index % HALF;
    let slot = (index / HALF) % slots;
    let row = index / (HALF * slots);
    let position = params.start + row;
    let at = (row * slots + slot) * HEAD_DIM + d;
    let pair = vec2<f32>(qkv[at], qkv[at + HALF]);
    let angle = angles[position * HALF + d];
    let rotated = vec2<f32>(pair.x * angle.x - pair.y * angle.y, pair.y * angle.x + pair.x * angle.y);
    if (slot < params.heads) {
        qkv[at] = rotated.x;
        qkv[at + HALF] = rotated.y;
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
