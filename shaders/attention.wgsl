// Full (bidirectional) attention of the vision encoder: qkv [tiles * length, 3 * heads * HEAD_DIM], columns q | k | v,
// each head-major; out [tiles * length, heads * HEAD_DIM]. Each tile attends to itself only.
// Grid: [length / BLOCK, heads, tiles].
struct Params {
    length: u32,
    heads: u32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

var<private> first_row: u32;

fn fused(row: u32, part: u32, head: u32, quad: u32) -> vec4<f32> {
    return qkv[(((first_row + row) * 3u + part) * params.heads + head) * QUADS + quad];
}
fn query(row: u32, head: u32, quad: u32) -> vec4<f32> {
    return fused(row, 0u, head, quad);
}
fn key(position: u32, head: u32, quad: u32) -> vec4<f32> {
    return fused(position, 1u, head, quad);
}
fn value(position: u32, head: u32, quad: u32) -> vec4<f32> {
    return fused(position, 2u, head, quad);
}
fn visible(row: u32) -> u32 {
    return params.length;
}
fn store(row: u32, head: u32, quad: u32, result: vec4<f32>) {
    out[((first_row + row) * params.heads + head) * QUADS + quad] = result;
}

@compute @workgroup_size(BLOCK)
fn main(@builtin(workgroup_id) block: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    first_row = block.z * params.length;
    attend(block.x * BLOCK + lane, block.y, lane, params.length, params.length);
}
