// out = finish(x . weights^T) for one row: x [depth], weights [cols, depth] (f32, q8 or q4), out [cols].
// One workgroup makes four outputs, 16 lanes each, lanes reading neighbouring quads: the weights stream past once, coalesced.
// Why beside matmul: with one row there is nothing to reuse, so staging would only cost.
// Grid: cols / 4, spread over two dimensions.
struct Params {
    rows: u32,
    cols: u32,
    depth: u32,
}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let col = flat_workgroup(id, count) * 4u + lane / 16u;
    let member = lane % 16u;
    var sum = 0.0;
    if (col < params.cols) {
        for (var quad = member; quad < params.depth / 4u; quad += 16u) {
            let at = quad * 4u;
            sum += dot(weight4(col, quad, params.depth), vec4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]));
        }
    }
    partial[lane] = sum;
    workgroupBarrier();
    for (var stride = 8u; stride > 0u; stride /= 2u) {
        if (member < stride) {
            partial[lane] += partial[lane + stride];
        }
        workgroupBarrier();
    }
    if (member == 0u && col < params.cols) {
        out[col] = finish(0u, col, partial[lane]);
    }
}
