// Brings the parts of attention_decode together: parts [heads, splits, HEAD_DIM] weighed with marks [heads, splits], each part's
// largest score and its total of exponentials below that; out [heads, HEAD_DIM]. One invocation an output.
struct Params {
    heads: u32,
    splits: u32,
}
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> marks: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let index = id.x * WORKGROUP + lane;
    if (index >= params.heads * HEAD_DIM) {
        return;
    }
    let first = index / HEAD_DIM * params.splits;
    var top = marks[first].x;
    for (var i = 1u; i < params.splits; i++) {
        top = max(top, marks[first + i].x);
    }
    var total = 0.0;
    var sum = 0.0;
    for (var i = 0u; i < params.splits; i++) {
        let weight = marks[first + i].y * exp(marks[first + i].x - top);
        total += weight;
        sum += weight * parts[(first + i) * HEAD_DIM + index % HEAD_DIM];
    }
    out[index] = sum / total;
}
