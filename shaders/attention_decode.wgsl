// Attention of one new token: the query is the first heads * HEAD_DIM columns of qkv [1, (heads + 2 * kv_heads) * HEAD_DIM]
// (already rotated); keys, values [kv_heads, context, HEAD_DIM] (shared/cells_*.wgsl) hold `length` positions, cut into
// `splits` parts of `part`.
// out [heads, splits, HEAD_DIM]: each part's own attention; marks [heads, splits]: its largest score and its total, which
// attention_merge weighs the parts with. With one part, out is the answer.
// Why beside attention_causal: one row cannot fill a block of queries, so here the lanes first share out BLOCK keys, then the
// channels of their values. Grid: [heads, splits].
struct Params {
    heads: u32,
    kv_heads: u32,
    length: u32,
    context: u32,
    part: u32,
}
@group(0) @binding(0) var<storage, read_write> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> keys: array<Four>;
@group(0) @binding(2) var<storage, read_write> values: array<Four>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> marks: array<vec2<f32>>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

const QUADS = HEAD_DIM / 4u;
// Lanes that share a quad of channels: every SLICES-th key each.
const SLICES = BLOCK / QUADS;
const LOWEST = -3.0e38;

var<workgroup> query: array<vec4<f32>, QUADS>;
var<workgroup> scores: array<f32, BLOCK>;
var<workgroup> sums: array<vec4<f32>, SLICES * QUADS>;

@compute @workgroup_size(BLOCK)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let head = id.x;
    let base = head / (params.heads / params.kv_heads) * params.context * QUADS;
    let end = min(params.length, (id.y + 1u) * params.part);
    let quad = lane % QUADS;
    let slice = lane / QUADS;
    for (var d = lane; d < QUADS; d += BLOCK) {
        query[d] = qkv[head * QUADS + d] * inverseSqrt(f32(HEAD_DIM));
    }
    var best = LOWEST;
    var total = 0.0;
    var sum = vec4<f32>(0.0);
    for (var start = id.y * params.part; start < end; start += BLOCK) {
        workgroupBarrier();
        var score = LOWEST;
        if (start + lane < end) {
            score = 0.0;
            for (var d = 0u; d < QUADS; d++) {
                score += dot(query[d], channels(keys[base + (start + lane) * QUADS + d]));
            }
        }
        scores[lane] = score;
        workgroupBarrier();
        var top = best;
        for (var i = 0u; i < BLOCK; i++) {
            top = max(top, scores[i]);
        }
        let keep = exp(best - top);
        total *= keep;
        sum *= keep;
        let here = min(BLOCK, end - start);
        for (var i = slice; i < here && slice < SLICES; i += SLICES) {
            let share = exp(scores[i] - top);
            total += share;
            sum += share * channels(values[base + (start + i) * QUADS + quad]);
        }
        best = top;
    }
    // The slices of a quad, and of the total, come together in lane order.
    workgroupBarrier();
    scores[lane] = total;
    if (slice < SLICES) {
        sums[lane] = sum;
    }
    workgroupBarrier();
    if (lane < QUADS) {
        var whole = 0.0;
        var merged = vec4<f32>(0.0);
        for (var i = 0u; i < SLICES; i++) {
            whole += scores[i * QUADS + lane];
            merged += sums[i * QUADS + lane];
        }
        out[(head * count.y + id.y) * QUADS + lane] = merged / whole;
        if (lane == 0u) {
            marks[head * count.y + id.y] = vec2<f32>(best, whole);
        }
    }
}
