// Attention of one new token: the query is the first heads * HEAD_DIM columns of qkv [1, (heads + 2 * kv_heads) * HEAD_DIM]
// (already rotated); keys, values [kv_heads, context, HEAD_DIM] hold `length` positions; out [1, heads * HEAD_DIM].
// Why beside attention_causal: one row cannot fill a block of queries, so here the lanes share out the keys, each with an
// online softmax of its own, and the partial results are merged at the end. Grid: heads.
struct Params {
    heads: u32,
    kv_heads: u32,
    length: u32,
    context: u32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> keys: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

var<workgroup> tops: array<f32, BLOCK>;
var<workgroup> totals: array<f32, BLOCK>;
var<workgroup> sums: array<f32, BLOCK * HEAD_DIM>;

@compute @workgroup_size(BLOCK)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = id.x;
    let base = head / (params.heads / params.kv_heads) * params.context * HEAD_DIM;
    let scale = inverseSqrt(f32(HEAD_DIM));
    var q: array<f32, HEAD_DIM>;
    var sum: array<f32, HEAD_DIM>;
    for (var d = 0u; d < HEAD_DIM; d++) {
        q[d] = qkv[head * HEAD_DIM + d] * scale;
        sum[d] = 0.0;
    }
    var best = -3.0e38;
    var total = 0.0;
    for (var position = lane; position < params.length; position += BLOCK) {
        let at = base + position * HEAD_DIM;
        var score = 0.0;
        for (var d = 0u; d < HEAD_DIM; d++) {
            score += q[d] * keys[at + d];
        }
        let top = max(best, score);
        let keep = exp(best - top);
        let share = exp(score - top);
        total = total * keep + share;
        for (var d = 0u; d < HEAD_DIM; d++) {
            sum[d] = sum[d] * keep + share * values[at + d];
        }
        best = top;
    }
    tops[lane] = best;
    totals[lane] = total;
    for (var d = 0u; d < HEAD_DIM; d++) {
        sums[lane * HEAD_DIM + d] = sum[d];
    }
    workgroupBarrier();
    var top = tops[0];
    for (var i = 1u; i < BLOCK; i++) {
        top = max(top, tops[i]);
    }
    var whole = 0.0;
    for (var i = 0u; i < BLOCK; i++) {
        whole += totals[i] * exp(tops[i] - top);
    }
    for (var d = lane; d < HEAD_DIM; d += BLOCK) {
        var merged = 0.0;
        for (var i = 0u; i < BLOCK; i++) {
            merged += sums[i * HEAD_DIM + d] * exp(tops[i] - top);
        }
        out[head * HEAD_DIM + d] = merged / whole;
    }
}
