// The decoder's input: out [rows, width]. sources[t] below VISUAL is a token id: its row of the embedding table
// [vocabulary, width] (f32, q8 or q4); otherwise sources[t] - VISUAL is a row of visual [visual tokens, width].
// One invocation four columns.
struct Params {
    rows: u32,
    width: u32,
}
@group(0) @binding(0) var<storage, read_write> sources: array<u32>;
@group(0) @binding(1) var<storage, read_write> visual: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    let quads = params.width / 4u;
    if (index >= params.rows * quads) {
        return;
    }
    let source = sources[index / quads];
    let quad = index % quads;
    var four: vec4<f32>;
    if (source < VISUAL) {
        four = weight4(source, quad, params.width);
    } else {
        let at = (source - VISUAL) * params.width + quad * 4u;
        four = vec4<f32>(visual[at], visual[at + 1u], visual[at + 2u], visual[at + 3u]);
    }
    for (var i = 0u; i < 4u; i++) {
        out[index * 4u + i] = four[i];
    }
}
