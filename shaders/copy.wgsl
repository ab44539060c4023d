// out[begin + i] = x[start + i] for `quads` quads i. One invocation a quad, four words of any type.
struct Params {
    quads: u32,
    start: u32,
    begin: u32,
}
@group(0) @binding(0) var<storage, read_write> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    if (index < params.quads) {
        out[params.begin + index] = x[params.start + index];
    }
}
