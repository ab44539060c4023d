// out = x, both [quads]: what the memory allows, which a bench holds other kernels against. One invocation four values.
struct Params {
    quads: u32,
}
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    if (index < params.quads) {
        out[index] = x[index];
    }
}
