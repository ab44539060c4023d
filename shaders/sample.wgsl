// Chooses the next token: logits [vocabulary] -> out [1]. In the order of transformers' processors: repetition penalty on
// the ids of seen [seen_count], temperature, top_k, top_p, then one draw with `draw` in [0, 1). top_k = 1 is greedy. Where
// `restricted` is 1, only ids whose bit of allowed [vocabulary / 32] is set are candidates, one at least.
// Candidates are found one by one, each the largest below the one before it (ties: lowest id first), so nothing is sorted
// and only the id leaves the GPU. One workgroup.
struct Params {
    vocabulary: u32,
    seen_count: u32,
    top_k: u32,
    temperature: f32,
    top_p: f32,
    penalty: f32,
    draw: f32,
    restricted: u32,
}
@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> seen: array<u32>;
@group(0) @binding(2) var<storage, read_write> allowed: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

var<workgroup> lane_value: array<f32, WORKGROUP>;
var<workgroup> lane_id: array<u32, WORKGROUP>;
var<workgroup> kept_value: array<f32, MAX_TOP_K>;
var<workgroup> kept_id: array<u32, MAX_TOP_K>;

// True where (value, id) comes before (other, other_id): larger value first, lower id on ties.
fn before(value: f32, id: u32, other: f32, other_id: u32) -> bool {
    return value > other || (value == other && id < other_id);
}

fn may_come(id: u32) -> bool {
    return params.restricted == 0u || ((allowed[id / 32u] >> (id % 32u)) & 1u) == 1u;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < params.seen_count; i += WORKGROUP) {
        let value = logits[seen[i]];
        logits[seen[i]] = select(value * params.penalty, value / params.penalty, value > 0.0);
    }
    storageBarrier();
    for (var k = 0u; k < params.top_k; k++) {
        var value = -3.4e38;
        var id = 0xffffffffu;
        for (var i = lane; i < params.vocabulary; i += WORKGROUP) {
            let open = k == 0u || before(kept_value[max(k, 1u) - 1u], kept_id[max(k, 1u) - 1u], logits[i], i);
            if (open && before(logits[i], i, value, id) && may_come(i)) {
                value = logits[i];
                id = i;
            }
        }
        lane_value[lane] = value;
        lane_id[lane] = id;
        workgroupBarrier();
        for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
            if (lane < stride && before(lane_value[lane + stride], lane_id[lane + stride], lane_value[lane], lane_id[lane])) {
                lane_value[lane] = lane_value[lane + stride];
                lane_id[lane] = lane_id[lane + stride];
            }
            workgroupBarrier();
        }
        if (lane == 0u) {
            kept_value[k] = lane_value[0];
            kept_id[k] = lane_id[0];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        var total = 0.0;
        for (var k = 0u; k < params.top_k; k++) {
            total += exp((kept_value[k] - kept_value[0]) / params.temperature);
        }
        // The smallest set of best tokens whose probability reaches top_p.
        var kept = 0u;
        var mass = 0.0;
        while (kept < params.top_k && (kept == 0u || mass < params.top_p * total)) {
            mass += exp((kept_value[kept] - kept_value[0]) / params.temperature);
            kept++;
        }
        var rest = params.draw * mass;
        var chosen = kept - 1u;
        for (var k = 0u; k < kept; k++) {
            rest -= exp((kept_value[k] - kept_value[0]) / params.temperature);
            if (rest < 0.0) {
                chosen = k;
                break;
            }
        }
        out[0] = kept_id[chosen];
    }
}
