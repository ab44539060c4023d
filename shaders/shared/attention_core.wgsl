// Flash attention over one head: BLOCK queries a workgroup, one a lane; keys and values pass through workgroup memory
// CHUNK at a time; the softmax is kept online (running maximum and total, f32), so no T x T matrix exists.
// The including shader gives query(row, head, d), key(position, head, d), value(position, head, d), visible(row) = how many
// keys the row sees, and store(row, head, d, value). `rows` and `limit` (keys any row of the block sees) are uniform.
var<workgroup> key_chunk: array<f32, CHUNK * HEAD_DIM>;
var<workgroup> value_chunk: array<f32, CHUNK * HEAD_DIM>;

fn attend(row: u32, head: u32, lane: u32, rows: u32, limit: u32) {
    let scale = inverseSqrt(f32(HEAD_DIM));
    var q: array<f32, HEAD_DIM>;
    var sum: array<f32, HEAD_DIM>;
    let live = row < rows;
    for (var d = 0u; d < HEAD_DIM; d++) {
        q[d] = 0.0;
        sum[d] = 0.0;
        if (live) {
            q[d] = query(row, head, d) * scale;
        }
    }
    var best = -3.0e38;
    var total = 0.0;
    let seen = select(0u, visible(row), live);
    for (var start = 0u; start < limit; start += CHUNK) {
        workgroupBarrier();
        for (var i = lane; i < CHUNK * HEAD_DIM; i += BLOCK) {
            let position = start + i / HEAD_DIM;
            if (position < limit) {
                key_chunk[i] = key(position, head, i % HEAD_DIM);
                value_chunk[i] = value(position, head, i % HEAD_DIM);
            }
        }
        workgroupBarrier();
        let here = min(CHUNK, max(seen, start) - start);
        for (var j = 0u; j < here; j++) {
            var score = 0.0;
            for (var d = 0u; d < HEAD_DIM; d++) {
                score += q[d] * key_chunk[j * HEAD_DIM + d];
            }
            let top = max(best, score);
            let keep = exp(best - top);
            let share = exp(score - top);
            total = total * keep + share;
            for (var d = 0u; d < HEAD_DIM; d++) {
                sum[d] = sum[d] * keep + share * value_chunk[j * HEAD_DIM + d];
            }
            best = top;
        }
    }
    if (live) {
        for (var d = 0u; d < HEAD_DIM; d++) {
            store(row, head, d, sum[d] / total);
        }
    }
}
