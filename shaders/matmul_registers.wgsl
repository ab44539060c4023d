// Products without workgroup memory: see shared/product.wgsl. Each invocation makes ROWS (1 or 8) x 8 outputs as matrices of
// four rows and four columns; nothing is indexed but by constants, or SwiftShader would keep it in memory.
// Why beside matmul and matvec: on a software adapter a barrier costs more than what staging saves.
// Grid: [tile columns / (8 * WORKGROUP), rows / ROWS].

// Four rows of x as columns, beyond the last row the last one: `write` leaves the result out.
fn four_rows(first: u32, quad: u32) -> mat4x4<f32> {
    let quads = params.depth / 4u;
    let last = params.rows - 1u;
    return mat4x4<f32>(
        x[min(first, last) * quads + quad],
        x[min(first + 1u, last) * quads + quad],
        x[min(first + 2u, last) * quads + quad],
        x[min(first + 3u, last) * quads + quad],
    );
}
fn prepared(rows: mat4x4<f32>, norm: Norm) -> mat4x4<f32> {
    return mat4x4<f32>(prepare(rows[0], norm), prepare(rows[1], norm), prepare(rows[2], norm), prepare(rows[3], norm));
}
fn row_parts(rows: mat4x4<f32>) -> mat4x2<f32> {
    return mat4x2<f32>(row_part(rows[0]), row_part(rows[1]), row_part(rows[2]), row_part(rows[3]));
}
fn column_parts(columns: mat4x4<f32>, norm: Norm) -> mat4x2<f32> {
    return mat4x2<f32>(column_part(columns[0], norm), column_part(columns[1], norm),
        column_part(columns[2], norm), column_part(columns[3], norm));
}

// Sixteen weights of each of four columns.
struct Columns {
    a: mat4x4<f32>,
    b: mat4x4<f32>,
    c: mat4x4<f32>,
    d: mat4x4<f32>,
}
fn sixteen(t: u32, chunk: u32) -> mat4x4<f32> {
    return weight16(min(column(t), params.cols - 1u), chunk, params.depth);
}
fn four_columns(t: u32, chunk: u32) -> Columns {
    return Columns(sixteen(t, chunk), sixteen(t + 1u, chunk), sixteen(t + 2u, chunk), sixteen(t + 3u, chunk));
}

// [row][column], of rows 0..3 and 4..7, columns 0..3 and 4..7 of the patch.
var<private> near_left: mat4x4<f32>;
var<private> near_right: mat4x4<f32>;
var<private> far_left: mat4x4<f32>;
var<private> far_right: mat4x4<f32>;
var<private> near_seen: mat4x2<f32>;
var<private> far_seen: mat4x2<f32>;
var<private> left_seen: mat4x2<f32>;
var<private> right_seen: mat4x2<f32>;

fn add(first_row: u32, quad: u32, left: mat4x4<f32>, right: mat4x4<f32>) {
    if (quad >= params.depth / 4u) {
        return;
    }
    let norm = norm(quad);
    left_seen += column_parts(left, norm);
    right_seen += column_parts(right, norm);
    if (ROWS == 1u) {
        let one = x[quad];
        near_seen[0] += row_part(one);
        near_left[0] += prepare(one, norm) * left;
        near_right[0] += prepare(one, norm) * right;
        return;
    }
    let near = four_rows(first_row, quad);
    near_seen += row_parts(near);
    near_left += transpose(left) * prepared(near, norm);
    near_right += transpose(right) * prepared(near, norm);
    let far = four_rows(first_row + 4u, quad);
    far_seen += row_parts(far);
    far_left += transpose(left) * prepared(far, norm);
    far_right += transpose(right) * prepared(far, norm);
}

fn write_four(row: u32, t: u32, sums: mat4x4<f32>, of_rows: mat4x2<f32>, of_columns: mat4x2<f32>) {
    for (var r = 0u; r < min(4u, ROWS); r++) {
        for (var j = 0u; j < PAIR; j++) {
            let first = settle(sums[r][j], of_rows[r], of_columns[j]);
            let second = settle(sums[r][j + PAIR], of_rows[r], of_columns[j + PAIR]);
            write(row + r, t + j, first, second);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = (id.x * WORKGROUP + lane) * 8u;
    let row = id.y * ROWS;
    for (var chunk = 0u; chunk * 16u < params.depth; chunk++) {
        let left = four_columns(t, chunk);
        let right = four_columns(t + 4u, chunk);
        let quad = chunk * 4u;
        add(row, quad, mat4x4<f32>(left.a[0], left.b[0], left.c[0], left.d[0]),
            mat4x4<f32>(right.a[0], right.b[0], right.c[0], right.d[0]));
        add(row, quad + 1u, mat4x4<f32>(left.a[1], left.b[1], left.c[1], left.d[1]),
            mat4x4<f32>(right.a[1], right.b[1], right.c[1], right.d[1]));
        add(row, quad + 2u, mat4x4<f32>(left.a[2], left.b[2], left.c[2], left.d[2]),
            mat4x4<f32>(right.a[2], right.b[2], right.c[2], right.d[2]));
        add(row, quad + 3u, mat4x4<f32>(left.a[3], left.b[3], left.c[3], left.d[3]),
            mat4x4<f32>(right.a[3], right.b[3], right.c[3], right.d[3]));
    }
    write_four(row, t, near_left, near_seen, left_seen);
    write_four(row, t + 4u, near_right, near_seen, right_seen);
    if (ROWS > 4u) {
        write_four(row + 4u, t, far_left, far_seen, left_seen);
        write_four(row + 4u, t + 4u, far_right, far_seen, right_seen);
    }
}
