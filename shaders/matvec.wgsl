// Products of one row: see shared/product.wgsl. One workgroup makes sixteen outputs, 16 lanes for each four of them, lanes
// reading neighbouring chunks: the weights stream past once, coalesced, and each read of x serves four columns.
// Why beside matmul: with one row there is nothing to reuse, so staging would only cost.
// Grid: tile columns / 16, spread over two dimensions.
var<workgroup> partial: array<vec4<f32>, 64>;
var<workgroup> row_seen: array<vec2<f32>, 64>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let t = flat_workgroup(id, count) * 16u + lane / 16u;
    let member = lane % 16u;
    let quads = params.depth / 4u;
    var sums = vec4<f32>(0.0);
    var of_row = vec2<f32>(0.0);
    for (var chunk = member; chunk * 4u < quads; chunk += 16u) {
        var xs: mat4x4<f32>;
        for (var i = 0u; i < 4u; i++) {
            let quad = chunk * 4u + i;
            if (quad < quads) {
                of_row += row_part(x[quad]);
                xs[i] = prepare(x[quad], norm(quad));
            }
        }
        for (var j = 0u; j < 4u; j++) {
            let col = column(t + PAIR * j);
            if (col < params.cols) {
                let ws = weight16(col, chunk, params.depth);
                sums[j] += dot(xs[0], ws[0]) + dot(xs[1], ws[1]) + dot(xs[2], ws[2]) + dot(xs[3], ws[3]);
            }
        }
    }
    partial[lane] = sums;
    row_seen[lane] = of_row;
    workgroupBarrier();
    for (var stride = 8u; stride > 0u; stride /= 2u) {
        if (member < stride) {
            partial[lane] += partial[lane + stride];
            row_seen[lane] += row_seen[lane + stride];
        }
        workgroupBarrier();
    }
    if (member == 0u) {
        let none = vec2<f32>(0.0);
        for (var j = 0u; j < 4u; j += 2u) {
            let first = settle(partial[lane][j], row_seen[lane], none);
            let second = settle(partial[lane][j + 1u], row_seen[lane], none);
            write(0u, t + PAIR * j, first, second);
        }
    }
}
