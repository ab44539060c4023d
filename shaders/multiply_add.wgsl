// out = x after STEPS times v -> v * factor + term, both [values]: what the arithmetic allows, which a bench holds other kernels
// against. One invocation sixteen values, so that no product waits for the one before.
struct Params {
    chunks: u32,
    factor: f32,
    term: f32,
}
@group(0) @binding(0) var<storage, read_write> x: array<mat4x4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<mat4x4<f32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = id.x * WORKGROUP + lane;
    if (index >= params.chunks) {
        return;
    }
    let factor = vec4<f32>(params.factor);
    let term = vec4<f32>(params.term);
    var v = x[index];
    for (var step = 0u; step < STEPS; step++) {
        v = mat4x4<f32>(
            fma(v[0], factor, term),
            fma(v[1], factor, term),
            fma(v[2], factor, term),
            fma(v[3], factor, term),
        );
    }
    out[index] = v;
}
