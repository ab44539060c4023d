// Flash attention over one head: BLOCK queries a workgroup, one a lane; keys and values pass through workgroup memory
// CHUNK at a time, four of them at a step; the softmax is kept online (running maximum and total, f32), so no T x T matrix
// exists. The including shader gives query(row, head, quad), key(position, head, quad), value(position, head, quad): four
// channels each; visible(row) = how many keys the row sees; store(row, head, quad, value). `rows` and `limit` (keys any row
// of the block sees) are uniform.
const QUADS = HEAD_DIM / 4u;
const LOWEST = -3.0e38;

var<workgroup> key_chunk: array<vec4<f32>, CHUNK * QUADS>;
var<workgroup> value_chunk: array<vec4<f32>, CHUNK * QUADS>;

fn attend(row: u32, head: u32, lane: u32, rows: u32, limit: u32) {
    let scale = inverseSqrt(f32(HEAD_DIM));
    var q: array<vec4<f32>, QUADS>;
    var sum: array<vec4<f32>, QUADS>;
    let live = row < rows;
    for (var d = 0u; d < QUADS; d++) {
        q[d] = vec4<f32>(0.0);
        sum[d] = vec4<f32>(0.0);
        if (live) {
            q[d] = query(row, head, d) * scale;
        }
    }
    var best = LOWEST;
    var total = 0.0;
    let seen = select(0u, visible(row), live);
    for (var start = 0u; start < limit; start += CHUNK) {
        workgroupBarrier();
        for (var i = lane; i < CHUNK * QUADS; i += BLOCK) {
            let position = start + i / QUADS;
            key_chunk[i] = vec4<f32>(0.0);
            value_chunk[i] = vec4<f32>(0.0);
            if (position < limit) {
                key_chunk[i] = key(position, head, i % QUADS);
                value_chunk[i] = value(position, head, i % QUADS);
            }
        }
        workgroupBarrier();
        let here = min(CHUNK, max(seen, start) - start);
        for (var j = 0u; j < here; j += 4u) {
            let at = j * QUADS;
            var scores = vec4<f32>(0.0);
            for (var d = 0u; d < QUADS; d++) {
                scores += vec4<f32>(
                    dot(q[d], key_chunk[at + d]),
                    dot(q[d], key_chunk[at + QUADS + d]),
                    dot(q[d], key_chunk[at + 2u * QUADS + d]),
                    dot(q[d], key_chunk[at + 3u * QUADS + d]),
                );
            }
            // Keys that the row does not see weigh nothing.
            scores = select(vec4<f32>(LOWEST), scores, vec4<u32>(j, j + 1u, j + 2u, j + 3u) < vec4<u32>(here));
            let top = max(max(best, max(scores.x, scores.y)), max(scores.z, scores.w));
            let keep = exp(best - top);
            let share = exp(scores - top);
            total = total * keep + dot(share, vec4<f32>(1.0));
            for (var d = 0u; d < QUADS; d++) {
                sum[d] = sum[d] * keep + share.x * value_chunk[at + d] + share.y * value_chunk[at + QUADS + d]
                    + share.z * value_chunk[at + 2u * QUADS + d] + share.w * value_chunk[at + 3u * QUADS + d];
            }
            best = top;
        }
    }
    if (live) {
        for (var d = 0u; d < QUADS; d++) {
            store(row, head, d, sum[d] / total);
        }
    }
}
