// One pass of Pillow's bicubic resize (fixed point, 22 fraction bits), along x or along y.
// pixels, out: one u32 a pixel, r | g << 8 | b << 16. Output line `o` (column or row) mixes spans[o].y source lines from
// spans[o].x on with taps[o * stride ..]. STEP selects the axis: 0 along x, 1 along y. One invocation a pixel of out.
// Source: Pillow <= 12.3, Resample.c; the CPU twin is vision/tiles.rs.
struct Params {
    out_width: u32,
    out_height: u32,
    in_width: u32,
    stride: u32,
}
@group(0) @binding(0) var<storage, read_write> pixels: array<u32>;
@group(0) @binding(1) var<storage, read_write> spans: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> taps: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    if (index >= params.out_width * params.out_height) {
        return;
    }
    let at = vec2<u32>(index % params.out_width, index / params.out_width);
    let line = at[STEP];
    let span = spans[line];
    var first = at.y * params.in_width + span.x;
    var hop = 1u;
    if (STEP == 1u) {
        first = span.x * params.in_width + at.x;
        hop = params.in_width;
    }
    var sum = vec3<i32>(1i << 21u);
    for (var k = 0u; k < span.y; k++) {
        let pixel = pixels[first + k * hop];
        let channels = vec3<i32>((vec3<u32>(pixel) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(255u));
        sum += channels * bitcast<i32>(taps[line * params.stride + k]);
    }
    let result = vec3<u32>(clamp(sum >> vec3<u32>(22u), vec3<i32>(0), vec3<i32>(255)));
    out[index] = result.x | (result.y << 8u) | (result.z << 16u);
}
