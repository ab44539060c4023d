use crate::attention_causal::cached;
use crate::check::{Device, on_cpu};
use crate::matmul::in_all_integers;

/// The CPU multiplies floats too by what its processor is faster with, or by plain SIMD.
pub(crate) async fn check(device: &Device) {
    match on_cpu(device) {
        true => in_all_integers(async || one_row(device).await).await,
        false => one_row(device).await,
    }
}

async fn one_row(device: &Device) {
    for (heads, kv_heads, head_dim, start, context) in [
        (1, 1, 8, 0, 1),
        (4, 2, 16, 40, 64),
        (14, 2, 64, 3, 64),
        (32, 32, 96, 70, 128),
        (16, 8, 128, 1_100, 2_048),
        (4, 1, 64, 255, 256),
        (4, 1, 64, 256, 300),
        (2, 1, 256, 9_000, 9_001),
    ] {
        cached(device, [1, heads, kv_heads, head_dim, start, context]).await;
    }
}
