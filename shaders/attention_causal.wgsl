// Causal attention of the decoder's prefill: the queries are the first heads * HEAD_DIM columns of qkv
// [rows, (heads + 2 * kv_heads) * HEAD_DIM] (already rotated), row t at position start + t, which sees positions 0..=start + t
// of keys, values [kv_heads, context, HEAD_DIM] (shared/cells_*.wgsl); query heads share key heads in groups.
// out [rows, heads * HEAD_DIM].
// Grid: [rows / BLOCK, heads].
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    start: u32,
    context: u32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> keys: array<Four>;
@group(0) @binding(2) var<storage, read_write> values: array<Four>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

fn query(row: u32, head: u32, quad: u32) -> vec4<f32> {
    return qkv[(row * (params.heads + 2u * params.kv_heads) + head) * QUADS + quad];
}
fn cell(position: u32, head: u32, quad: u32) -> u32 {
    return (head / (params.heads / params.kv_heads) * params.context + position) * QUADS + quad;
}
fn key(position: u32, head: u32, quad: u32) -> vec4<f32> {
    return channels(keys[cell(position, head, quad)]);
}
fn value(position: u32, head: u32, quad: u32) -> vec4<f32> {
    return channels(values[cell(position, head, quad)]);
}
fn visible(row: u32) -> u32 {
    return params.start + row + 1u;
}
fn store(row: u32, head: u32, quad: u32, result: vec4<f32>) {
    out[(row * params.heads + head) * QUADS + quad] = result;
}

@compute @workgroup_size(BLOCK)
fn main(@builtin(workgroup_id) block: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let limit = params.start + min(params.rows, (block.x + 1u) * BLOCK);
    attend(block.x * BLOCK + lane, block.y, lane, params.rows, limit);
}
