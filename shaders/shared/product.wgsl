// What the kernels of products share: out = epilogue(prologue(x) . weights^T), x [rows, depth], weights [cols, depth] (f32, q8
// or q4), a block of rows of a matrix, or all of it: out [rows, width], of which columns `start` and on are written, as many
// as `cols` (SwiGLU: cols / 2). `column(t)` names the weights' row of column t of a tile, or `cols` and more where there
// is none.
// A prologue has a `norm` of four of the depth's columns at a time, `prepare` for x and what `settle` needs of rows and columns.
struct Norm {
    weight: vec4<f32>,
    bias: vec4<f32>,
}
struct Params {
    rows: u32,
    cols: u32,
    depth: u32,
    eps: f32,
    start: u32,
    width: u32,
}
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(PARAMS) var<uniform> params: Params;
