// The decoder's input: out [rows, width]. sources[t] below VISUAL is a row of the embedding table [vocabulary, width] (f32,
// q8 or q4), of which rows `first` and on are here, `block` of them; otherwise sources[t] - VISUAL is a row of visual
// [visual tokens, width]. Rows of other blocks stay as they are. One invocation sixteen columns.
struct Params {
    rows: u32,
    width: u32,
    first: u32,
    block: u32,
}
@group(0) @binding(0) var<storage, read_write> sources: array<u32>;
@group(0) @binding(1) var<storage, read_write> visual: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    let chunks = (params.width + 15u) / 16u;
    if (index >= params.rows * chunks) {
        return;
    }
    let row = index / chunks;
    let chunk = index % chunks;
    let quads = params.width / 4u;
    let count_here = min(4u, quads - chunk * 4u);
    let source = sources[row];
    if (source < VISUAL) {
        if (source >= params.first && source - params.first < params.block) {
            let sixteen = weight16(source - params.first, chunk, params.width);
            for (var i = 0u; i < count_here; i++) {
                out[row * quads + chunk * 4u + i] = sixteen[i];
            }
        }
    } else {
        for (var i = 0u; i < count_here; i++) {
            out[row * quads + chunk * 4u + i] = visual[(source - VISUAL) * quads + chunk * 4u + i];
        }
    }
}
