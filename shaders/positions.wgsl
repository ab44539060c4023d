// The encoder's input: patches [tiles * count, width], class_embedding [width], positions [1 + count, width] ->
// out [tiles * (1 + count), width] = [class, patches] + positions, the class token first. One invocation an output.
struct Params {
    tiles: u32,
    count: u32,
    width: u32,
}
@group(0) @binding(0) var<storage, read_write> patches: array<f32>;
@group(0) @binding(1) var<storage, read_write> class_embedding: array<f32>;
@group(0) @binding(2) var<storage, read_write> positions: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    let length = params.count + 1u;
    if (index >= params.tiles * length * params.width) {
        return;
    }
    let column = index % params.width;
    let position = index / params.width % length;
    let tile = index / (params.width * length);
    var value = class_embedding[column];
    if (position > 0u) {
        value = patches[(tile * params.count + position - 1u) * params.width + column];
    }
    out[index] = value + positions[position * params.width + column];
}
