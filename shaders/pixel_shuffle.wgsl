// Space to depth by 2: x [tiles * (1 + side^2), width], class token first -> out [tiles * (side / 2)^2, 4 * width].
// Block (i, j) concatenates its patches (2i, 2j), (2i, 2j + 1), (2i + 1, 2j), (2i + 1, 2j + 1); the class token is dropped.
// TRANSPOSED = 0: block (i, j) is token i * side / 2 + j (ps_version v2); 1: token j * side / 2 + i (v1).
struct Params {
    tiles: u32,
    side: u32,
    width: u32,
}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    let blocks = params.side / 2u;
    if (index >= params.tiles * blocks * blocks * 4u * params.width) {
        return;
    }
    let column = index % params.width;
    let corner = index / params.width % 4u;
    let token = index / (4u * params.width) % (blocks * blocks);
    let tile = index / (4u * params.width * blocks * blocks);
    var block = vec2<u32>(token / blocks, token % blocks);
    if (TRANSPOSED == 1u) {
        block = block.yx;
    }
    let y = block.x * 2u + corner / 2u;
    let x_patch = block.y * 2u + corner % 2u;
    let row = tile * (params.side * params.side + 1u) + 1u + y * params.side + x_patch;
    out[index] = x[row * params.width + column];
}
