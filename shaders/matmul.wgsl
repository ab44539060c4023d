// out = finish(x . weights^T): x [rows, depth], weights [cols, depth] (f32, q8 or q4), out [rows, cols].
// One workgroup makes a 32 x 32 tile, each of its 64 invocations a 4 x 4 patch; 32 columns of x and of the weights
// (one quantization block) are staged at a time, so each weight is unpacked once a tile. f32 accumulation.
// Grid: [cols / 32, rows / 32]. For rows > 1; one row goes through matvec.
struct Params {
    rows: u32,
    cols: u32,
    depth: u32,
}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

// [depth in the block][row or column in the tile]
var<workgroup> x_tile: array<array<f32, 32>, 32>;
var<workgroup> w_tile: array<array<f32, 32>, 32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = tile.y * 32u;
    let first_col = tile.x * 32u;
    // Staging: lane loads half a row (16 elements) of either tile.
    let line = lane / 2u;
    let half = (lane % 2u) * 16u;
    // Product: lane makes rows 4 * (lane / 8) .. and columns 4 * (lane % 8) ..
    let patch_row = (lane / 8u) * 4u;
    let patch_col = (lane % 8u) * 4u;
    var sums: array<vec4<f32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        sums[i] = vec4<f32>(0.0);
    }
    for (var block = 0u; block < params.depth; block += 32u) {
        for (var i = 0u; i < 16u; i += 4u) {
            let k = block + half + i;
            var xs = vec4<f32>(0.0);
            var ws = vec4<f32>(0.0);
            if (k < params.depth) {
                if (first_row + line < params.rows) {
                    let at = (first_row + line) * params.depth + k;
                    xs = vec4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
                }
                if (first_col + line < params.cols) {
                    ws = weight4(first_col + line, k / 4u, params.depth);
                }
            }
            for (var j = 0u; j < 4u; j++) {
                x_tile[half + i + j][line] = xs[j];
                w_tile[half + i + j][line] = ws[j];
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < 32u; k++) {
            let w = vec4<f32>(w_tile[k][patch_col], w_tile[k][patch_col + 1u], w_tile[k][patch_col + 2u], w_tile[k][patch_col + 3u]);
            for (var i = 0u; i < 4u; i++) {
                sums[i] += x_tile[k][patch_row + i] * w;
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        let row = first_row + patch_row + i;
        for (var j = 0u; j < 4u; j++) {
            let col = first_col + patch_col + j;
            if (row < params.rows && col < params.cols) {
                out[row * params.cols + col] = finish(row, col, sums[i][j]);
            }
        }
    }
}
