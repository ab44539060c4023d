// gelu(. + bias [width]), the exact (erf) form.
@group(0) @binding(EPILOGUE) var<storage, read_write> bias: array<f32>;

// erfc(t) for t >= 0 by the rational Chebyshev fit of Numerical Recipes 6.2 (erfccheb's short form): relative error < 1.2e-7.
fn erfc_positive(t: f32) -> f32 {
    let u = 1.0 / (1.0 + 0.5 * t);
    let p = u * (1.00002368 + u * (0.37409196 + u * (0.09678418 + u * (-0.18628806 + u * (0.27886807
        + u * (-1.13520398 + u * (1.48851587 + u * (-0.82215223 + u * 0.17087277))))))));
    return u * exp(-t * t - 1.26551223 + p);
}

fn finish(row: u32, col: u32, sum: f32) -> f32 {
    let x = sum + bias[col];
    let tail = 0.5 * erfc_positive(abs(x) * 0.70710678);
    return x * select(tail, 1.0 - tail, x >= 0.0);
}
