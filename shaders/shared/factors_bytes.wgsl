// Factors in bytes, four a word, multiplied by dot products of words: a block's sum is an integer.
alias Sixteen = vec4<u32>;

const TOP = 127.0;

fn rounded(x: mat4x4<f32>) -> Sixteen {
    return vec4<u32>(pack4xI8(vec4<i32>(round(x[0]))), pack4xI8(vec4<i32>(round(x[1]))),
        pack4xI8(vec4<i32>(round(x[2]))), pack4xI8(vec4<i32>(round(x[3]))));
}
fn integers(words: vec4<u32>) -> Sixteen {
    return words;
}
fn dot16(a: Sixteen, b: Sixteen) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}
fn dot32(a: array<Sixteen, 2>, b: array<Sixteen, 2>) -> f32 {
    return f32(dot16(a[0], b[0]) + dot16(a[1], b[1]));
}
