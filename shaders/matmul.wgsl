// Products of many rows: see shared/product.wgsl. One workgroup makes a 64 x 64 tile, each of its 64 invocations an 8 x 8
// patch in registers, of rows and columns 8 apart so that neighbours read neighbours; 16 columns of x and of the weights are
// staged at a time, each lane one row of either, so that each weight is unpacked once a tile. f32 accumulation.
// Grid: [tile columns / 64, rows / 64].

// [quad of the stage][row or column of the tile]
var<workgroup> x_tile: array<array<vec4<f32>, 64>, 4>;
var<workgroup> w_tile: array<array<vec4<f32>, 64>, 4>;
var<workgroup> row_seen: array<vec2<f32>, 64>;
var<workgroup> column_seen: array<vec2<f32>, 64>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = tile.y * 64u;
    let first_column = tile.x * 64u;
    let staged_row = first_row + lane;
    let staged_column = column(first_column + lane);
    let patch_row = lane / 8u;
    let patch_column = lane % 8u;
    let quads = params.depth / 4u;
    var of_row = vec2<f32>(0.0);
    var of_column = vec2<f32>(0.0);
    var sums: array<array<vec4<f32>, 2>, 8>;
    for (var chunk = 0u; chunk * 4u < quads; chunk++) {
        var xs: mat4x4<f32>;
        var ws: mat4x4<f32>;
        if (staged_column < params.cols) {
            ws = weight16(staged_column, chunk, params.depth);
        }
        for (var i = 0u; i < 4u; i++) {
            let quad = chunk * 4u + i;
            if (quad < quads) {
                let norm = norm(quad);
                of_column += column_part(ws[i], norm);
                if (staged_row < params.rows) {
                    let four = x[staged_row * quads + quad];
                    of_row += row_part(four);
                    xs[i] = prepare(four, norm);
                }
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < 4u; i++) {
            x_tile[i][lane] = xs[i];
            w_tile[i][lane] = ws[i];
        }
        workgroupBarrier();
        for (var i = 0u; i < 4u; i++) {
            let left = mat4x4<f32>(w_tile[i][patch_column], w_tile[i][patch_column + 8u],
                w_tile[i][patch_column + 16u], w_tile[i][patch_column + 24u]);
            let right = mat4x4<f32>(w_tile[i][patch_column + 32u], w_tile[i][patch_column + 40u],
                w_tile[i][patch_column + 48u], w_tile[i][patch_column + 56u]);
            for (var r = 0u; r < 8u; r++) {
                let four = x_tile[i][patch_row + 8u * r];
                sums[r][0] += four * left;
                sums[r][1] += four * right;
            }
        }
    }
    row_seen[lane] = of_row;
    column_seen[lane] = of_column;
    workgroupBarrier();
    for (var r = 0u; r < 8u; r++) {
        let row = patch_row + 8u * r;
        for (var j = 0u; j < 4u; j++) {
            let t = patch_column + 16u * j;
            let first = settle(sums[r][j / 2u][j % 2u * 2u], row_seen[row], column_seen[t]);
            let second = settle(sums[r][j / 2u][j % 2u * 2u + 1u], row_seen[row], column_seen[t + PAIR]);
            write(first_row + row, first_column + t, first, second);
        }
    }
}
