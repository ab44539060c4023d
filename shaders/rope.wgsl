// Rotary positions (rotate-half) on the fused projection, and the append to the KV cache.
// qkv [rows, (heads + 2 * kv_heads) * HEAD_DIM], columns q | k | v; row t stands at position start + t.
// The query part is rotated in place; the rotated keys and the values go to keys, values [kv_heads, context, HEAD_DIM]
// (shared/cells_*.wgsl), two channels at a time.
// angles [context, HEAD_DIM / 2, 2] holds (cos, sin). shared/head_norm*.wgsl say whether heads are normalised before.
// One workgroup a head of a row, its lanes the pairs (d, d + HEAD_DIM / 2), two at a time; HEAD_DIM is a multiple of 4.
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
@group(0) @binding(2) var<storage, read_write> keys: array<Two>;
@group(0) @binding(3) var<storage, read_write> values: array<Two>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

const HALF = HEAD_DIM / 2u;

fn cell(head: u32, position: u32, d: u32) -> u32 {
    return ((head * params.context + position) * HEAD_DIM + d) / 2u;
}

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
    // A lane reads and writes its own pairs only, so that in place is safe: two neighbours, which share a cell of the cache.
    var squares = 0.0;
    for (var d = 2u * lane; d < HALF; d += 2u * WORKGROUP) {
        let low = vec2<f32>(qkv[at + d], qkv[at + d + 1u]);
        let high = vec2<f32>(qkv[at + d + HALF], qkv[at + d + HALF + 1u]);
        squares += dot(low, low) + dot(high, high);
    }
    let scale = head_scale(lane, squares);
    let is_key = slot >= params.heads;
    for (var d = 2u * lane; d < HALF; d += 2u * WORKGROUP) {
        let low = vec2<f32>(qkv[at + d], qkv[at + d + 1u]);
        let high = vec2<f32>(qkv[at + d + HALF], qkv[at + d + HALF + 1u]);
        let a = low * scale * vec2<f32>(head_weight(is_key, d), head_weight(is_key, d + 1u));
        let b = high * scale * vec2<f32>(head_weight(is_key, d + HALF), head_weight(is_key, d + HALF + 1u));
        let first = angles[position * HALF + d];
        let second = angles[position * HALF + d + 1u];
        let cos = vec2<f32>(first.x, second.x);
        let sin = vec2<f32>(first.y, second.y);
        let turned_low = a * cos - b * sin;
        let turned_high = b * cos + a * sin;
        if (slot < params.heads) {
            qkv[at + d] = turned_low.x;
            qkv[at + d + 1u] = turned_low.y;
            qkv[at + d + HALF] = turned_high.x;
            qkv[at + d + HALF + 1u] = turned_high.y;
        } else if (slot < params.heads + params.kv_heads) {
            let word = cell(slot - params.heads, position, d);
            keys[word] = cell_of(turned_low);
            keys[word + HALF / 2u] = cell_of(turned_high);
        } else {
            let word = cell(slot - params.heads - params.kv_heads, position, d);
            values[word] = cell_of(low);
            values[word + HALF / 2u] = cell_of(high);
        }
    }
}
