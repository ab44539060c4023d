// Pixels to rows for the patch embedding: tiles of pixels [n, 3, side, side] from the `first` on -> out
// [tiles * patches^2, 3 * PATCH * PATCH], patches row-major, columns channel-major as the convolution's weight. One invocation
// an output.
struct Params {
    count: u32,
    side: u32,
    first: u32,
}
@group(0) @binding(0) var<storage, read_write> pixels: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    if (index >= params.count) {
        return;
    }
    let across = params.side / PATCH;
    let x = index % PATCH;
    let y = index / PATCH % PATCH;
    let channel = index / (PATCH * PATCH) % 3u;
    let patch_index = index / (3u * PATCH * PATCH);
    let patch_x = patch_index % across;
    let patch_y = patch_index / across % across;
    let tile = params.first + patch_index / (across * across);
    out[index] = pixels[((tile * 3u + channel) * params.side + patch_y * PATCH + y) * params.side + patch_x * PATCH + x];
}
