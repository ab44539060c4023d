// out = silu(gate) * up: x [rows, 2 * width], columns gate | up; out [rows, width]. One invocation an output.
struct Params {
    rows: u32,
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
    if (index >= params.rows * params.width) {
        return;
    }
    let at = index / params.width * 2u * params.width + index % params.width;
    let gate = x[at];
    out[index] = gate / (1.0 + exp(-gate)) * x[at + params.width];
}
