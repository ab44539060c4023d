enable f16;
// Factors in f16: x at most 1, the weights' integers at most 127, so that the sum of sixteen products is at most 2,032.
struct Sixteen {
    a: vec4<f16>,
    b: vec4<f16>,
    c: vec4<f16>,
    d: vec4<f16>,
}

const TOP = 1.0;

fn rounded(x: mat4x4<f32>) -> Sixteen {
    return Sixteen(vec4<f16>(x[0]), vec4<f16>(x[1]), vec4<f16>(x[2]), vec4<f16>(x[3]));
}
fn integers(words: vec4<u32>) -> Sixteen {
    return Sixteen(vec4<f16>(unpack4xI8(words.x)), vec4<f16>(unpack4xI8(words.y)),
        vec4<f16>(unpack4xI8(words.z)), vec4<f16>(unpack4xI8(words.w)));
}
fn dot16(a: Sixteen, b: Sixteen) -> f32 {
    return f32(dot(a.a, b.a) + dot(a.b, b.b) + dot(a.c, b.c) + dot(a.d, b.d));
}
fn dot32(a: array<Sixteen, 2>, b: array<Sixteen, 2>) -> f32 {
    return dot16(a[0], b[0]) + dot16(a[1], b[1]);
}
