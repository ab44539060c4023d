// What products with workgroup memory share: a workgroup makes a 64 x 64 tile, each of its 64 invocations an 8 x 8 patch in
// registers, of rows and columns 8 apart so that neighbours read neighbours, and stages one row and one column of the tile.

// [row][half of the columns]
alias Patch = array<array<vec4<f32>, 2>, 8>;

var<workgroup> row_seen: array<vec2<f32>, 64>;
var<workgroup> column_seen: array<vec2<f32>, 64>;

// Finishes and writes the lane's patch of the tile; it has seen its row and its column. All lanes must call.
fn write_patch(tile: vec2<u32>, lane: u32, sums: ptr<function, Patch>, of_row: vec2<f32>, of_column: vec2<f32>) {
    row_seen[lane] = of_row;
    column_seen[lane] = of_column;
    workgroupBarrier();
    for (var r = 0u; r < 8u; r++) {
        let row = lane / 8u + 8u * r;
        for (var j = 0u; j < 4u; j++) {
            let t = lane % 8u + 16u * j;
            let first = settle((*sums)[r][j / 2u][j % 2u * 2u], row_seen[row], column_seen[t]);
            let second = settle((*sums)[r][j / 2u][j % 2u * 2u + 1u], row_seen[row], column_seen[t + PAIR]);
            write(tile.y * 64u + row, tile.x * 64u + t, first, second);
        }
    }
}
