// Products of many rows: see shared/product.wgsl and shared/patch.wgsl. 16 columns of x and of the weights are staged at a time,
// so that each weight is unpacked once a tile. f32 throughout.
// Grid: [tile columns / 64, rows / 64].

// [quad of the stage][row or column of the tile]
var<workgroup> x_tile: array<array<vec4<f32>, 64>, 4>;
var<workgroup> w_tile: array<array<vec4<f32>, 64>, 4>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let staged_row = tile.y * 64u + lane;
    let staged_column = column(tile.x * 64u + lane);
    let patch_row = lane / 8u;
    let patch_column = lane % 8u;
    let quads = params.depth / 4u;
    var of_row = vec2<f32>(0.0);
    var of_column = vec2<f32>(0.0);
    var sums: Patch;
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
    write_patch(tile.xy, lane, &sums, of_row, of_column);
}
