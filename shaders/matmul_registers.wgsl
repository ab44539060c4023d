// Products without workgroup memory: see shared/product.wgsl. Each invocation makes ROWS x 4 outputs in its registers.
// Why beside matmul and matvec: on a software adapter a barrier costs more than what staging saves.
// Grid: [tile columns / (4 * WORKGROUP), rows / ROWS].

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = (id.x * WORKGROUP + lane) * 4u;
    let first_row = id.y * ROWS;
    let quads = params.depth / 4u;
    var sums: array<vec4<f32>, ROWS>;
    var row_seen: array<vec2<f32>, ROWS>;
    var column_seen: array<vec2<f32>, 4>;
    for (var chunk = 0u; chunk * 4u < quads; chunk++) {
        // Beyond the last row or column the last one is worked on again; `write` leaves the result out.
        var columns: array<mat4x4<f32>, 4>;
        for (var j = 0u; j < 4u; j++) {
            columns[j] = weight16(min(column(t + j), params.cols - 1u), chunk, params.depth);
        }
        for (var i = 0u; i < min(4u, quads - chunk * 4u); i++) {
            let quad = chunk * 4u + i;
            let ws = mat4x4<f32>(columns[0][i], columns[1][i], columns[2][i], columns[3][i]);
            for (var j = 0u; j < 4u; j++) {
                column_seen[j] += column_part(ws[j], quad);
            }
            for (var r = 0u; r < ROWS; r++) {
                let four = x[min(first_row + r, params.rows - 1u) * quads + quad];
                row_seen[r] += row_part(four);
                sums[r] += prepare(four, quad) * ws;
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var j = 0u; j < 2u; j++) {
            let first = settle(sums[r][j], row_seen[r], column_seen[j]);
            let second = settle(sums[r][j + PAIR], row_seen[r], column_seen[j + PAIR]);
            write(first_row + r, t + j, first, second);
        }
    }
}
