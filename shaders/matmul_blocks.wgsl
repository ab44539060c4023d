// Products of many rows with quantized weights: see shared/product.wgsl and shared/patch.wgsl. A block of 32 columns is staged
// at a time, x over a scale of its own as the weights are, both in factors that a GPU may multiply faster than f32
// (shared/factors_*.wgsl). Sums of blocks are f32.
// Grid: [tile columns / 64, rows / 64].

// [half of the block][row or column of the tile]
var<workgroup> x_tile: array<array<Sixteen, 64>, 2>;
var<workgroup> w_tile: array<array<Sixteen, 64>, 2>;
var<workgroup> x_scale: array<f32, 64>;
var<workgroup> w_scale: array<f32, 64>;

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
    for (var block = 0u; block * 8u < quads; block++) {
        var xs: array<mat4x4<f32>, 2>;
        var ws: array<vec4<u32>, 2>;
        var scale = 0.0;
        var largest = vec4<f32>(0.0);
        if (staged_column < params.cols) {
            scale = block_scale(staged_column, block, params.depth);
            ws[0] = bytes16(staged_column, block * 2u, params.depth);
            ws[1] = bytes16(staged_column, block * 2u + 1u, params.depth);
        }
        for (var part = 0u; part < 2u; part++) {
            for (var i = 0u; i < 4u; i++) {
                let quad = block * 8u + part * 4u + i;
                let norm = norm(quad);
                of_column += column_part(scale * vec4<f32>(unpack4xI8(ws[part][i])), norm);
                if (staged_row < params.rows) {
                    let four = x[staged_row * quads + quad];
                    of_row += row_part(four);
                    xs[part][i] = prepare(four, norm);
                    largest = max(largest, abs(xs[part][i]));
                }
            }
        }
        let top = max(max(largest.x, largest.y), max(largest.z, largest.w));
        // What is smaller than any activation counts as zero: its inverse would not be finite.
        let inverse = select(0.0, TOP / top, top > 1e-30);
        workgroupBarrier();
        x_scale[lane] = top / TOP;
        w_scale[lane] = scale;
        for (var part = 0u; part < 2u; part++) {
            x_tile[part][lane] = rounded(xs[part] * inverse);
            w_tile[part][lane] = integers(ws[part]);
        }
        workgroupBarrier();
        for (var part = 0u; part < 2u; part++) {
            let first = patch_column + 32u * part;
            let a = array<Sixteen, 2>(w_tile[0][first], w_tile[1][first]);
            let b = array<Sixteen, 2>(w_tile[0][first + 8u], w_tile[1][first + 8u]);
            let c = array<Sixteen, 2>(w_tile[0][first + 16u], w_tile[1][first + 16u]);
            let d = array<Sixteen, 2>(w_tile[0][first + 24u], w_tile[1][first + 24u]);
            let scales = vec4<f32>(w_scale[first], w_scale[first + 8u], w_scale[first + 16u], w_scale[first + 24u]);
            for (var r = 0u; r < 8u; r++) {
                let row = patch_row + 8u * r;
                let one = array<Sixteen, 2>(x_tile[0][row], x_tile[1][row]);
                let dots = vec4<f32>(dot32(one, a), dot32(one, b), dot32(one, c), dot32(one, d));
                sums[r][part] += dots * (scales * x_scale[row]);
            }
        }
    }
    write_patch(tile.xy, lane, &sums, of_row, of_column);
}
