// Cuts a canvas into tiles and normalises: canvas [rows * side, cols * side], one u32 a pixel (r | g << 8 | b << 16), tiles
// row-major -> out [rows * cols, 3, side, side] = table[channel, value], table [3, 256] = (value / 255 - mean) / std.
// One invocation an output.
struct Params {
    cols: u32,
    rows: u32,
    side: u32,
}
@group(0) @binding(0) var<storage, read_write> canvas: array<u32>;
@group(0) @binding(1) var<storage, read_write> table: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(id, count) * WORKGROUP + lane;
    let area = params.side * params.side;
    if (index >= params.cols * params.rows * 3u * area) {
        return;
    }
    let tile = index / (3u * area);
    let channel = index / area % 3u;
    let y = tile / params.cols * params.side + index / params.side % params.side;
    let x = tile % params.cols * params.side + index % params.side;
    let value = (canvas[y * params.cols * params.side + x] >> (8u * channel)) & 255u;
    out[index] = table[channel * 256u + value];
}
